"""`python -m local query`, `tables` and `shell`: ask the tables of a DATA folder.

They are the commands of `sql`, on the folder's BigQuery, which is started if needed.
"""

import argparse
import importlib
import os
from typing import Any, NamedTuple

from command import signals
from command.tables_path import LOCAL_TABLES, require_answer
from local.bigquery import emulator
from local.data_folder import DataFolder, add_data_option

HISTORY = "sql-history"


class OnTables(NamedTuple):
    """A command of `sql` that asks tables, for a DATA folder.

    Attributes:
        module: What has `add_options(parser)`, `prepare(options)`, which finds mistakes
            before a server starts, and `perform(prepared, tables)`.
        owner: What the user typed, for a command that stays: others use its server.
    """

    module: str
    owner: str | None = None

    def configure(self, parser: argparse.ArgumentParser) -> None:
        add_data_option(parser)
        self._load().add_options(parser)

    def run(self, options: argparse.Namespace) -> int:
        from pipeline.bigquery.client import connect
        from sql.query.job import Tables

        command = self._load()
        data = DataFolder(options.data, must_exist=True)
        if self.owner:
            options.history = options.history or data.path / HISTORY
        prepared = command.prepare(options)
        with emulator.serving(data) as addresses:
            os.environ |= addresses
            require_answer(addresses["BIGQUERY_EMULATOR_HOST"])
            # Without a state the server is that of this process.
            if self.owner and data.state() is None:
                data.write_state(self.owner, addresses)
            tables = Tables(connect(LOCAL_TABLES.project), LOCAL_TABLES)
            return int(command.perform(prepared, tables))

    def _load(self) -> Any:
        with signals.ending_at_once():
            return importlib.import_module(self.module)


QUERY = OnTables("sql.query.command")
TABLES = OnTables("sql.query.listing")
SHELL = OnTables("sql.shell.command", "make sql-shell")
