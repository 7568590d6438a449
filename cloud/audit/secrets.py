"""Secrets: texts that look like a credential, in files or in the history of git.

The patterns are those of the credentials that this project meets: of Azure and IRIS,
of Google, of a registry, and private keys. Each is long and particular: a password that
is a word is not found.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PATTERNS = {
    "a private key": rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}",
    "a key of a service account": rb'"private_key_id"\s*:\s*"[0-9a-f]{40}"',
    "an API key of Google": rb"\bAIza[0-9A-Za-z_-]{35}\b",
    "a token of Google": rb"\bya29\.[0-9A-Za-z_-]{40,}",
    "an OAuth secret of Google": rb"\bGOCSPX-[0-9A-Za-z_-]{28}\b",
    "a client secret of Entra ID": rb"\b[0-9A-Za-z_~.-]{3}8Q~[0-9A-Za-z_~.-]{31,34}\b",
    "a key of Service Bus": rb"SharedAccessKey=[0-9A-Za-z+/]{43}=",
    "a key of AWS": rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token of GitHub": rb"\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_\w{60,})\b",
    "a token of PyPI": rb"\bpypi-AgEI[0-9A-Za-z_-]{40,}",
    "a signed token": rb"\beyJ[0-9A-Za-z_-]{15,}\.eyJ[0-9A-Za-z_-]{15,}\.[\w-]{20,}",
    "a value of IRIS_CLIENT_SECRET": rb"IRIS_CLIENT_SECRET=[0-9A-Za-z_~.+/-]{30,}",
}
ANY = re.compile(b"|".join(b"(%s)" % one for one in PATTERNS.values()))
# Nothing that a person writes is larger.
MOST_BYTES = 5_000_000


class Finding(NamedTuple):
    """Where something is that looks like a secret; never the text itself."""

    place: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.place}:{self.line}: {self.what}"


def secrets_in(text: bytes, place: str) -> Iterator[Finding]:
    """The findings in the bytes of one file."""
    for match in ANY.finditer(text):
        what = list(PATTERNS)[(match.lastindex or 1) - 1]
        yield Finding(place, text.count(b"\n", 0, match.start()) + 1, what)


def secrets_in_files(folder: Path) -> Iterator[Finding]:
    """Those in the files that git knows, as they are now."""
    names = _git(folder, "ls-files", "-z").split(b"\0")
    for name in filter(None, names):
        path = folder / name.decode()
        if path.is_file():
            yield from secrets_in(path.read_bytes(), name.decode())


def secrets_in_history(folder: Path) -> Iterator[Finding]:
    """Those in every version of every file that git has."""
    listing = _git(folder, "rev-list", "--objects", "--all").decode(errors="replace")
    names = dict(line.partition(" ")[::2] for line in listing.splitlines())
    command = ["git", "-C", str(folder), "cat-file", "--batch", "--buffer"]
    asked = "".join(f"{one}\n" for one, name in names.items() if name).encode()
    done = subprocess.run(command, input=asked, capture_output=True, check=True)
    for one, kind, content in _objects(done.stdout):
        if kind == b"blob" and len(content) <= MOST_BYTES:
            yield from secrets_in(content, f"{names[one]} in {one[:12]}")


def _objects(output: bytes) -> Iterator[tuple[str, bytes, bytes]]:
    """What `git cat-file --batch` prints: a head, the content, a newline."""
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        name, kind, size = output[at:end].split(b" ")
        start = end + 1
        at = start + int(size) + 1
        yield name.decode(), kind, output[start : at - 1]


def _git(folder: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, check=True).stdout
