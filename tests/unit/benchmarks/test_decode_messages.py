"""The messages that the decode core is measured with."""

from collections.abc import Sequence

import pytest

from benchmarks import decode
from pipeline.core.decoding import Message, utc_now
from pipeline.core.decoding import decode as decoded_of

SMALL, LARGE = list(decode.small_messages(3_000)), list(decode.large_messages(20))


@pytest.mark.parametrize("messages", [SMALL, LARGE], ids=["small", "large"])
def test_one_record_in_a_hundred_is_bad_and_none_is_skipped(
    messages: Sequence[Message],
) -> None:
    done = [decoded_of(message, utc_now()) for message in messages]
    records = sum(one.count for one in done)
    assert records == decode.parse_all(messages)
    assert not any(one.unmapped for one in done)
    bad = sum(len(one.dead_letters) for one in done)
    assert bad == pytest.approx(records / decode.BAD_EVERY, rel=0.05)
