"""Workers: whose a dataset is, what they return, and how they end."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from pipeline.files import workers
from pipeline.files.workers import ALL, Share, WorkerKilledError
from pipeline.registry import load_registry

SUBJECTS = [*load_registry(), "SYSWARN", "FUTURE1", "unknown", "", "\udc80"]


@pytest.mark.parametrize("of", [1, 2, 7])
def test_each_subject_belongs_to_exactly_one_worker(of):
    shares = [Share(number, of) for number in range(of)]
    assert all(sum(share.has(name) for share in shares) == 1 for name in SUBJECTS)


def test_an_alias_belongs_to_the_worker_of_its_dataset():
    shares = [Share(number, 89) for number in range(89)]
    assert all(share.has("SYSWARN") == share.has("SYS_WARN") for share in shares)


def test_one_worker_has_everything():
    assert all(map(ALL.has, SUBJECTS))


@pytest.mark.parametrize(
    ("sizes", "most", "count"),
    [([], 8, 1), ([10] * 5, 8, 1), ([3_000_000] * 9, 2, 2), ([3_000_000] * 3, 8, 3)],
)
def test_little_data_is_worth_few_workers(sizes, most, count):
    assert workers.worth(sizes, most) == count


def test_sizes_are_read_only_as_far_as_needed():
    sizes = iter([workers.BYTES_A_WORKER, 1, 1])
    assert workers.worth(sizes, 2) == 2
    assert list(sizes) == [1]


def test_results_come_in_the_order_of_the_workers():
    assert workers.run(lambda share: share.number, 3) == [0, 1, 2]


def test_an_error_of_one_worker_is_raised_when_all_have_ended(tmp_path):
    def work(share):
        if share.number == 0:
            raise ValueError("the first one fails")
        (tmp_path / "done").touch()

    with pytest.raises(RuntimeError, match="the first one fails"):
        workers.run(work, 2)
    assert (tmp_path / "done").exists()


def test_a_worker_that_is_killed_is_an_error_and_the_others_end_their_work(tmp_path):
    def work(share):
        if share.number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        (tmp_path / "done").touch()

    with pytest.raises(WorkerKilledError, match="worker 1 ended with exit code -9"):
        workers.run(work, 2)
    assert (tmp_path / "done").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_end_with_the_process_that_started_them(tmp_path):
    def work(share):
        (tmp_path / str(os.getpid())).touch()
        time.sleep(600)  # it is ended before

    first = os.fork()
    if not first:
        workers.run(work, 2)
        os._exit(0)
    while len(names := [path.name for path in tmp_path.iterdir()]) < 2:
        time.sleep(0.01)  # the files are the condition waited for
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    while any(_lives(int(name)) for name in names):
        time.sleep(0.01)  # their ends are the condition waited for


def _lives(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
