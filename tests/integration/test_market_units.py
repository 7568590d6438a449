"""`gb_units` and the reference list, worked out by hand."""

import json
import threading
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sql.__main__ import main
from tests.integration.history_fixture import registry_of
from tests.integration.market_fixture import make_market, rows, send, store, values

pytestmark = pytest.mark.integration

DATASETS = ("PN", "UOU2T14D", "REMIT", "IGCPU", "BOALF", "EBOCF", "MELS", "BOD")
MADE = "made"
COMMAND = ["units", "--project", "gb-iris", "--dataset"]
# Elexon's own form: capacities are text.
LISTED = {
    "nationalGridBmUnit": "ABERU-1",
    "elexonBmUnit": "E_ABERDARE",
    "eic": None,
    "fuelType": None,
    "leadPartyName": "UK Power Reserve Limited",
    "bmUnitType": "E",
    "fpnFlag": True,
    "bmUnitName": "Aberdare Power Station",
    "leadPartyId": "UKPR",
    "demandCapacity": "0.000",
    "generationCapacity": "15.400",
    "productionOrConsumptionFlag": "C",
    "transmissionLossFactor": "0.0162928",
    "creditQualifyingStatus": True,
    "gspGroupId": "_K",
    "gspGroupName": "South Wales",
    "interconnectorId": None,
}


@pytest.fixture(scope="module")
def client(client):
    for name in ("unit_cases", MADE):
        make_market(client, name, registry_of(*DATASETS))
    send(client, "unit_cases")
    return client


@pytest.fixture(scope="module")
def units(client):
    """The units, after the rows of one test, by dataset; no others remain."""

    filled = set()

    def ask(columns, name="gb_units", reference=(), **given):
        wanted = {f"bmrs_{n.lower()}_iris": rows for n, rows in given.items()}
        wanted["gb_reference_units"] = list(reference)
        for table in filled - wanted.keys():
            client.query_and_wait(f"DELETE FROM {MADE}.{table} WHERE TRUE")
        for table, stored in wanted.items():
            store(client, f"{MADE}.{table}", stored)
        filled.clear()
        filled.update(wanted)
        return sorted(values(client, f"SELECT {columns} FROM {MADE}.{name}"), key=str)

    return ask


def pn(national_grid: str | None, elexon: str | None, day: str) -> dict[str, Any]:
    return {
        "settlementDate": day,
        "settlementPeriod": 1,
        "nationalGridBmUnit": national_grid,
        "bmUnit": elexon,
    }


def uou(unit: str, elexon: str | None, fuel: str | None, at: str) -> dict[str, Any]:
    return {
        "publishTime": at,
        "forecastDate": at[:10],
        "nationalGridBmUnit": unit,
        "bmUnit": elexon,
        "fuelType": fuel,
    }


def ebocf(unit: str | None, elexon: str, party: str | None, day: str):
    return {
        "settlementDate": day,
        "settlementPeriod": 1,
        "createdDateTime": f"{day}T12:00:00Z",
        "nationalGridBmUnit": unit,
        "bmUnit": elexon,
        "leadPartyName": party,
    }


def listed(national_grid: str | None, elexon: str | None, **more: Any):
    return {"nationalGridBmUnit": national_grid, "elexonBmUnit": elexon, **more}


def test_both_names_and_the_fuel_of_each_unit(client):
    found = rows(
        client,
        "SELECT unit, nationalGridBmUnit, bmUnit, fuelType, fuelSource, firstSeen, "
        "lastSeen FROM unit_cases.gb_units ORDER BY unit",
    )
    november, may = date(2025, 11, 2), date(2026, 5, 6)
    first, gas = date(2025, 11, 1), ("Fossil Gas", "REMIT")
    assert [tuple(row.values()) for row in found] == [
        ("QABAT-1", "QABAT-1", "T_QABAT-1", "OTHER", "UOU2T14D", may, may),
        ("QADIN-1", "QADIN-1", "T_QADIN-1", "PS", "UOU2T14D", may, may),
        ("QAHUM-1", "QAHUM-1", "T_QAHUM-1", *gas, first, november),
        ("QAHYM-7", "QAHYM-7", "T_QAHYM-7", *gas, november, november),
        ("QAPRF-1", "QAPRF-1", None, *gas, first, first),
        ("QAWND-1", "QAWND-1", "T_QAWND-1", "WIND", "UOU2T14D", may, may),
        ("T_QAPMB-11", None, "T_QAPMB-11", *gas, first, first),
    ]


