"""The Insights API's addresses, by dataset and slice of time."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.backfill import insights_api
from bridge.backfill.insights_api import Slice
from bridge.span import Span
from pipeline.registry import load_registry

DAY = Span(datetime(2026, 5, 6, tzinfo=UTC), datetime(2026, 5, 7, tzinfo=UTC))
# They are parts of settlement runs, summaries without a stream, a second form of MID
# (mibm_mid), or declarations that the API returns resolved (MELS, MILS).
WITHOUT = {
    *("MELS", "MILS"),
    *("BOAV", "DISEBSP", "DISPTAV", "EBOCF", "ISPSTACK", "SMSG", "mibm_mid"),
    *("FOU2T14D", "FOU2T3YW", "NOU2T14D", "NOU2T3YW", "INDO", "ITSDO", "TEMP"),
    *("OCNMFW", "OCNMFW2"),
}


def test_every_dataset_has_an_endpoint_or_is_known_to_have_none() -> None:
    endpoints = set(insights_api.endpoints())
    assert len(endpoints) + len(WITHOUT) == 89
    # Which may have more: those that `sql drift --accept` has added.
    assert endpoints | WITHOUT <= set(load_registry())
    assert not endpoints & WITHOUT


@pytest.mark.parametrize(
    ("dataset", "query"),
    [
        ("FREQ", "FREQ/stream?measurementDateTimeFrom={}&measurementDateTimeTo={}"),
        ("LOLPDM", "LOLPDRM/stream?publishDateTimeFrom={}&publishDateTimeTo={}"),
        ("SYS_WARN", "SYSWARN/stream?publishDateTimeFrom={}&publishDateTimeTo={}"),
        ("E0361", "CDN/stream?publishDateTimeFrom={}&publishDateTimeTo={}"),
        ("BOALF", "BOALF/stream?from={}&to={}"),
    ],
)
def test_each_dataset_has_an_address_of_its_own(dataset: str, query: str) -> None:
    [part] = insights_api.slices(dataset, DAY)
    times = ("2026-05-06T00%3A00%3A00Z", "2026-05-07T00%3A00%3A00Z")
    assert insights_api.slice_url("https://a.example/v1", part) == (
        f"https://a.example/v1/datasets/{query.format(*times)}&format=json"
    )


def test_a_slice_has_the_same_id_every_time_and_its_own() -> None:
    [whole] = insights_api.slices("FREQ", DAY)
    assert whole.message_id == "API_FREQ_20260506T000000Z_20260507T000000Z"
    ids = [half.message_id for half in whole.halves()]
    assert ids == [
        "API_FREQ_20260506T000000Z_20260506T120000Z",
        "API_FREQ_20260506T120000Z_20260507T000000Z",
    ]
    second = Span(DAY.start, DAY.start + timedelta(seconds=1))
    assert Slice("FREQ", second).halves() == []


def test_what_is_limited_to_an_hour_is_asked_by_the_hour() -> None:
    spans = [part.span for part in insights_api.slices("BOD", DAY)]
    assert len(spans) == 24
    assert spans == list(DAY.pieces(timedelta(hours=1)))


@pytest.mark.parametrize(
    "body",
    [
        *(b"[]", b"", b" [ ]\r\n"),
        *(b'{"data": []}', b'\n{"metadata": {"datasets": ["FREQ"]}, "data": []}'),
    ],
)
def test_an_answer_without_records_is_empty(body: bytes) -> None:
    assert insights_api.is_empty(body)


@pytest.mark.parametrize(
    "body",
    [
        *(b"[{}]", b'[{"a":1}]', b"[" + b" " * 200 + b"{}]"),
        *(b'{"data": [{}]}', b'{"data": [], "errors": ["x"]}', b'{"data": null}'),
        *(b"{", b"{}", b'{"data": [' + b" " * 20_000 + b"]}"),
    ],
)
def test_an_answer_with_records_is_not(body: bytes) -> None:
    assert not insights_api.is_empty(body)
