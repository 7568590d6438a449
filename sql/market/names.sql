{# The names of units, as common table expressions that read `named`, whose rows have
   grid_name, elexon_name (one may be null) and lastSeen. #}
{% macro directory() %}
-- One name each: the newest pair decides. A pair of the reference list is the newest.
elexon_names AS (
  SELECT
    grid_name,
    elexon_name
  FROM named
  WHERE grid_name IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY grid_name
    ORDER BY elexon_name IS NULL ASC, lastSeen DESC NULLS LAST, elexon_name DESC
  ) = 1
),

grid_names AS (
  SELECT
    elexon_name,
    grid_name
  FROM named
  WHERE elexon_name IS NOT NULL AND grid_name IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY elexon_name
    ORDER BY lastSeen DESC NULLS LAST, grid_name DESC
  ) = 1
),

-- Every name of a unit, and its name without the prefix (T_, E_), which REMIT uses.
spellings AS (
  SELECT
    UPPER(grid_name) AS spelling,
    grid_name,
    1 AS certainty
  FROM elexon_names
  UNION ALL
  SELECT
    UPPER(elexon_name) AS spelling,
    grid_name,
    2 AS certainty
  FROM grid_names
  UNION ALL
  SELECT
    {{ bare("elexon_name") }} AS spelling,
    grid_name,
    3 AS certainty
  FROM grid_names
),

-- What each name means. A unit that the system operator has renamed keeps Elexon's name,
-- and has its newest name.
directory AS (
  SELECT
    spellings.spelling,
    COALESCE(grid_names.grid_name, spellings.grid_name) AS nationalGridBmUnit,
    COALESCE(newest.elexon_name, elexon_names.elexon_name) AS bmUnit
  FROM spellings
  INNER JOIN elexon_names ON spellings.grid_name = elexon_names.grid_name
  LEFT JOIN grid_names ON elexon_names.elexon_name = grid_names.elexon_name
  LEFT JOIN elexon_names AS newest ON grid_names.grid_name = newest.grid_name
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY spellings.spelling
    ORDER BY spellings.certainty, spellings.grid_name
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
