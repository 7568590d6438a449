"""The stack of a soak: `make run-local` as a process, and its simulator's control."""

import asyncio
import base64
import contextlib
import http.client
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from command.data_state import read_state
from local.data_folder import DataFolder
from local.process import Child
from local.pubsub.topics import SUBSCRIPTION
from local.status.parts import metrics_of
from tests.faults.soak import machine
from tests.faults.soak.messages import Message
from tests.faults.soak.plan import CUTS, FREEZE, IRIS, SILENCES, Fault

START_SECONDS = 300.0
# What is in flight and in Pub/Sub, and the summary.
STOP_SECONDS = 240.0
CONTROL_SECONDS = 30.0
# The simulator ends last; a setting of its own stays until it is set again.
HIDDEN = ("IRIS_", "PUBSUB_", "BIGQUERY_", "HEALTH_", "DASHBOARD")


class Stack:
    """The whole system on a folder of its own."""

    def __init__(self, data: DataFolder, first: Message) -> None:
        """Starts it; it is not ready yet.

        Args:
            data: An empty folder.
            first: The only message that the simulator sends by itself.
        """
        self._data = data
        samples = data.path / "first"
        file = samples / first.dataset / first.message_id
        file.parent.mkdir(parents=True)
        file.write_text(json.loads(first.body))
        options = {"samples": samples, "data": data.path, "dashboard": "0"}
        words = [word for name, to in options.items() for word in (f"--{name}", to)]
        self._child = Child(
            "the stack",
            [sys.executable, "-m", "local", "stack", "run", *map(str, words)],
            data.log("stack"),
            {k: v for k, v in os.environ.items() if not k.startswith(HIDDEN)},
        )

    def wait_until_ready(self) -> None:
        """Raises PartFailedError if it does not start."""
        says = self._child.wait_for(lambda: self._child.says("ready;"), START_SECONDS)
        asyncio.run(says)

    def check(self) -> None:
        """Raises PartFailedError if it has ended."""
        self._child.check()

    @property
    def addresses(self) -> dict[str, str]:
        """Where its parts are, by the name of their variable."""
        state = read_state(self._data.path) or {}
        found: dict[str, str] = state.get("addresses", {})
        return found

    def parts(self) -> dict[str, machine.Part]:
        return machine.parts_of(self._child.pid)

    def begin(self, fault: Fault) -> None:
        """Does a fault; a part that is away at the moment has none."""
        if fault.part == IRIS and fault.kind in CUTS:
            self.control(f"/{fault.kind}")
        elif fault.part == IRIS and fault.kind in SILENCES:
            self.control(f"/set?{fault.kind}=true")
        else:
            number = {
                "kill": signal.SIGKILL,
                "term": signal.SIGTERM,
                FREEZE: signal.SIGSTOP,
            }
            self._signal(fault.part, number[fault.kind])

    def end(self, fault: Fault) -> None:
        """Ends a fault that lasts."""
        if fault.kind in SILENCES:
            self.control(f"/set?{fault.kind}=false")
        elif fault.kind == FREEZE:
            self._signal(fault.part, signal.SIGCONT)

    def _signal(self, part: str, number: signal.Signals) -> None:
        name = "simulator" if part == IRIS else part
        pid = machine.pids_of(self._child.pid).get(name)
        with contextlib.suppress(ProcessLookupError):
            if pid is not None:
                os.killpg(pid, number)
                if number == signal.SIGTERM:
                    os.killpg(pid, signal.SIGCONT)  # it may be frozen

    def control(self, path: str, method: str = "POST") -> dict[str, Any]:
        """Asks the simulator; it may be frozen for a while."""
        with Control(self.addresses["IRIS_CONTROL_URL"]) as control:
            return control.ask(method, path)

    def backlog(self) -> int:
        """Messages that wait in Pub/Sub, or are with the pipeline."""
        metrics = metrics_of(self.addresses["PUBSUB_METRICS_URL"], CONTROL_SECONDS)
        name = SUBSCRIPTION.rpartition("/")[2]
        return int(metrics[f"iris_pubsub_backlog_messages {name}"])

    def stop(self) -> int | None:
        """Asks it to end and waits; returns its exit code."""
        return asyncio.run(self._child.stop(STOP_SECONDS))


class Control(contextlib.AbstractContextManager["Control"]):
    """One connection to the simulator's control."""

    def __init__(self, url: str) -> None:
        host = urlsplit(url).netloc
        self._connection = http.client.HTTPConnection(host, timeout=CONTROL_SECONDS)

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, content: Any = None) -> dict[str, Any]:
        """One request; repeated until there is an answer.

        A message that is put twice is what IRIS does, too: it comes twice.
        """
        body = None if content is None else json.dumps(content)
        for pause_seconds in _pauses():
            try:
                self._connection.request(method, path, body)
                answer = self._connection.getresponse()
                found: dict[str, Any] = json.loads(answer.read())
            except (OSError, http.client.HTTPException):
                self._connection.close()
                time.sleep(pause_seconds)  # the control port was cut: once more
            else:
                return found
        raise OSError(f"the simulator does not answer {path}")

    def put(self, message: Message) -> None:
        text = base64.b64encode(message.body).decode()
        content = {"subject": message.dataset, "message_id": message.message_id}
        self.ask("POST", "/put", content | {"body": text})


def _pauses() -> Iterator[float]:
    """A frozen simulator is back within a minute."""
    return iter((0.5, 1.0, 5.0, 30.0))