def test_a_unit_is_seen_from_its_first_day_to_its_last(units):
    found = units(
        "unit, bmUnit, firstSeen, lastSeen",
        PN=[pn("A-1", "T_A-1", "2026-05-02"), pn("A-1", "T_A-1", "2026-05-09")],
        MELS=[pn("A-1", "T_A-1", "2026-04-30")],
        UOU2T14D=[uou("A-1", "T_A-1", "CCGT", "2026-05-09T23:30:00Z")],
    )
    # 23:30 UTC is the next day in London.
    assert found == [("A-1", "T_A-1", date(2026, 4, 30), date(2026, 5, 10))]


def test_units_with_one_name_are_units(units):
    found = units(
        "unit, nationalGridBmUnit, bmUnit",
        PN=[pn("A-1", None, "2026-05-02"), pn("B-1", "", "2026-05-02")],
        EBOCF=[ebocf(None, "2__B", "Party", "2026-05-02")],
        BOALF=[pn(None, None, "2026-05-02") | {"settlementPeriod": None}],
    )
    assert found == [
        ("2__B", None, "2__B"),
        ("A-1", "A-1", None),
        ("B-1", "B-1", None),
    ]


def test_a_name_that_comes_later_or_elsewhere_completes_the_unit(units):
    found = units(
        "unit, bmUnit, leadPartyName",
        PN=[pn("A-1", None, "2026-05-02"), pn("A-1", "T_A-1", "2026-05-01")],
        EBOCF=[ebocf(None, "T_A-1", "Party", "2026-05-02")],
    )
    assert found == [("A-1", "T_A-1", "Party")]


def test_a_renamed_unit_is_one_unit_with_its_newest_names(units):
    elexon = units(
        "unit, bmUnit, otherNames, firstSeen",
        PN=[pn("A-1", "T_OLD-1", "2026-05-01"), pn("A-1", "T_NEW-1", "2026-05-02")],
    )
    assert elexon == [("A-1", "T_NEW-1", ["T_OLD-1"], date(2026, 5, 1))]
    grid = units(
        "unit, bmUnit, otherNames, firstSeen",
        PN=[pn("OLD-1", "T_A-1", "2026-05-01"), pn("NEW-1", "T_A-1", "2026-05-02")],
    )
    assert grid == [("NEW-1", "T_A-1", ["OLD-1"], date(2026, 5, 1))]


def test_the_newest_fuel_that_is_not_null_counts(units):
    found = units(
        "unit, fuelType, fuelSource",
        UOU2T14D=[
            uou("A-1", "T_A-1", "COAL", "2026-05-01T08:00:00Z"),
            uou("A-1", "T_A-1", "BIOMASS", "2026-05-02T08:00:00Z"),
            uou("A-1", "T_A-1", None, "2026-05-03T08:00:00Z"),
        ],
        IGCPU=[
            {"publishTime": "2026-05-04T08:00:00Z", "bmUnit": name, "psrType": "Wind"}
            for name in ("T_A-1", "T_B-1")
        ],
    )
    assert found == [("A-1", "BIOMASS", "UOU2T14D"), ("T_B-1", "Wind", "IGCPU")]


def test_the_newest_lead_party_counts(units):
    found = units(
        "unit, leadPartyName",
        EBOCF=[
            ebocf("A-1", "T_A-1", "Buyer", "2026-05-02"),
            ebocf("A-1", "T_A-1", "Seller", "2026-05-01"),
            ebocf("A-1", "T_A-1", None, "2026-05-03"),
        ],
    )
    assert found == [("A-1", "Buyer")]


def test_remit_adds_fuel_and_units_but_no_pair_of_names(units):
    def remit(name, **more):
        return {
            "mrid": name,
            "affectedUnit": name,
            "fuelType": "Nuclear",
            "createdTime": "2026-05-01T08:00:00Z",
            "eventType": "Production unavailability",
            **more,
        }

    found = units(
        "unit, nationalGridBmUnit, bmUnit, fuelType, otherNames",
        PN=[pn("A-1", "E_TOWN", "2026-05-01"), pn("B-1", None, "2026-05-01")],
        REMIT=[
            remit("T_A-1"),
            remit("E_TOWN"),
            remit("T_B-1"),
            remit("C-1"),
            remit("T_C-1"),
            remit("IFA", eventType="Transmission unavailability"),
        ],
    )
    assert found == [
        ("A-1", "A-1", "E_TOWN", "Nuclear", ["T_A-1"]),
        ("B-1", "B-1", "T_B-1", "Nuclear", []),
        ("C-1", "C-1", "T_C-1", "Nuclear", []),
    ]


