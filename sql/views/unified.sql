{# One name for history and IRIS.

   iris            the _iris table
   columns         the names of the view's columns, in order
   iris_columns    how each is read from the _iris table
   partition       the column that both sides are partitioned by
   clusters        the columns that the _iris table is clustered by
   histories       for each historic table: name, side, the SQL of every column, and that
                   of what else tells its rows apart
   history_side    the first side of history
   agreed          the sides of history, where its tables differ in their columns
   api_absent      the names of columns that IRIS fills and the Insights API does not
   windows         what rows are compared by, as SQL: `copies` what all sides share;
                   `agreed<side>` what a side of history shares with IRIS; `given` what
                   the API fills

   The sides are IRIS (0), the API where it lacks columns (1), and history (2, or 1, and
   on), whose tables are of one side if they share the same columns with IRIS.
#}
{% if not histories and not api_absent %}
SELECT
{% for column in columns %}
  {{ iris_columns[column] | aliased(column) }}{{ "," if not loop.last }}
{% endfor %}
FROM {{ iris | name }}
WHERE TRUE
-- An identical record, sent or read again, is shown once, IRIS's before the API's; a
-- version has another record_id. The columns by which the table is partitioned and
-- clustered are part of the window's PARTITION BY, so that a filter on them goes through
-- the window to the table: one day reads one partition.
QUALIFY
  record_id IS NULL
  OR ROW_NUMBER() OVER (
    PARTITION BY
      {{ partition | name }},
{% for column in clusters %}
      {{ column }},
{% endfor %}
      record_id
    ORDER BY source = "INSIGHTS_API", ingested_utc, message_id
  ) = 1
{% else %}
WITH sides AS (
  SELECT
{% for column in columns %}
    {{ iris_columns[column] | aliased(column) }},
{% endfor %}
{% if api_absent %}
    IF(
      source = "INSIGHTS_API"
{% for column in api_absent %}
      AND {{ iris_columns[column] }} IS NULL{{ "," if loop.last }}
{% endfor %}
      1,
      0
    ) AS side,
{% else %}
    0 AS side,
{% endif %}
    record_id AS identity
  FROM {{ iris | name }}
{% for history in histories %}
  UNION ALL
  SELECT
{% for column in columns %}
    {{ history.expressions[column] | aliased(column) }},
{% endfor %}
    {{ history.side }} AS side,
    {{ history.identity }} AS identity
  FROM {{ history.table | name }}
{% endfor %}
)

SELECT
{% for column in columns %}
  {{ column | name }}{{ "," if not loop.last }}
{% endfor %}
FROM sides
WHERE TRUE
-- Rows with the same values are copies. Where IRIS has one, history's are left out.
-- Within a side an identical row is shown once, IRIS's before the API's. Records that
-- differ in a column that not all sides have differ in their identity, and stay.
-- The partition column comes first in PARTITION BY so that a filter on it goes through
-- the window and the UNION to both tables: one day reads one partition of each.
{% if agreed %}
-- Historic tables differ in their columns: a row is left out if IRIS has the same values
-- in all columns of its own table, so that a column that another table lacks costs no
-- version.
{% endif %}
{% if api_absent %}
-- The API does not have every column that IRIS has. Its row is left out if IRIS has one
-- with the same values in all columns of the API, whichever came first.
{% endif %}
QUALIFY
{% if agreed %}
{% for side in agreed %}
  {{ "AND " if not loop.first }}(side != {{ side }} OR COUNTIF(side < {{ history_side }}) OVER agreed{{ side }} = 0)
{% endfor %}
{% elif histories %}
  (side < {{ history_side }} OR FIRST_VALUE(side) OVER copies = {{ history_side }})
{% endif %}
{% if api_absent %}
  {{ "AND " if histories }}(side != 1 OR COUNTIF(side = 0) OVER given = 0)
{% endif %}
  AND (
    (side < {{ history_side }} AND identity IS NULL)
    OR ROW_NUMBER() OVER copies = 1
{% if agreed %}
    OR side != LAG(side) OVER copies
{% endif %}
    OR identity IS DISTINCT FROM LAG(identity) OVER copies
  )
WINDOW
{% for name, expressions in windows.items() %}
  {{ name }} AS (
    PARTITION BY
{% for expression in expressions %}
      {{ expression }}{{ "," if not loop.last }}
{% endfor %}
{% if name == "copies" %}
    ORDER BY side, identity, source = "INSIGHTS_API", ingested_utc, message_id
{% endif %}
  ){{ "," if not loop.last }}
{% endfor %}
{% endif %}
