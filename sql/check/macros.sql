{# Conditions that the checks share. #}

{# Whether a row is in a partition near the time of the check; the parameters are those of
   sql.check.freshness.near. #}
{% macro near(dataset) -%}
{% set column = dataset.column(dataset.partition_column) -%}
{% set kind = "date" if column.type == "DATE" else "time" -%}
{{ column.name | name }} >= @from_{{ kind }} AND {{ column.name | name }} < @until_{{ kind }}
{%- endmacro %}
