-- A copy of a table with a partition for each day.
{% if layout.day_kind == "STRING" %}
{% set by = "partition_day" | name %}
{% elif layout.day_kind == "DATE" %}
{% set by = layout.day_column | name %}
{% else %}
{% set by = layout.day_kind ~ "_TRUNC(" ~ (layout.day_column | name) ~ ", DAY)" %}
{% endif %}
CREATE TABLE {{ (layout.table ~ "_by_day") | name }}
PARTITION BY {{ by }}
AS
SELECT
  *
{%- if layout.day_kind == "STRING" %}
,
  SAFE_CAST(SUBSTR({{ layout.day_column | name }}, 1, 10) AS DATE) AS {{ by }}
{%- endif %}

FROM {{ layout.table | name }}
