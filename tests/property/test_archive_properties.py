"""What goes into an archive file comes out of it, whatever it is."""

import io

import orjson
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.decoding import Message, decode, utc_now
from pipeline.files.avro import read_messages, write_messages
from pipeline.files.raw_archive import folder_name

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
MESSAGES = st.builds(
    Message,
    st.binary(max_size=30_000),
    st.dictionaries(TEXTS, TEXTS, max_size=5),
    st.none() | TEXTS,
    st.none() | TEXTS,
)
RECORDS = st.lists(
    st.fixed_dictionaries({"frequency": st.floats(45, 55), "note": TEXTS}), max_size=5
)


def packed(messages):
    opened = io.BytesIO()
    write_messages(opened, messages)
    return opened.getvalue()


@given(st.lists(MESSAGES, min_size=1, max_size=8))
def test_messages_come_back_as_they_were(messages):
    assert list(read_messages(io.BytesIO(packed(messages)), "x.avro")) == messages


@given(RECORDS)
def test_records_of_the_archive_have_the_same_ids(records):
    message = Message(orjson.dumps(records), {"dataset": "FREQ", "message_id": "m"})
    (again,) = read_messages(io.BytesIO(packed([message])), "x.avro")
    first, second = decode(message, utc_now()), decode(again, utc_now())
    assert [record.record_id for record in first.records] == [
        record.record_id for record in second.records
    ]
    assert len(first.records) == len(records)


@given(st.lists(MESSAGES, min_size=1, max_size=8), st.data())
def test_a_file_that_is_cut_off_gives_its_whole_blocks_and_a_fault(messages, data):
    messages = [
        Message(each.data, {**each.attributes, "dataset": "FREQ"}, each.published_utc)
        for each in messages
    ]
    whole = packed(messages)
    cut = data.draw(st.integers(0, len(whole) - 1))
    *good, last = read_messages(io.BytesIO(whole[:cut]), "03-1.avro")
    if last.fault is None:  # cut between two blocks, which nothing shows
        good.append(last)
    else:
        assert (last.data, last.message_id) == (b"", "03-1.avro")
        assert last.dataset == ("FREQ" if good else "unknown")
        assert len(decode(last, utc_now()).dead_letters) == 1
    assert good == messages[: len(good)]
    assert len(good) < len(messages)


def test_a_file_that_is_cut_off_before_its_first_block_is_a_fault():
    (fault,) = read_messages(io.BytesIO(packed([])), "03-1.avro")
    assert fault.fault == "03-1.avro is cut off or broken after 0 messages: " + (
        "the file is cut off"
    )


@given(st.lists(MESSAGES, min_size=1, max_size=4), st.data())
def test_a_broken_file_never_raises(messages, data):
    broken = bytearray(packed(messages))
    broken[data.draw(st.integers(0, len(broken) - 1))] ^= data.draw(st.integers(1, 255))
    assert all(isinstance(m, Message) for m in read_messages(io.BytesIO(broken), "x"))


@given(st.text(max_size=300))
def test_a_dataset_is_one_folder_below_the_prefix(dataset):
    name = folder_name(dataset or "unknown")
    assert name
    assert set(name) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-~%"
    )
    assert len(name) <= 120
