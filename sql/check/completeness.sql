-- The slots in which each series of each dataset has a value. A series that was seen only
-- in the days before has an empty array.
WITH seen AS (
{% for one in owed %}
{% set column = one.grid.column | name %}
{% if not loop.first %}
  UNION ALL
{% endif %}
  SELECT DISTINCT
    {{ one.dataset.name | text }} AS dataset,
{% if one.dataset.series %}
    ARRAY_TO_STRING(
      [
{% for series in one.dataset.series %}
        CAST({{ series | name }} AS STRING){{ "," if not loop.last }}
{% endfor %}
      ],
      ", ",
      "none"
    ) AS series,
{% else %}
    "" AS series,
{% endif %}
    IF(
      {{ column }} >= {{ one.first }},
{% if one.kind == "Instants" %}
{% set seconds = one.grid.cadence_seconds %}
      -- The nearest instant of the grid: add half a cadence, then round down.
      DIV(
        UNIX_SECONDS(TIMESTAMP_ADD({{ column }}, INTERVAL {{ seconds // 2 }} SECOND)),
        {{ seconds }}
      ),
{% elif one.kind == "Periods" %}
      100 * UNIX_DATE({{ column }}) + `settlementPeriod`,
{% else %}
      UNIX_DATE({{ column }}),
{% endif %}
      NULL
    ) AS slot
  FROM {{ (path ~ "." ~ one.source) | name }}
  WHERE
{% for bounded, low, high in one.bounds %}
    {{ "AND " if not loop.first }}{{ bounded | name }} >= {{ low }}
    AND {{ bounded | name }} < {{ high }}
{% endfor %}
{% endfor %}
)

SELECT
  dataset,
  series,
  ARRAY_AGG(slot IGNORE NULLS) AS slots
FROM seen
GROUP BY dataset, series
