"""What the archive is asked, and what its answers say."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.backfill import elexon_archive
from bridge.backfill.elexon_archive import Blob, ListingError
from bridge.span import Span

ARCHIVE = "https://a.example/iris-archive"
SPAN = Span(datetime(2025, 4, 14, tzinfo=UTC), datetime(2025, 4, 15, tzinfo=UTC))
# As Azure's REST reference shows a page of Find Blobs by Tags in Container.
PAGE = """\ufeff<?xml version="1.0" encoding="utf-8"?>
<EnumerationResults ServiceEndpoint="https://x.blob.core.windows.net/"
 ContainerName="iris-archive"><Where>"A" &gt;= 'x'</Where><Blobs>{blobs}</Blobs>
<NextMarker>{marker}</NextMarker></EnumerationResults>"""
BLOB = """<Blob><Name{attribute}>{name}</Name>
<ContainerName>iris-archive</ContainerName><TagSet><Tag><Key>Dataset</Key><Value>data/NO/NAME</Value></Tag></TagSet></Blob>"""
# Any text that can be part of a blob's name and of XML.
NAMES = st.text(
    st.characters(exclude_categories=("C", "Zl", "Zp"), exclude_characters="/"),
    min_size=1,
).filter(lambda text: text not in (".", ".."))


def page(*names: str, marker: str = "", attribute: str = "") -> bytes:
    blobs = "".join(BLOB.format(name=escape(x), attribute=attribute) for x in names)
    return PAGE.format(blobs=blobs, marker=marker).encode()


def test_the_question_is_of_upload_times_and_of_a_dataset_if_one_is_given() -> None:
    times = "\"UploadTime\" >= '2025-04-14T00:00:00Z' AND "
    times += "\"UploadTime\" < '2025-04-15T00:00:00Z'"
    assert elexon_archive.where(SPAN) == times
    assert elexon_archive.where(SPAN, "BOAV") == f"\"Dataset\" = 'BOAV' AND {times}"
    assert elexon_archive.where(SPAN, "B'V").startswith("\"Dataset\" = 'B''V' AND ")


@given(st.text(), st.text(min_size=1))
def test_condition_and_marker_survive_the_address(condition: str, marker: str) -> None:
    url = elexon_archive.listing_url(ARCHIVE, condition + "x", marker)
    assert url.isascii()
    query = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert query["where"] == [condition + "x"]
    assert query["marker"] == [marker]
    assert (query["comp"], query["restype"]) == (["blobs"], ["container"])


@given(NAMES, NAMES)
def test_the_name_of_a_blob_survives_page_and_address(dataset: str, name: str) -> None:
    [blob] = elexon_archive.parse_page(page(f"data/{dataset}/{name}")).blobs
    assert blob == Blob(dataset, name)
    path = urlsplit(elexon_archive.blob_url(ARCHIVE, blob)).path
    assert path.count("/") == 4
    assert unquote(path) == f"/iris-archive/data/{dataset}/{name}"


def test_a_page_has_blobs_other_names_and_the_marker_of_the_next() -> None:
    first = "data/FREQ/FREQ_202605060231_1.json"
    odd = ["other/FREQ/a", "data/FREQ", "data/FREQ/a/b", "data/../a", "data/FREQ/.."]
    read = elexon_archive.parse_page(page(first, *odd, marker="2!108!x"))
    assert read.blobs == [Blob("FREQ", "FREQ_202605060231_1.json")]
    assert read.other_names == odd
    assert read.marker == "2!108!x"
    assert elexon_archive.parse_page(page()).marker is None


def test_an_encoded_name_is_decoded() -> None:
    body = page("data/FREQ/a%EF%BF%BEb.json", attribute=' Encoded="true"')
    assert elexon_archive.parse_page(body).blobs == [Blob("FREQ", "a\ufffeb.json")]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "not XML"),
        (b"<html>no</html>", "not a listing"),
        (page("data/FREQ/a")[:-20], "not XML"),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa">]><EnumerationResults/>', "document type"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><EnumerationResults/>', "type"),
    ],
)
def test_what_is_no_listing_is_refused(body: bytes, complaint: str) -> None:
    with pytest.raises(ListingError, match=complaint):
        elexon_archive.parse_page(body)


@given(st.binary())
def test_no_answer_raises_anything_else(body: bytes) -> None:
    for start in (b"", page("data/FREQ/a")[:150]):
        with pytest.raises(ListingError):
            elexon_archive.parse_page(start + body)


def test_the_code_of_an_error_is_found_and_nothing_odd_is_repeated() -> None:
    error = (
        b"<?xml version='1.0'?><Error><Code>InvalidQueryParameterValue</Code></Error>"
    )
    assert elexon_archive.error_code(error) == "InvalidQueryParameterValue"
    assert elexon_archive.error_code(b"<Code>\x1b[2J</Code>") == ""
    assert elexon_archive.error_code(b"busy") == ""
