"""`read`: typed rows of a local BigQuery, in each format."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import grpc
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from command.usage import UsageError
from gb_iris import ReadError, read
from pipeline.registry import Registry, load_registry
from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.integration.market_fixture import store

pytestmark = pytest.mark.integration

DATASET = "d_read"
NAMES = ("DISBSAD", "FREQ", "FUELINST", "PN", "REMIT")
UTC = dt.UTC


def output(published, start, fuel, megawatts, day="2026-05-06"):
    return {
        "dataset": "FUELINST",
        "publishTime": f"2026-05-{published}:00Z",
        "startTime": f"2026-05-{start}:00Z",
        "settlementDate": day,
        "fuelType": fuel,
        "generation": megawatts,
        "message_id": "M",
    }


FUELINST = [
    output("06T11:05", "06T11:00", "WIND", 5100),
    output("06T10:05", "06T10:00", "WIND", 5000),
    output("06T10:05", "06T10:00", "CCGT", 9000),
    # A correction of 10:00.
    output("06T10:09", "06T10:00", "WIND", None),
    # After midnight in London, before midnight in UTC.
    output("06T23:05", "06T23:00", "WIND", 5200, "2026-05-07"),
]
FREQ = [
    {"measurementTime": time, "frequency": value}
    for time, value in (
        ("2026-05-06T23:59:45Z", 49.98),
        ("2026-05-07T00:00:00Z", 50.02),
    )
]
REMIT = [
    {
        "mrid": "A",
        "revisionNumber": 1,
        "createdTime": "2026-05-05T09:00:00Z",
        "affectedUnit": "ABCD-1",
        "eventStartTime": "2026-05-05T10:00:00Z",
        "unavailableCapacity": 120.5,
        "eventStatus": "Active",
        "outageProfile": [
            {"startTime": "2026-05-05T10:00:00Z", "capacity": 379.5},
        ],
    }
]


@pytest.fixture(scope="module", autouse=True)
def tables(client):
    """Tables and views with a few rows."""
    client.create_dataset(DATASET)
    registry = Registry([load_registry()[name] for name in NAMES])
    apply_tables(client, DATASET, list(all_tables(registry)), "EU")
    assert apply_views(client, DATASET, registry).conflicts == []
    for name, rows in (("fuelinst", FUELINST), ("freq", FREQ), ("remit", REMIT)):
        store(client, f"{client.project}.{DATASET}.bmrs_{name}_iris", rows)


@pytest.fixture(autouse=True)
def storage_api(bigquery_server, monkeypatch):
    """Rows come by the Storage API."""
    monkeypatch.setenv("BIGQUERY_GRPC_PORT", str(bigquery_server["grpc_port"]))


def rows(name, **selection):
    return read(name, dataset=DATASET, format="arrow", **selection).to_pylist()


def fuels(**selection):
    columns = ["startTime", "fuelType", "generation"]
    return [
        (f"{row['startTime']:%d %H:%M}", row["fuelType"], row["generation"])
        for row in rows("FUELINST", columns=columns, **selection)
    ]


def test_a_settlement_day_has_the_latest_version_of_each_value_by_time():
    assert fuels(start="2026-05-06", end="2026-05-07") == [
        ("06 10:00", "CCGT", 9000),
        ("06 10:00", "WIND", None),
        ("06 11:00", "WIND", 5100),
    ]


def test_all_versions_are_in_order():
    assert fuels(version="all", where={"fuelType": "WIND"}, end="2026-05-07") == [
        ("06 10:00", "WIND", 5000),
        ("06 10:00", "WIND", None),
        ("06 11:00", "WIND", 5100),
    ]


def test_the_start_is_in_the_interval_and_the_end_is_not():
    assert fuels(start="2026-05-06T10:00Z", end="2026-05-06T11:00Z") == [
        ("06 10:00", "CCGT", 9000),
        ("06 10:00", "WIND", None),
    ]


def test_an_instant_after_midnight_in_london_is_of_the_next_settlement_date():
    assert fuels(start=dt.datetime(2026, 5, 6, 23, tzinfo=UTC)) == [
        ("06 23:00", "WIND", 5200)
    ]


def test_start_and_end_can_mean_another_time():
    found = fuels(
        version="all",
        start="2026-05-06T10:06Z",
        end="2026-05-06T11Z",
        time="publishTime",
    )
    assert found == [("06 10:00", "WIND", None)]


def test_a_day_of_what_has_no_settlement_date_is_of_utc():
    [row] = rows("FREQ", start="2026-05-07")
    assert row["measurementTime"] == dt.datetime(2026, 5, 7, tzinfo=UTC)


def test_rows_without_values_are_chosen_by_none():
    assert fuels(where={"generation": None}) == [("06 10:00", "WIND", None)]


def test_one_of_several_values_fits():
    assert len(fuels(where={"generation": [9000, 5100, 1]})) == 2


def test_text_of_the_caller_is_a_value():
    assert fuels(where={"fuelType": "x' OR 'a' = 'a"}) == []


def test_the_name_of_a_dataset_may_be_in_small_letters():
    assert len(rows("freq")) == 2


def test_metadata_columns_are_there_when_they_are_named():
    assert "message_id" not in rows("FUELINST")[0]
    assert rows("FUELINST", columns=["message_id"])[0] == {"message_id": "M"}


def test_pandas_has_times_in_utc_dates_and_whole_numbers_with_nulls():
    frame = read("FUELINST", dataset=DATASET)
    assert isinstance(frame, pd.DataFrame)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "dataset": "string",
        "publishTime": "datetime64[us, UTC]",
        "startTime": "datetime64[us, UTC]",
        "settlementDate": "date32[day][pyarrow]",
        "settlementPeriod": "Int64",
        "fuelType": "string",
        "generation": "Int64",
    }
    assert frame["generation"].isna().sum() == 1
    assert frame["settlementDate"].iloc[0] == dt.date(2026, 5, 6)


def test_a_pandas_column_of_times_is_an_index_that_can_be_resampled():
    frame = read("FREQ", dataset=DATASET, columns=["measurementTime", "frequency"])
    means = frame.set_index("measurementTime").resample("1h").mean()
    assert list(means["frequency"]) == [49.98, 50.02]


def test_polars_has_the_same_types():
    frame = read("FUELINST", dataset=DATASET, format="polars")
    assert frame.schema == {
        "dataset": pl.String,
        "publishTime": pl.Datetime("us", "UTC"),
        "startTime": pl.Datetime("us", "UTC"),
        "settlementDate": pl.Date,
        "settlementPeriod": pl.Int64,
        "fuelType": pl.String,
        "generation": pl.Int64,
    }
    assert frame["generation"].null_count() == 1


def test_arrow_has_the_same_types():
    table = read("FREQ", dataset=DATASET, format="arrow")
    assert table.schema == pa.schema(
        {
            "dataset": pa.string(),
            "measurementTime": pa.timestamp("us", tz="UTC"),
            "frequency": pa.float64(),
        }
    )


@pytest.mark.parametrize("format_", ["pandas", "polars"])
def test_no_rows_have_the_types_of_rows(format_):
    some = read("REMIT", dataset=DATASET, format=format_)
    none = read("REMIT", dataset=DATASET, format=format_, start="2027-01-01")
    assert (len(some), len(none)) == (1, 0)
    assert list(some.dtypes) == list(none.dtypes)


@pytest.mark.parametrize("name", ["FUELINST", "REMIT", "FREQ"])
def test_rows_and_types_are_the_same_where_the_storage_api_is_not_known(
    name, monkeypatch
):
    streamed = read(name, dataset=DATASET, format="arrow")
    monkeypatch.delenv("BIGQUERY_GRPC_PORT")
    assert read(name, dataset=DATASET, format="arrow").equals(streamed)


@pytest.fixture
def refusing_storage(monkeypatch):
    """A Storage API that gives this caller no session."""

    def refuse(_request, context):
        context.abort(
            grpc.StatusCode.PERMISSION_DENIED, "readsessions.create is missing"
        )

    method = grpc.unary_unary_rpc_method_handler(refuse)
    service = "google.cloud.bigquery.storage.v1.BigQueryRead"
    handler = grpc.method_handlers_generic_handler(
        service, {"CreateReadSession": method}
    )
    server = grpc.server(ThreadPoolExecutor(1), [handler])
    monkeypatch.setenv(
        "BIGQUERY_GRPC_PORT", str(server.add_insecure_port("127.0.0.1:0"))
    )
    server.start()
    yield
    server.stop(None)


def test_without_the_right_to_stream_rows_come_slowly_with_a_warning(refusing_storage):
    with pytest.warns(
        UserWarning, match=r"come slowly.*bigquery\.readSessionUser"
    ) as seen:
        assert len(read("FREQ", dataset=DATASET)) == 2
    assert seen[0].filename == __file__


def test_nested_records_stay_nested():
    steps = read("REMIT", dataset=DATASET)["outageProfile"].iloc[0]
    assert [step["capacity"] for step in steps] == [379.5]
    [row] = rows("REMIT")
    assert row["outageProfile"][0]["startTime"] == dt.datetime(
        2026, 5, 5, 10, tzinfo=UTC
    )


def test_exact_decimals_stay_exact(client):
    client.query_and_wait(
        f"CREATE OR REPLACE TABLE {DATASET}.gb_own AS SELECT NUMERIC '0.1' AS cost"
    )
    assert read("gb_own", dataset=DATASET)["cost"].iloc[0] == Decimal("0.1")
    [row] = rows("gb_own", where={"cost": Decimal("0.1")})
    assert row == {"cost": Decimal("0.1")}


def test_a_market_view_is_read_by_its_name():
    [row] = rows("gb_outages_now", columns=["unit", "unavailableCapacity"])
    assert row == {"unit": "ABCD-1", "unavailableCapacity": 120.5}


def test_bounds_of_a_view_need_the_name_of_a_time():
    with pytest.raises(
        UsageError, match=r"gb_outages: say with time= .*eventStartTime"
    ):
        rows("gb_outages", start="2026-05-05")
    assert len(rows("gb_outages", start="2026-05-05", time="eventStartTime")) == 1


def test_a_table_is_read_by_its_name():
    assert len(rows("bmrs_fuelinst_iris", start="2026-05-07")) == 1
    assert rows("iris_dead_letters", start="2026-05-07T10:00Z") == []


def test_a_version_of_one_table_is_refused():
    with pytest.raises(UsageError, match="bmrs_freq_iris is one table or view"):
        rows("bmrs_freq_iris", version="all")


@pytest.mark.parametrize(
    ("name", "selection", "message"),
    [
        ("FUELINTS", {}, r"no dataset 'FUELINTS': did you mean FUELINST"),
        ("weather", {}, r"there is no dataset 'weather'$"),
        ("gb_outage_now", {}, r"no table or view gb_outage_now: did you mean gb_out"),
        ("FREQ", {"columns": ["frequncy"]}, r"'frequncy': did you mean frequency\?"),
        ("FREQ", {"columns": []}, r"columns is empty"),
        ("FREQ", {"version": "newest"}, r"version: 'newest' is not latest or all"),
        ("MID", {}, r"d_read has no table or view bmrs_mid_latest"),
        ("FREQ", {"dataset": "nowhere"}, r"no BigQuery dataset gb-iris\.nowhere"),
        ("FREQ", {"dataset": "a.b"}, r"dataset: 'a\.b' is not a BigQuery dataset"),
        ("FREQ", {"project": "My Project"}, r"project: 'My Project' is not a project"),
        ("FREQ", {"project": "my-project", "data": "x"}, r"leave out project"),
        ("FREQ", {"data": "/nowhere"}, r"there is no folder /nowhere"),
    ],
)
def test_a_mistake_is_named_with_what_may_be_meant(name, selection, message):
    with pytest.raises(UsageError, match=message):
        read(name, **({"dataset": DATASET} | selection))


def test_missing_credentials_of_a_project_are_one_line(monkeypatch):
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")
    with pytest.raises(ReadError, match=r"^no credentials for BigQuery .*gcloud auth"):
        read("FREQ", project="my-project")


def test_another_project_of_the_local_bigquery_is_read(client):
    client.query_and_wait(
        f"CREATE SCHEMA IF NOT EXISTS `other-project.{DATASET}`;"
        f"CREATE OR REPLACE TABLE `other-project.{DATASET}.gb_own` AS SELECT 3 AS value"
    )
    assert rows("gb_own", project="other-project") == [{"value": 3}]


def test_a_format_that_is_none_is_refused():
    with pytest.raises(UsageError, match="'excel' is not pandas, polars or arrow"):
        read("FREQ", dataset=DATASET, format="excel")


def test_what_bigquery_refuses_is_one_line(client):
    client.query_and_wait(
        f"CREATE OR REPLACE VIEW {DATASET}.gb_broken AS SELECT ERROR('broken') AS x"
    )
    with pytest.raises(ReadError, match=r"^BigQuery refused: .*broken"):
        rows("gb_broken")
