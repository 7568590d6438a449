{% from "compact/macros.sql" import day_of, identity, within %}
-- How many rows each day of a table has, and how many of them are distinct. Rows without
-- a day have a line of their own. Nothing is changed.
SELECT
  {{ day_of(layout) }} AS row_day,
  COUNT(*) AS total_rows,
  COUNT(
    DISTINCT
    {{ identity(layout) }}
  ) AS distinct_rows
FROM {{ layout.table | name }}
{% if days %}
WHERE
  {{ within(layout, days, layout.day_column | name) }}
{% endif %}
GROUP BY row_day
ORDER BY row_day
