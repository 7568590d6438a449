{# The names of units, as common table expressions that read `named`, whose rows have
   nationalGridBmUnit, bmUnit (one may be null) and lastSeen. #}
{% macro directory() %}
-- One name each: the newest pair decides. A pair of the reference list is the newest.
elexon_names AS (
  SELECT
    nationalGridBmUnit,
    bmUnit
  FROM named
  WHERE nationalGridBmUnit IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY nationalGridBmUnit
    ORDER BY bmUnit IS NULL, lastSeen DESC NULLS LAST, bmUnit DESC
  ) = 1
),

national_grid_names AS (
  SELECT
    bmUnit,
    nationalGridBmUnit
  FROM named
  WHERE bmUnit IS NOT NULL AND nationalGridBmUnit IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY bmUnit
    ORDER BY lastSeen DESC NULLS LAST, nationalGridBmUnit DESC
  ) = 1
),

-- Every name of a unit, and its name without the prefix (T_, E_), which REMIT uses.
names AS (
  SELECT
    UPPER(nationalGridBmUnit) AS name,
    nationalGridBmUnit,
    1 AS certainty
  FROM elexon_names
  UNION ALL
  SELECT
    UPPER(bmUnit) AS name,
    nationalGridBmUnit,
    2 AS certainty
  FROM national_grid_names
  UNION ALL
  SELECT
    {{ bare("bmUnit") }} AS name,
    nationalGridBmUnit,
    3 AS certainty
  FROM national_grid_names
),

-- What each name means. A unit that the system operator has renamed keeps Elexon's name,
-- and has its newest name.
directory AS (
  SELECT
    names.name,
    COALESCE(
      national_grid_names.nationalGridBmUnit, names.nationalGridBmUnit
    ) AS nationalGridBmUnit,
    COALESCE(newest.bmUnit, elexon_names.bmUnit) AS bmUnit
  FROM names
  INNER JOIN elexon_names
    ON names.nationalGridBmUnit = elexon_names.nationalGridBmUnit
  LEFT JOIN national_grid_names
    ON elexon_names.bmUnit = national_grid_names.bmUnit
  LEFT JOIN elexon_names AS newest
    ON national_grid_names.nationalGridBmUnit = newest.nationalGridBmUnit
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY names.name
    ORDER BY names.certainty, names.nationalGridBmUnit
  ) = 1
),
{%- endmacro %}
{% macro cleaned(expression) -%}
{{ "NULLIF(TRIM(" ~ expression ~ "), '')" if expression else "CAST(NULL AS STRING)" }}
{%- endmacro %}
{% macro bare(expression) -%}
REGEXP_REPLACE(UPPER({{ expression }}), r'^[A-Z]_', '')
{%- endmacro %}
{% macro day_of(source) -%}
{% if source.by_date -%}
{{ source.dataset.partition_column | name }}
{%- else -%}
DATE({{ source.dataset.partition_column | name }}, 'Europe/London')
{%- endif %}
{%- endmacro %}
