"""Base images: those that the Dockerfiles build on, pinned by digest.

A tag such as `3.11-slim-bookworm` names another image every week. With a digest a build
of the same commit is the same image. `FROM name:tag@sha256:...` keeps the tag for a
reader; only the digest counts.
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import requests
from requests.exceptions import RequestException

from command.text import first_line

ROOT = Path(__file__).parents[1]
DOCKERFILES = (
    ROOT / "templates" / "Dockerfile",
    ROOT / "templates" / "bridge" / "Dockerfile",
    ROOT / "templates" / "dashboard" / "Dockerfile",
)
# Docker's own names leave out the registry, and the folder of official images.
DOCKER_HUB, OFFICIAL = "registry-1.docker.io", "library"
ANSWER_SECONDS = 30.0
# An index first: it names the image of every platform
# (https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pull).
ACCEPTED = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_FROM = re.compile(
    r"^FROM (?P<tag>\S+?:[\w.-]+)(?:@(?P<digest>sha256:\w{64}))?(?=\s|$)", re.MULTILINE
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class NoDigestError(Exception):
    """A registry did not say which image a tag names."""


@dataclass(frozen=True, slots=True)
class Base:
    """An image that a Dockerfile builds on.

    Attributes:
        path: The Dockerfile.
        tag: `python:3.11-slim-bookworm`.
        digest: `sha256:...`, or None if it is not pinned.
    """

    path: Path
    tag: str
    digest: str | None


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pin",
        action="store_true",
        help="write the digests of those without one into the Dockerfiles; "
        "`python -m cloud images` does so, too",
    )
    parser.add_argument(
        "--update",
        action="store_true",
        help="write all digests: move to what each tag names today, such as a security "
        "update",
    )


def run(options: argparse.Namespace) -> int:
    """Shows the base images with their digests, or pins them."""
    try:
        if options.pin or options.update:
            pin(everything=options.update)
        else:
            for base in bases():
                print(f"{base.tag}  pinned {base.digest}  now {digest_of(base.tag)}")
    except NoDigestError as error:
        print(f"python -m cloud bases: {error}", file=sys.stderr)
        return 1
    return 0


def bases(paths: Sequence[Path] = DOCKERFILES) -> Iterator[Base]:
    """The base images of the Dockerfiles, each once a file."""
    for path in paths:
        found = _FROM.finditer(path.read_text(encoding="utf-8"))
        for tag, digest in dict.fromkeys(
            match.group("tag", "digest") for match in found
        ):
            yield Base(path, tag, digest)


def pin(paths: Sequence[Path] = DOCKERFILES, *, everything: bool = False) -> None:
    """Writes digests into the Dockerfiles, and prints what it wrote.

    Args:
        paths: The Dockerfiles.
        everything: Also those that have a digest.

    Raises:
        NoDigestError: A registry does not answer. What was pinned before is written.
    """
    for base in list(bases(paths)):
        if base.digest and not everything:
            continue
        digest = digest_of(base.tag)
        if digest == base.digest:
            continue
        text = base.path.read_text(encoding="utf-8")
        old = f"{base.tag}@{base.digest}" if base.digest else base.tag
        line = re.compile(rf"^FROM {re.escape(old)}(?=\s|$)", re.MULTILINE)
        pinned = f"{base.tag}@{digest}"
        base.path.write_text(line.sub(f"FROM {pinned}", text), encoding="utf-8")
        print(f"{base.path}: FROM {pinned} (commit this)", file=sys.stderr)


def digest_of(tag: str) -> str:
    """The digest of the image that a tag names now.

    Raises:
        NoDigestError: The registry does not answer, or has no such tag.
    """
    host, name, version = _parts(tag)
    # A registry on this machine, as Docker does it, has no certificate.
    scheme = "http" if host.startswith(("127.0.0.1", "localhost")) else "https"
    address = f"{scheme}://{host}/v2/{name}/manifests/{version}"
    headers = {"Accept": ACCEPTED}
    try:
        answer = requests.get(address, headers=headers, timeout=ANSWER_SECONDS)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            headers["Authorization"] = f"Bearer {_token(answer)}"
            answer = requests.get(address, headers=headers, timeout=ANSWER_SECONDS)
        answer.raise_for_status()
    except RequestException as error:
        raise NoDigestError(f"{tag} has no digest here: {first_line(error)}") from None
    # The digest is the hash of what was sent: nothing else has to be believed.
    return f"sha256:{hashlib.sha256(answer.content).hexdigest()}"


def _parts(tag: str) -> tuple[str, str, str]:
    """Registry, name and version of a tag, as Docker reads it."""
    path, _, version = tag.rpartition(":")
    host, slash, rest = path.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        return host, rest, version
    return DOCKER_HUB, path if slash else f"{OFFICIAL}/{path}", version


def _token(refusal: requests.Response) -> str:
    """A token for everyone, from where the registry's refusal says."""
    challenge = dict(_CHALLENGE.findall(refusal.headers.get("WWW-Authenticate", "")))
    realm = challenge.pop("realm", "")
    if not realm:
        raise NoDigestError(f"{refusal.url} wants a login, and does not say where")
    answer = requests.get(realm, params=challenge, timeout=ANSWER_SECONDS)
    answer.raise_for_status()
    document = answer.json()
    return str(document.get("token") or document.get("access_token"))
