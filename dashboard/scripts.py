"""The scripts: Vega, Vega-Lite and Vega-Embed, made from the package vl-convert.

So they come with the installed packages, and no page loads anything from elsewhere.
"""

import subprocess
import sys
import threading
from pathlib import Path

from vl_convert import get_vega_embed_version, get_vega_version, get_vegalite_versions

_MAKE = (
    "import sys, vl_convert; from pathlib import Path;"
    " Path(sys.argv[1]).write_text(vl_convert.javascript_bundle())"
)


class Scripts:
    """The bundle, kept in a folder: making it takes five seconds, once a version.

    Args:
        folder: Where it is kept.
    """

    def __init__(self, folder: Path) -> None:
        versions = (
            *(get_vega_version(), get_vegalite_versions()[-1]),
            get_vega_embed_version(),
        )
        self.name = f"vega-{'-'.join(versions)}.js"
        self._path = folder / self.name
        self._one_at_a_time = threading.Lock()

    def path(self) -> Path:
        """The file; it is made if it is missing.

        In a process of its own: the engine that makes it would keep more than 100 MB
        here (findings/vl_convert_memory.sh).
        """
        with self._one_at_a_time:
            if not self._path.exists():
                self._path.parent.mkdir(parents=True, exist_ok=True)
                draft = self._path.with_suffix(".new")
                command = [sys.executable, "-c", _MAKE, str(draft)]
                subprocess.run(command, check=True)
                draft.replace(self._path)
        return self._path
