"""Whatever rows there are, their text forms can be read again."""

import csv
import io

from google.cloud.bigquery import SchemaField
from hypothesis import given
from hypothesis import strategies as st

from sql.query.formats import csv_line
from sql.query.statements import quoted, split
from sql.query.text_table import columns_of, table_lines

# Python's reader treats a NUL as an error.
CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
ROWS = st.integers(1, 5).flatmap(
    lambda width: st.lists(
        st.lists(st.none() | CELLS, min_size=width, max_size=width), min_size=1
    )
)


@given(ROWS)
def test_a_csv_reader_finds_the_same_cells(rows):
    text = "".join(map(csv_line, rows))
    found = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert found == [[cell or "" for cell in row] for row in rows]


@given(ROWS, st.integers(20, 200))
def test_a_table_has_a_line_a_row_and_no_control_characters(rows, width):
    schema = [SchemaField(f"c{n}", "STRING") for n in range(len(rows[0]))]
    lines = list(table_lines(schema, rows, width))
    assert all(line.isprintable() for line in lines)
    assert max(map(columns_of, lines)) <= width or len(rows[0]) * 14 > width
    assert len(lines) in (len(rows) + 2, len(rows) * (len(rows[0]) + 1) - 1)


@given(st.text())
def test_a_quoted_name_is_one_token_of_a_statement(name):
    if not {"\n", "\r"} & set(name):
        assert len(split(f"SELECT {quoted(name)}; SELECT 2;").statements) == 2
