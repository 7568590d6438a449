{# The country and the name of a cable, by the code of its fuelType.

   interconnectors   the cables: code, name and country
#}
{% macro of_interconnector(interconnectors) -%}
CASE fuelType
{% for each in interconnectors %}
    WHEN {{ "'" ~ each.code ~ "'" }} THEN {{ "'" ~ each.country ~ "'" }}
{% endfor %}
  END AS country,
  CASE fuelType
{% for each in interconnectors %}
    WHEN {{ "'" ~ each.code ~ "'" }} THEN {{ "'" ~ each.name ~ "'" }}
{% endfor %}
  END AS interconnector
{%- endmacro %}
