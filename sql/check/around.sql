{# What the check of gaps around which a unit was seen needs to know.

   path    the BigQuery dataset
   owed    the datasets: each with its source, series, and the days first to end
#}
-- Half-hours are counted from 1970 in UTC: those of days of 46 and 50 follow each other.
WITH seen AS (
{% for one in owed %}
{% if not loop.first %}
  UNION ALL
{% endif %}
  -- A unit has several rows in a half-hour, for segments and pairs: it counts once.
  SELECT DISTINCT
    {{ one.dataset.name | text }} AS dataset,
    ARRAY_TO_STRING(
      [
{% for series in one.dataset.series %}
        CAST({{ series | name }} AS STRING){{ "," if not loop.last }}
{% endfor %}
      ],
      ", ",
      "none"
    ) AS series,
    DIV(UNIX_SECONDS(TIMESTAMP(`settlementDate`, "Europe/London")), 1800)
    + `settlementPeriod` - 1 AS slot
  FROM {{ (path ~ "." ~ one.source) | name }}
  WHERE
    `settlementDate` >= DATE "{{ one.read_from }}"
    AND `settlementDate` < DATE "{{ one.read_until }}"
    AND `settlementPeriod` IS NOT NULL
{% endfor %}
),

steps AS (
  SELECT
    dataset,
    series,
    slot,
    LEAD(slot) OVER (PARTITION BY dataset, series ORDER BY slot) AS next_slot
  FROM seen
)

-- How many units each half-hour has.
SELECT
  dataset,
  slot AS first_slot,
  slot AS last_slot,
  FALSE AS is_gap,
  COUNT(*) AS series_count,
  CAST(NULL AS STRING) AS sample
FROM seen
GROUP BY dataset, slot
UNION ALL
-- The gaps between two half-hours of a unit; units with the same gap are counted.
SELECT
  dataset,
  slot + 1 AS first_slot,
  next_slot - 1 AS last_slot,
  TRUE AS is_gap,
  COUNT(*) AS series_count,
  STRING_AGG(series, ", " ORDER BY series LIMIT {{ named }}) AS sample
FROM steps
WHERE next_slot > slot + 1
GROUP BY dataset, slot, next_slot
