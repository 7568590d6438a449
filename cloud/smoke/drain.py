"""A drain of the subscription in a process here, with the caller's credentials."""

from __future__ import annotations

import subprocess
import sys
import tempfile

from cloud.place import Place

STOP_SECONDS = 30.0


class LocalDrain:
    """`python -m pipeline --drain`, once; use it as a context."""

    def __init__(self, place: Place) -> None:
        self._log = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - closed at exit
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "pipeline",
                "--drain",
                f"--subscription={place.subscription_path}",
                f"--project={place.project}",
                f"--dataset={place.dataset}",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> LocalDrain:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()  # after the round in hand
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    @property
    def has_ended(self) -> bool:
        """Whether it has read everything, or failed."""
        return self._process.poll() is not None

    @property
    def failure(self) -> str | None:
        """The last line of a drain that has failed."""
        if not self._process.poll():
            return None
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        return lines[-1] if lines else f"exit code {self._process.returncode}"
