"""The first signal asks for an orderly end, a second one ends at once."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from command import signals

PROGRAM = """
import signal, sys, time
from command import signals
signals.on_stop(lambda number: print("finishing", number.name, flush=True))
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", signals.STOP_SIGNALS)
def test_a_second_signal_ends_the_process_with_its_code(number):
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == f"finishing {number.name}\n"
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait(30) == 128 + number


def test_afterwards_the_handlers_are_those_from_before():
    before = [signal.getsignal(number) for number in signals.STOP_SIGNALS]
    seen = []
    with signals.stopping(seen.append, seen.append):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert seen == [signal.SIGTERM, signal.SIGINT]
    assert [signal.getsignal(number) for number in signals.STOP_SIGNALS] == before


def test_in_an_event_loop_further_signals_can_be_ignored():
    async def main():
        stopped = asyncio.Event()
        signals.on_stop_in_loop(lambda _: stopped.set(), signals.ignore)
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stopped.wait(), 30)

    asyncio.run(main())
