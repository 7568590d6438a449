"""Browsing: the rows of any dataset by day and unit, as one statement."""

import datetime as dt
from collections.abc import Iterator
from typing import Any, NamedTuple

from google.cloud import bigquery

from command.usage import UsageError
from dashboard.selection import LONDON, ONE_DAY, Selection
from dashboard.warehouse import Warehouse
from gb_iris.axis import axis
from gb_iris.condition import Condition, Parameter
from gb_iris.interval import Interval
from gb_iris.relation import Relation
from gb_iris.statement import bounds
from pipeline.registry import Dataset, load_registry

# Shown until a viewer chooses one.
USUAL = "FUELINST"
# Without a day: what came lately, and of a forecast what is to come.
DAYS_BEFORE, DAYS_AFTER = 6, 1
UNITS = ("bmUnit", "nationalGridBmUnit", "affectedUnit", "assetId")


class Question(NamedTuple):
    """What a viewer asks of a dataset.

    Attributes:
        dataset: The dataset.
        fields: Its columns that are read.
        sql: The statement, without an end.
        parameters: Of the statement.
    """

    dataset: Dataset
    fields: list[bigquery.SchemaField]
    sql: str
    parameters: list[Parameter]

    def limited(self, rows: int) -> str:
        return f"{self.sql}\nLIMIT {rows}"

    def config(self) -> bigquery.QueryJobConfig:
        return bigquery.QueryJobConfig(query_parameters=self.parameters)

    def shown(self, rows: int) -> str:
        """The statement with its values in it, to paste elsewhere."""
        text = self.limited(rows)
        for given in sorted(self.parameters, key=lambda each: -len(each.name or "")):
            text = text.replace(f"@{given.name}", _literal(given))
        return text


def chosen_dataset(selection: Selection) -> Dataset:
    """The dataset that a viewer has chosen."""
    return load_registry()[selection.get("dataset") or USUAL]


def question(warehouse: Warehouse, selection: Selection, now: dt.datetime) -> Question:
    """The statement for the rows of a selection, the newest first.

    Raises:
        UsageError: The dataset has no view, or a unit is asked for and it has none.
    """
    dataset = chosen_dataset(selection)
    source = warehouse.relation(dataset.name)
    times = axis(source, None)
    asked = _interval(selection, now, instants=times.day is None)
    conditions = [
        *bounds(source, times, "start", asked.start),
        *bounds(source, times, "end", asked.end),
        *_of_unit(source, dataset, selection.get("unit")),
    ]
    names = source.usual_columns
    order = [f"`{name}` DESC" for name in times.columns]
    order += [f"`{name}`" for name in dataset.latest_key if name not in times.columns]
    sql = f"SELECT {', '.join(f'`{name}`' for name in names)}\n"
    sql += f"FROM `{source.path}.{source.name}`\n"
    sql += f"WHERE {' AND '.join(each.sql for each in conditions)}\n"
    sql += f"ORDER BY {', '.join(order)}"
    parameters = [given for each in conditions for given in each.parameters]
    fields = [source.fields[name] for name in names]
    return Question(dataset, fields, sql, parameters)


def _interval(selection: Selection, now: dt.datetime, *, instants: bool) -> Interval:
    """The chosen day in Great Britain, or the days around now."""
    if day := selection.get("day"):
        first, end = day, day + ONE_DAY
    else:
        today = now.astimezone(LONDON).date()
        first, end = today - DAYS_BEFORE * ONE_DAY, today + (DAYS_AFTER + 1) * ONE_DAY
    if not instants:
        return Interval(first, end)
    return Interval(_midnight(first), _midnight(end))


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), LONDON).astimezone(dt.UTC)


def _of_unit(
    source: Relation, dataset: Dataset, unit: str | None
) -> Iterator[Condition]:
    """The condition that any name of the unit is the chosen one."""
    if not unit:
        return
    names = [name for name in UNITS if name in source.fields]
    if not names:
        raise UsageError(
            f"{dataset.name} has no column with a unit: leave the unit out"
        )
    text = " OR ".join(f"`{name}` = @unit" for name in names)
    yield Condition(
        f"({text})", [bigquery.ScalarQueryParameter("unit", "STRING", unit)]
    )


def _literal(given: Any) -> str:
    """A value as SQL; a unit has no quotes (`selection.py`)."""
    if given.type_ == "TIMESTAMP":
        return f"TIMESTAMP '{given.value:%Y-%m-%d %H:%M:%S}+00'"
    if given.type_ == "DATE":
        return f"DATE '{given.value}'"
    return f"'{given.value}'"
