{% from "market/names.sql" import bare, cleaned, day_of, directory %}
{% from "views/macros.sql" import last_arrived %}
{# What the views of outages share. #}
{# Common table expressions: `directory`, the units by each of their names, and `fuels`. #}
{% macro units(path, sources) -%}
named AS (
{% for source in sources %}
  SELECT
    {{ cleaned(source.grid_name) }} AS grid_name,
    {{ cleaned(source.elexon_name) }} AS elexon_name,
    CAST(NULL AS STRING) AS fuel,
    MAX({{ day_of(source) }}) AS lastSeen
  FROM {{ (path ~ "." ~ source.dataset.table) | name }}
  GROUP BY grid_name, elexon_name
  UNION ALL
{% endfor %}
  SELECT
    {{ cleaned("nationalGridBmUnit") }} AS grid_name,
    {{ cleaned("elexonBmUnit") }} AS elexon_name,
    {{ cleaned("fuelType") }} AS fuel,
    DATE '9999-12-31' AS lastSeen
  FROM {{ (path ~ ".gb_reference_units") | name }}
),

{{ directory() }}

fuels AS (
  SELECT
    grid_name,
    MIN(fuel) AS fuel
  FROM named
  WHERE fuel IS NOT NULL
  GROUP BY grid_name
),
{%- endmacro %}
{# The unit as a message says it. #}
{% macro reported_unit() -%}
COALESCE(
      {{ cleaned("affectedUnit") }},
      {{ cleaned("assetId") }},
      {{ cleaned("affectedUnitEIC") }}
    ) AS reported
{%- endmacro %}
{# The capacities of a message, of which one may follow from the others. #}
{% macro capacities() -%}
COALESCE(normalCapacity, availableCapacity + unavailableCapacity)
      AS normalCapacity,
    COALESCE(availableCapacity, normalCapacity - unavailableCapacity)
      AS availableCapacity,
    COALESCE(unavailableCapacity, normalCapacity - availableCapacity) AS stated
{%- endmacro %}
{# From `messages`, the unit that a message reports: `exact` or else `bare`. #}
{% macro with_unit(messages) -%}
LEFT JOIN directory AS exact ON UPPER({{ messages }}.reported) = exact.spelling
  LEFT JOIN directory AS bare ON {{ bare(messages ~ ".reported") }} = bare.spelling
  LEFT JOIN fuels
    ON
      COALESCE(exact.nationalGridBmUnit, bare.nationalGridBmUnit) = fuels.grid_name
{%- endmacro %}
{# Which message about an outage counts, the first. #}
{% macro highest_first() -%}
revisionNumber DESC NULLS LAST,
      publishTime DESC NULLS LAST,
      createdTime DESC NULLS LAST,
      {{ last_arrived() | indent(2) }},
      record_id DESC NULLS LAST
{%- endmacro %}
