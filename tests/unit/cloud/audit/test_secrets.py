"""Texts that look like a credential: found in files, and none is in this repository."""

import subprocess
from pathlib import Path

import pytest

from cloud.audit.secrets import (
    PATTERNS,
    secrets_in,
    secrets_in_files,
    secrets_in_history,
)
from cloud.images import ROOT

# Put together here, so that this file has none.
EXAMPLES = {
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----\n" + "A" * 60,
    "a key of a service account": '"private_key_id": "' + "0f" * 20 + '"',
    "an API key of Google": "AI" + "za" + "B" * 35,
    "a token of Google": "ya" + "29." + "c" * 50,
    "an OAuth secret of Google": "GOC" + "SPX-" + "d" * 28,
    "a client secret of Entra ID": "abc" + "8Q" + "~" + "e" * 34,
    "a key of Service Bus": "SharedAccess" + "Key=" + "f" * 43 + "=",
    "a key of AWS": "AK" + "IA" + "G" * 16,
    "a token of GitHub": "gh" + "p_" + "h" * 36,
    "a token of PyPI": "pypi-" + "AgEI" + "i" * 50,
    "a signed token": "ey" + "J" + "j" * 20 + ".ey" + "J" + "k" * 20 + "." + "l" * 30,
    "a value of IRIS_CLIENT_SECRET": "IRIS_CLIENT_" + "SECRET=" + "m" * 36,
}


def test_each_pattern_has_an_example():
    assert list(EXAMPLES) == list(PATTERNS)


@pytest.mark.parametrize(("what", "text"), EXAMPLES.items())
def test_a_credential_is_found_by_its_form(what, text):
    found = list(secrets_in(f"one\ntwo {text}\n".encode(), "file"))
    assert [str(one) for one in found] == [f"file:2: {what}"]


@pytest.mark.parametrize(
    "text",
    [
        "IRIS_CLIENT_SECRET=...",
        "SharedAccessKey=simulator;",
        "-----BEGIN PRIVATE KEY-----\n...",
        "sha256:" + "0f" * 32,
    ],
)
def test_what_only_stands_for_one_is_not_found(text):
    assert list(secrets_in(text.encode(), "file")) == []


def test_no_file_of_this_repository_has_one():
    assert list(map(str, secrets_in_files(ROOT))) == []


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
    subprocess.run(["git", "-C", folder, *who, *arguments], check=True)


def test_one_that_was_removed_is_found_in_the_history(tmp_path):
    git(tmp_path, "init", "--quiet")
    file = tmp_path / "settings.env"
    file.write_text(EXAMPLES["a token of GitHub"])
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    file.write_text("nothing")
    git(tmp_path, "commit", "--quiet", "--all", "--message", "two")
    assert list(secrets_in_files(tmp_path)) == []
    [found] = secrets_in_history(tmp_path)
    assert found.place.startswith("settings.env in ")
    assert found.what == "a token of GitHub"
