"""Completion of tables, of columns of the tables that a text names, of words."""

import re
from collections.abc import Iterator

from google.api_core.exceptions import GoogleAPICallError
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from requests import RequestException

from sql.query.catalogue import Catalogue

_WORD = re.compile(r"[\w-]+\Z")
KEYWORDS = re.findall(
    r"\w+",
    """
    AND ARRAY_AGG AS ASC AVG BETWEEN BY CASE CAST COUNT CREATE CURRENT_DATE
    CURRENT_TIMESTAMP DATE DELETE DESC DISTINCT DROP ELSE END EXISTS EXTRACT FALSE FROM
    FULL GROUP HAVING IF IN INNER INSERT INTERVAL INTO IS JOIN LEFT LIKE LIMIT MAX MIN
    NOT NULL OFFSET ON OR ORDER OVER PARTITION QUALIFY RIGHT ROW_NUMBER SELECT SET SUM
    TABLE THEN TIMESTAMP TIMESTAMP_DIFF TIMESTAMP_SUB TIMESTAMP_TRUNC TRUE UNION UNNEST
    UPDATE USING VALUES VIEW WHEN WHERE WITH
    """,
)


class NameCompleter(Completer):
    """Completes the word before the cursor."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        """Columns first, then tables, then words of SQL."""
        match = _WORD.search(document.text_before_cursor)
        word = match[0] if match else ""
        for name, kind in self._names(document.text, word):
            yield Completion(name, -len(word), display_meta=kind)

    def _names(self, text: str, word: str) -> Iterator[tuple[str, str]]:
        """Names that begin with a word, or, of tables, have it as a part."""
        key = word.casefold()
        try:
            columns = {
                field.name: table.table_id
                for table in self._catalogue.named_in(text)
                for field in table.schema
            }
            tables = {
                name: item.table_type.lower()
                for name, item in self._catalogue.items().items()
            }
        except (GoogleAPICallError, RequestException):
            return  # the server is gone: the next statement says so
        for name, table in columns.items():
            if name.casefold().startswith(key):
                yield name, table
        begin = [name for name in tables if name.casefold().startswith(key)]
        inside = [name for name in tables if key in name.casefold()] if word else []
        for name in dict.fromkeys([*begin, *inside]):
            yield name, tables[name]
        if word:
            for name in KEYWORDS:
                if name.casefold().startswith(key):
                    yield name, ""
