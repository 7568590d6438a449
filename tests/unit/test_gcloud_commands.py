"""Every command of gcloud in the documents is one that gcloud's own parser accepts."""

import contextlib
import functools
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from string import Template

import pytest

from cloud.__main__ import main
from cloud.deployment import Deployment
from cloud.smoke.needs import needs

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("docs/*.md")), ROOT / "templates/terraform/README.md"]
ALERTS = ROOT / "templates/terraform/modules/alerts/main.tf"
VALUES = {
    "PROJECT": "my-project",
    "REGION": "europe-west2",
    "ZONE": "europe-west2-b",
    "TAG": "v1",
    "BILLING": "012345-6789AB-CDEF01",
    "VERSION": "1",
    "SUBNET": "private",
    "NETWORK": "default",
    "JOB": "2026-11-29_00_00_00-123",
}
# What gcloud calls otherwise today than the one that is installed may: its reference,
# https://docs.cloud.google.com/sdk/gcloud/reference/run/worker-pools/update (read
# 2026-11-29), has `--instances` and no track. In 528 the group is in beta.
FORMERLY = [
    (["run", "worker-pools"], ["beta", "run", "worker-pools"]),
    (["--instances"], ["--scaling"]),
]
# Words that separate the commands of a line in a shell.
OPERATORS = re.compile(r"[|;&()<>]+")
SDK = Path(shutil.which("gcloud") or "/none").resolve().parents[1]

pytestmark = pytest.mark.skipif(
    not (SDK / "lib/googlecloudsdk").is_dir(),
    reason="gcloud is not installed: the commands of the documents are not parsed",
)


def in_shell(line):
    """The commands of gcloud in a line, each as its words without the first."""
    line = Template(line).safe_substitute(VALUES)
    for name, value in VALUES.items():
        line = re.sub(rf"(?<![A-Z_]){name}(?![A-Z_])", value, line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    command = []
    for word in [*lexer, ";"]:
        if not OPERATORS.fullmatch(word):
            command.append(word)
            continue
        if "gcloud" in command:
            yield tuple(command[command.index("gcloud") + 1 :])
        command = []


def blocks(text):
    """The lines of all code blocks, with continued ones joined."""
    found = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return "\n".join(found).replace("\\\n", " ").splitlines()


def commands_of_blocks():
    """Each command of a code block, with the page that has it."""
    for page in PAGES:
        for line in blocks(page.read_text()):
            if "gcloud " in line:
                for words in in_shell(line):
                    yield str(page.relative_to(ROOT)), words


def commands_in_prose():
    """Each command in the text of a page or of an alert; some only name a command."""
    for page in PAGES:
        text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.S | re.M)
        for span in re.findall(r"`(gcloud [a-z][^`]*)`", text):
            for words in in_shell(" ".join(span.split())):
                yield str(page.relative_to(ROOT)), words
    for span in re.findall(r"`(gcloud [^`]+)`", ALERTS.read_text()):
        for words in in_shell(re.sub(r"\$\{.+?\}", "name", span)):
            yield "alerts", words


def commands_of_programs():
    """The commands that `python -m cloud` runs, and those that a smoke test advises."""
    deployment = Deployment("my-project", "europe-west2")
    place = ["--project=my-project", "--region=europe-west2", "--tag=v1", "--dry-run"]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main(["template", *place]) == 0
    lines = [line for line in printed.getvalue().splitlines() if "$ gcloud" in line]
    lines += [need.grant for need in needs(deployment, "123456789012")]
    for line in lines:
        yield from in_shell(line)


WRONG = ("pubsub", "topics", "create", "name", "--no-such-option")


@functools.cache
def refusals():
    """What gcloud's parser refuses, by command; gcloud starts once for all tests."""
    sources = (commands_of_blocks(), commands_in_prose())
    found = [words for source in sources for _, words in source]
    found += [*commands_of_programs(), WRONG]
    commands = tuple(dict.fromkeys([*found, *map(formerly, found)]))
    python = SDK / "platform/bundledpythonunix/bin/python3"
    program = Path(__file__).with_name("gcloud_parser.py")
    done = subprocess.run(
        [str(python if python.exists() else sys.executable), str(program), str(SDK)],
        input=json.dumps(commands),
        env=os.environ | {"CLOUDSDK_CORE_DISABLE_PROMPTS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(commands, json.loads(done.stdout), strict=True))


def replaced(words, old, new):
    """The words with one sequence in place of another."""
    for start in range(len(words)):
        if list(words[start : start + len(old)]) == old:
            return (*words[:start], *new, *words[start + len(old) :])
    return words


def formerly(words):
    """The same command as an older gcloud spells it."""
    for new, old in FORMERLY:
        words = replaced(words, new, old)
    return words


def refused(commands):
    """Those that are refused in both spellings, with the reason."""
    found = refusals()
    return {
        " ".join(words): found[words]
        for words in commands
        if found[words] and found[formerly(words)]
    }


def test_the_commands_of_the_documents_are_accepted():
    commands = [words for _, words in commands_of_blocks()]
    assert len(commands) > 30
    assert refused(commands) == {}


def test_the_commands_in_prose_have_options_that_exist():
    commands = [words for _, words in commands_in_prose()]
    assert commands
    wrong = refused(commands)
    # A text may name a command without its arguments.
    assert [x for x in wrong.items() if "must be specified" not in x[1].lower()] == []


def test_the_commands_of_programs_are_accepted():
    commands = list(commands_of_programs())
    assert len(commands) > 8
    assert refused(commands) == {}


def test_a_wrong_option_is_refused():
    assert "--no-such-option" in refused([WRONG])[" ".join(WRONG)]
