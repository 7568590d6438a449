{# Conditions that the checks share. #}

{# Whether a row is in a partition near the time of the check; the parameters are those of
   sql.check.freshness.near. Datasets with bids and offers are settlement's. #}
{% macro near(dataset) -%}
{% set column = dataset.column(dataset.partition_column) -%}
{% set kind = "date" if column.type == "DATE" else "time" -%}
{% set late = "late_" if dataset.bid_offer else "" -%}
{{ column.name | name }} >= @{{ late }}from_{{ kind }} AND {{ column.name | name }} < @until_{{ kind }}
{%- endmacro %}

{# What names one version of one thing, as JSON; `each` is a sql.check.duplicates.Compared.
   Another message of a set is another publication. #}
{% macro natural_key(each) -%}
TO_JSON_STRING(STRUCT(
{%- for column in each.key %}{{ column | name }} AS {{ column | name }}{{ ", " if not loop.last }}{% endfor %}
{%- if each.dataset.is_set_of_message %}, {{ row_origin() }} AS origin{% endif -%}
{%- if each.side %}, {{ each.side }} AS side{% endif -%}
))
{%- endmacro %}
