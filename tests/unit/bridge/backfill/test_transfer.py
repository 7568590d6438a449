"""Transfer: the journal has what Pub/Sub has, and a refusal costs no neighbour."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from google.api_core.exceptions import InvalidArgument, NotFound, ServiceUnavailable

from bridge.backfill.download import GaveUpError, Patience
from bridge.backfill.journal import Journal
from bridge.backfill.report import Report
from bridge.backfill.sources import Fetched, Job, SourceError
from bridge.backfill.transfer import PublishError, Transfer
from bridge.envelope import Envelope, enclose

WAIT_SECONDS = 10


class Topic:
    """A topic that fails on demand: no emulator refuses a well-formed message."""

    topic = "projects/p/topics/t"

    def __init__(self, *failures: Exception, refused: bytes = b"") -> None:
        self.failures = list(failures)
        self.refused = refused
        self.taken: list[bytes] = []

    async def publish(self, envelopes: Iterable[Envelope]) -> None:
        bodies = [envelope.data for envelope in envelopes]
        if self.failures:
            raise self.failures.pop(0)
        if self.refused in bodies:
            raise InvalidArgument("refused")
        self.taken += bodies


class Numbers:
    """A source of this many messages, the body of each its number."""

    def __init__(self, count: int, failure: Exception | None = None) -> None:
        self.count = count
        self.failure = failure
        self.asked: list[str] = []

    async def jobs(self) -> AsyncIterator[Job]:
        for number in range(self.count):
            yield Job("FREQ", str(number))

    async def fetch(self, job: Job) -> AsyncIterator[Fetched]:
        self.asked.append(job.message_id)
        if self.failure:
            raise self.failure
        yield Fetched(job, enclose(job.message_id.encode(), *job, "TEST"))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path, {"via": "archive"})
    yield journal
    journal.close()


def transfer(
    source: Numbers, topic: Topic, journal: Journal, seconds: float = WAIT_SECONDS
) -> Report:
    report = Report()

    async def scenario() -> None:
        patience = Patience(seconds)
        one = Transfer(source, cast(Any, topic), journal, report, patience, 4)
        await asyncio.wait_for(one.run(), WAIT_SECONDS)

    asyncio.run(scenario())
    return report


def test_what_the_journal_has_is_not_fetched_again(journal: Journal) -> None:
    journal.add([("FREQ", "1"), ("FREQ", "2")])
    source, topic = Numbers(5), Topic()
    report = transfer(source, topic, journal)
    assert sorted(source.asked) == ["0", "3", "4"]
    assert sorted(topic.taken) == [b"0", b"3", b"4"]
    assert (report.total("before"), report.total("published")) == (2, 3)
    assert journal.keys == {f"FREQ/{number}" for number in range(5)}


def test_a_refused_message_is_reported_and_not_in_the_journal(
    journal: Journal,
) -> None:
    topic = Topic(refused=b"2")
    report = transfer(Numbers(5), topic, journal)
    assert sorted(topic.taken) == [b"0", b"1", b"3", b"4"]
    assert journal.keys == {f"FREQ/{number}" for number in (0, 1, 3, 4)}
    assert report.total("failed") == 1
    assert "Pub/Sub refuses it" in report.problems[0]


def test_an_outage_of_pubsub_is_outlasted(journal: Journal) -> None:
    topic = Topic(ServiceUnavailable("down"))
    assert transfer(Numbers(3), topic, journal).total("published") == 3
    assert sorted(topic.taken) == [b"0", b"1", b"2"]


def test_an_outage_that_lasts_ends_the_run(journal: Journal) -> None:
    topic = Topic(*[ServiceUnavailable("down")] * 5)
    with pytest.raises(GaveUpError, match="Pub/Sub: ServiceUnavailable: 503 down"):
        transfer(Numbers(3), topic, journal, seconds=0)
    assert journal.keys == set()


def test_a_topic_that_does_not_exist_ends_the_run_with_advice(
    journal: Journal,
) -> None:
    with pytest.raises(PublishError, match="gcloud pubsub topics create"):
        transfer(Numbers(3), Topic(NotFound("no topic")), journal)


def test_a_source_that_cannot_be_used_ends_the_run(journal: Journal) -> None:
    with pytest.raises(SourceError, match="no"):
        transfer(Numbers(100, SourceError("no")), Topic(), journal)
