{# Expressions that the statements of this folder share. `layout` is a
   sql.compact.table_layout.Layout, `days` a sql.compact.table_layout.Days. #}

{# The day of a row, as text. #}
{% macro day_of(layout) -%}
{% if layout.day_kind == "STRING" -%}
SUBSTR({{ layout.day_column | name }}, 1, 10)
{%- else -%}
CAST(CAST({{ layout.day_column | name }} AS DATE) AS STRING)
{%- endif %}
{%- endmacro %}

{# Text that is equal for identical rows only: JSON has columns of every type, nested ones
   too, and distinguishes NULL from all values. Rows from before record_id have none; they
   are compared by their data, as in other tables. #}
{% macro identity(layout) -%}
{% if layout.row_key -%}
COALESCE({{ layout.row_key }}, {{ all_data(layout) }})
{%- elif layout.record_id -%}
COALESCE({{ layout.record_id | name }}, {{ all_data(layout) }})
{%- else -%}
{{ all_data(layout) }}
{%- endif %}
{%- endmacro %}

{% macro all_data(layout) -%}
TO_JSON_STRING(STRUCT(
      {{ layout.data_columns | map("name") | join(",\n      ") }}
    ))
{%- endmacro %}

{# Whether a row is of these days. The bare column is compared with the bounds, so that
   BigQuery reads no other partitions. #}
{% macro within(layout, days, column) -%}
{% if days.first is not none -%}
{% if layout.day_kind == "STRING" -%}
SUBSTR({{ column }}, 1, 10) BETWEEN {{ days.first | text }} AND {{ days.last | text }}
{%- elif layout.day_kind == "DATE" -%}
{{ column }} BETWEEN DATE {{ days.first | text }} AND DATE {{ days.last | text }}
{%- else -%}
{% set zone = "+00" if layout.day_kind == "TIMESTAMP" else "" -%}
{{ column }} BETWEEN {{ layout.day_kind }} {{ (days.first ~ " 00:00:00" ~ zone) | text }} AND {{ layout.day_kind }} {{ (days.last ~ " 23:59:59.999999" ~ zone) | text }}
{%- endif %}
{%- endif %}
{%- if days.first is not none and days.undated %}

  OR {% endif %}
{%- if days.undated -%}
{{ column }} IS NULL
{%- endif %}
{%- endmacro %}