def test_the_reference_list_is_preferred(units):
    found = units(
        "unit, bmUnit, fuelType, fuelSource, leadPartyName, firstSeen",
        PN=[pn("A-1", "T_WRONG", "2026-05-01")],
        UOU2T14D=[uou("B-1", "T_B-1", "WIND", "2026-05-01T08:00:00Z")],
        EBOCF=[ebocf("A-1", "T_WRONG", "Old", "2026-05-01")],
        reference=[
            listed("A-1", "T_A-1", fuelType="CCGT", leadPartyName="New"),
            listed("B-1", "T_B-1"),
            listed(None, "2__C", leadPartyName="Supplier"),
        ],
    )
    day = date(2026, 5, 1)
    assert found == [
        ("2__C", "2__C", None, None, "Supplier", None),
        ("A-1", "T_A-1", "CCGT", "REFERENCE", "New", day),
        ("B-1", "T_B-1", "WIND", "UOU2T14D", None, day),
    ]


def test_the_function_reads_some_days(units):
    found = units(
        "unit, firstSeen, lastSeen",
        "gb_units_between(DATE '2026-05-02', DATE '2026-05-03')",
        PN=[pn("A-1", None, f"2026-05-0{day}") for day in (1, 2, 3, 4)],
        UOU2T14D=[
            uou("B-1", None, "WIND", "2026-05-01T23:00:00Z"),  # 00:00 in London
            uou("C-1", None, "WIND", "2026-05-03T23:00:00Z"),
        ],
    )
    second, third = date(2026, 5, 2), date(2026, 5, 3)
    assert found == [("A-1", second, third), ("B-1", second, second)]


@pytest.fixture
def elexon():
    """A server that answers as Elexon's API does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/wrong":
                self.send_error(503)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps([LISTED]).encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_list_replaces_the_one_before(client, elexon, tmp_path, capsys):
    file = tmp_path / "units.json"
    file.write_text(json.dumps({"data": [LISTED | {"elexonBmUnit": "E_X"}] * 2}))
    assert main([*COMMAND, MADE, "--file", str(file)]) == 0
    assert main([*COMMAND, MADE, "--fetch", "--url", f"{elexon}/all"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2 units in gb_reference_units",
        "1 units in gb_reference_units",
    ]
    (row,) = rows(client, f"SELECT * FROM {MADE}.gb_reference_units")
    assert row.pop("loaded_utc")
    assert json.loads(row.pop("extra")) == {
        "transmissionLossFactor": "0.0162928",
        "creditQualifyingStatus": True,
    }
    capacities = {"generationCapacity": 15.4, "demandCapacity": 0.0}
    assert row == {name: LISTED[name] for name in row} | capacities
    unit = f"SELECT bmUnit FROM {MADE}.gb_units WHERE unit = 'ABERU-1'"
    assert values(client, unit) == [("E_ABERDARE",)]


def test_a_server_that_refuses_changes_nothing(client, elexon, capsys):
    before = values(client, f"SELECT COUNT(*) FROM {MADE}.gb_reference_units")
    assert main([*COMMAND, MADE, "--fetch", "--url", f"{elexon}/wrong"]) == 1
    assert capsys.readouterr().err == (
        f"python -m sql units: {elexon}/wrong: HTTP Error 503: Service Unavailable\n"
    )
    after = values(client, f"SELECT COUNT(*) FROM {MADE}.gb_reference_units")
    assert before == after


def test_without_the_table_the_command_says_how_to_make_it(client, tmp_path, capsys):
    client.create_dataset("bare", exists_ok=True)
    file = tmp_path / "units.json"
    file.write_text(json.dumps([LISTED]))
    assert main([*COMMAND, "bare", "--file", str(file)]) == 2
    assert capsys.readouterr().err == (
        "python -m sql units: there is no table gb_reference_units: create it with "
        "`python -m sql apply --project gb-iris --dataset bare`\n"
    )
