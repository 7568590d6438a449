"""The view `iris_held`: what could not become a row, and its state now."""

from collections.abc import Sequence

from command.tables_path import TablesPath
from pipeline.core.decoding import NO_SUBJECT
from pipeline.registry import Column, Dataset, Registry
from sql.tables import DEAD_LETTERS, REPLAYS, UNMAPPED
from sql.templates import fill
from sql.views.view import View

HELD = "iris_held"
# What `iris_held` reads, besides the tables of the datasets.
HELD_SOURCES = (DEAD_LETTERS.name, UNMAPPED.name, REPLAYS.name)
# How the statements find messages without a subject, and what their records name: a
# pattern for JSON, and for JSON in a JSON string, as a raw string of GoogleSQL.
NAMELESS = {
    "no_subject": NO_SUBJECT,
    "naming": r"""r'\\*"dataset\\*"\s*:\s*\\*"([^"\\]*)'""",
}
_HELD_COLUMNS = (
    Column("kind", "STRING", description="DEAD_LETTER or UNMAPPED."),
    Column("held_id", "STRING", description="The letter of the newest attempt."),
    Column("root_id", "STRING", description="The letter that failed first."),
    Column("held_utc", "TIMESTAMP", description="When the first one failed."),
    Column("stage", "STRING", description="The step that failed last."),
    Column("reason", "STRING", description="The last reason code, or UNMAPPED."),
    Column("error", "STRING", description="The error of the newest attempt."),
    Column("dataset", "STRING", description="The IRIS dataset."),
    Column("message_id", "STRING", description="The IRIS message."),
    Column(
        "record_index",
        "INT64",
        description="Which record of it; null for the whole message.",
    ),
    Column("record_id", "STRING", description="The record's identity, if it has one."),
    Column("attempt", "INT64", description="1, and one more for each replay."),
    Column("replays", "INT64", description="How often it was replayed."),
    Column("replayed_utc", "TIMESTAMP", description="When it was last replayed."),
    Column(
        "state",
        "STRING",
        description="WAITING: never replayed. REPLAYED: sent, without a result yet. "
        "ROW: it is a row now. OPENED: a replay opened the whole message, and each of "
        "its records has a result of its own. FAILED_AGAIN: the replay failed. "
        "UNKNOWN_DATASET: the registry did not know the dataset at the last "
        "`sql apply`, or a message without a subject has records that name none.",
    ),
    Column(
        "payload",
        "BYTES",
        description="The bytes of the newest attempt; null if too large for a row.",
    ),
    Column("attributes", "STRING", description="JSON text of its Pub/Sub attributes."),
)


def held_view(registry: Registry, path: TablesPath) -> View:
    """`iris_held`: what is held back, and its state now."""
    return View(
        HELD,
        _HELD_COLUMNS,
        held_query(registry, path, list(registry.values())),
        "What could not become a row, and its state now: one row for each dead letter "
        "or unmapped message together with its replays. A query reads record_id and "
        "message_id of every _iris table, about 100 bytes a row.",
    )


def held_query(
    registry: Registry, path: TablesPath, datasets: Sequence[Dataset]
) -> str:
    """The SELECT of `iris_held`.

    Args:
        registry: The known datasets.
        path: Where the tables are.
        datasets: Those of them whose tables are searched for rows; a dataset of which
            nothing is held can be left out.
    """
    subjects = [
        (subject, dataset.name)
        for dataset in registry.values()
        for subject in (dataset.name, *dataset.aliases)
    ]
    return fill(
        "views/held.sql",
        path=path,
        datasets=datasets,
        subjects=subjects,
        **NAMELESS,
        of_sets=[each.name for each in registry.values() if each.is_set_of_message],
    )
