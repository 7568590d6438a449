{# What the rows of a historic table say of its times.

   table      the table
   columns    its time columns
   percent    how much of the table is read; None for all of it
   filter     a condition that the table needs, or None
#}
SELECT
{% for column in columns %}
{% set named = column.named %}
{% if column.start %}
  COUNTIF({{ named.is_summer_row }}) AS {{ (column.name ~ "_summer") | name }},
  COUNTIF({{ named.proves_utc }}) AS {{ (column.name ~ "_utc") | name }},
  COUNTIF({{ named.proves_local }}) AS {{ (column.name ~ "_local") | name }},
  COUNTIF({{ named.repeated }} AND {{ named.start }} IS NULL) AS {{ (column.name ~ "_repeated") | name }}{{ "," if not loop.last }}
{% else %}
  COUNTIF({{ named.repeated }}) AS {{ (column.name ~ "_repeated") | name }}{{ "," if not loop.last }}
{% endif %}
{% endfor %}
FROM (
  SELECT
{% for column in columns %}
{% set named = column.named %}
{% if column.start %}
    {{ column.start }} AS {{ named.start }},
{% endif %}
{% if column.zoned %}
    {{ column.zoned }} AS {{ named.zoned }},
{% endif %}
    {{ column.utc }} AS {{ named.utc }}{{ "," if not loop.last }}
{% endfor %}
  FROM {{ table | name }}{{ " TABLESAMPLE SYSTEM (%s PERCENT)" % percent if percent }}
{% if filter %}
  WHERE {{ filter }}
{% endif %}
) AS times
