"""The SQL templates: Jinja files in the folders of `sql/`.

The values of a template come from the registry or from a checked option, never from a
message. Names are quoted with the filter `name`, texts with the filter `text`;
`aliased("b")` names an expression. `row_key(dataset)` is what a row is recognised by,
`row_origin()` the part of it that is not the record.
"""

import functools
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.core.row_ids import origin_sql, row_key_sql

FOLDER = Path(__file__).parent


def fill(template: str, **values: Any) -> str:
    """The SQL of a template.

    Args:
        template: Its file, from `sql/` on: `views/unified.sql`.
        values: Its variables; a missing one is an error.
    """
    return _environment().get_template(template).render(**values)


def literal(text: str) -> str:
    """A string literal: GoogleSQL has the escapes of JSON."""
    return json.dumps(text, ensure_ascii=False)


def quoted(name: str) -> str:
    """A name in backticks."""
    return f"`{name}`"


def aliased(expression: str, name: str) -> str:
    """An expression under a name; a column that has the name already stays as it is."""
    name = quoted(name)
    return expression if expression == name else f"{expression} AS {name}"


@functools.cache
def _environment() -> Environment:
    # It makes SQL, not HTML: a browser never reads it.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"row_origin": origin_sql, "row_key": row_key_sql}
    environment.filters |= {"name": quoted, "text": literal, "aliased": aliased}
    return environment
