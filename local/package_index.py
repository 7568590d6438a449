"""Package index: whether packages can be downloaded, known within seconds.

Without a network pip and uv try again for a minute before they say so. For setup.sh, as
`python -m local.package_index`, with nothing installed but pip.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

from command import network
from command.network import Server
from command.usage import USER_ERROR

# Of an index, or of a folder with packages.
_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS")
_SETTING = re.compile(
    r"^\S+\.(index-url|extra-index-url|find-links|proxy)='(.*)'$",
    re.MULTILINE | re.ASCII,
)


def problem() -> str | None:
    """Why no package can be downloaded, in one line; None if some index answers."""
    failures = []
    for server in _servers():
        error = network.failure(server)
        if error is None:
            return None
        failures.append(f"{server} {network.why(error)}")
    return f"no network: {', '.join(failures)}" if failures else None


def _servers() -> list[Server]:
    """The servers that pip and uv would ask; none if packages are in a folder, too."""
    settings = _SETTING.findall(_pip("config", "list"))
    if proxies := [text for name, text in settings if name == "proxy"]:
        os.environ.setdefault("HTTPS_PROXY", proxies[-1])
    urls = [url for name, text in settings if name != "proxy" for url in text.split()]
    urls += [url for name in _VARIABLES for url in os.environ.get(name, "").split()]
    if any(not url.startswith("http") for url in urls):
        return []
    if not any(name == "index-url" for name, _ in settings):
        urls += _usual_index()
    return list(dict.fromkeys(network.server_of(url) for url in urls))


def _usual_index() -> Iterator[str]:
    """The index that pip asks without a setting; its name is only in pip's own code."""
    try:
        from pip._internal.models.index import PyPI
    except ImportError:  # another pip: without the look it fails later
        return
    yield PyPI.simple_url


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", *arguments]
    return subprocess.run(command, capture_output=True, text=True).stdout


def main() -> int:
    """Prints the problem, if there is one."""
    text = problem()
    if text is None:
        return 0
    print(text)
    return USER_ERROR


if __name__ == "__main__":
    sys.exit(main())
