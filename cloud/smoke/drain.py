"""A drain of the subscription in a process on this machine, with your credentials."""

import subprocess
import sys
import tempfile
from typing import Self

from cloud.deployment import Deployment

STOP_SECONDS = 30.0


class LocalDrain:
    """`python -m pipeline --drain`, run once; use it as a context.

    Attributes:
        process: The running drain.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._log = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - closed at exit
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "pipeline",
                "--drain",
                f"--subscription={deployment.subscription_path}",
                f"--project={deployment.project}",
                f"--dataset={deployment.dataset}",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()  # it ends after its current round
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()

    @property
    def has_ended(self) -> bool:
        """Whether it has read everything, or failed."""
        return self.process.poll() is not None

    @property
    def failure(self) -> str | None:
        """The last line of output of a drain that failed; None if it did not fail."""
        if not self.process.poll():
            return None
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        return lines[-1] if lines else f"exit code {self.process.returncode}"
