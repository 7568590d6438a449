{% from "market/acceptances.sql" import accepted, days, level %}
{# The level that each unit is to follow.

   path         project.dataset
   reach_days   how many days before its limits may have been declared
#}
-- Each half-hour of a unit is one row with its segments. Between two instants at which
-- one of them begins or ends, all levels are straight lines. Where one crosses a limit,
-- the interval is cut in parts.
WITH {{ accepted(path, True, begun=True) }}

notified AS (
  SELECT
    nationalGridBmUnit,
    bmUnit,
    UNIX_SECONDS(timeFrom) AS begins,
    UNIX_SECONDS(timeTo) AS ends,
    levelFrom,
    levelTo
  FROM {{ (path ~ ".bmrs_pn_latest") | name }}
  WHERE
    {{ days() }}
    AND timeFrom < timeTo
    AND timeTo > from_utc
    AND timeFrom < to_utc
),

segments AS (
  SELECT
    'BOALF' AS dataset,
    nationalGridBmUnit,
    bmUnit,
    start_second,
    acceptanceNumber,
    acceptanceTime,
    begins,
    ends,
    levelFrom,
    levelTo
  FROM accepted
  UNION ALL
  SELECT
    'PN' AS dataset,
    nationalGridBmUnit,
    bmUnit,
    half_hour * 1800 AS start_second,
    NULL AS acceptanceNumber,
    NULL AS acceptanceTime,
    begins,
    ends,
    levelFrom,
    levelTo
  FROM notified
  CROSS JOIN
    UNNEST(GENERATE_ARRAY(DIV(begins, 1800), DIV(ends - 1, 1800))) AS half_hour
{% for limit, stem in (("MEL", "mels"), ("MIL", "mils")) %}
  UNION ALL
  SELECT
    '{{ limit }}' AS dataset,
    nationalGridBmUnit,
    bmUnit,
    half_hour * 1800 AS start_second,
    NULL AS acceptanceNumber,
    NULL AS acceptanceTime,
    UNIX_SECONDS(timeFrom) AS begins,
    UNIX_SECONDS(timeTo) AS ends,
    levelFrom,
    levelTo
  FROM
    {{ (path ~ ".bmrs_" ~ stem ~ "_resolved_between") | name }}(from_utc, to_utc, {{ reach_days }})
  CROSS JOIN
    UNNEST(GENERATE_ARRAY(
      DIV(UNIX_SECONDS(timeFrom), 1800), DIV(UNIX_SECONDS(timeTo) - 1, 1800)
    )) AS half_hour
{% endfor %}
),

bounds AS (
  SELECT
    *,
    IF(
      place = 0,
      GREATEST(begins, start_second, UNIX_SECONDS(from_utc)),
      LEAST(ends, start_second + 1800, UNIX_SECONDS(to_utc))
    ) AS instant
  FROM segments
  CROSS JOIN UNNEST([0, 1]) AS place
),

half_hours AS (
  SELECT
    nationalGridBmUnit,
    start_second,
    MAX(bmUnit) AS bmUnit,
    COUNT(IF(place = 0, 1, NULL)) AS line_count,
    COUNT(DISTINCT instant) AS instant_count,
    ARRAY_AGG(DISTINCT instant ORDER BY instant) AS instants,
    ARRAY_AGG(
      IF(
        place = 0,
        STRUCT(
          dataset AS dataset,
          acceptanceNumber AS acceptanceNumber,
          acceptanceTime AS acceptanceTime,
          begins AS begins,
          ends AS ends,
          levelFrom AS levelFrom,
          levelTo AS levelTo
        ),
        NULL
      ) IGNORE NULLS
    ) AS lines
  FROM bounds
  GROUP BY nationalGridBmUnit, start_second
  HAVING COUNTIF(dataset IN ('PN', 'BOALF')) > 0
),

intervals AS (
  SELECT
    half_hours.* EXCEPT (instants, instant_count),
    instants[OFFSET(place)] AS instant,
    instants[OFFSET(place + 1)] AS next_instant
  FROM half_hours
  CROSS JOIN UNNEST(GENERATE_ARRAY(0, instant_count - 2)) AS place
),

covering AS (
  SELECT
    intervals.* EXCEPT (lines, line_count),
    lines[OFFSET(place)] AS line
  FROM intervals
  CROSS JOIN UNNEST(GENERATE_ARRAY(0, line_count - 1)) AS place
),

levels AS (
  SELECT
    covering.* EXCEPT (line),
    line.dataset,
    line.acceptanceNumber,
    line.acceptanceTime,
    {{ level("line", "instant") }} AS level_from,
    {{ level("line", "next_instant") }} AS level_to
  FROM covering
  WHERE line.begins <= instant AND line.ends >= next_instant
),

-- Of the acceptances the last one counts, and PN where there is none.
decided AS (
  SELECT
    nationalGridBmUnit,
    instant,
    next_instant,
    MAX(bmUnit) AS bmUnit,
    ARRAY_AGG(
      STRUCT(
        dataset AS dataset,
        acceptanceNumber AS acceptanceNumber,
        acceptanceTime AS acceptanceTime,
        level_from AS level_from,
        level_to AS level_to
      )
      ORDER BY
        dataset IN ('PN', 'BOALF') DESC, acceptanceTime DESC, acceptanceNumber DESC
      LIMIT 1
    )[OFFSET(0)] AS asked,
    MAX(IF(dataset = 'MEL', level_from, NULL)) AS most_from,
    MAX(IF(dataset = 'MEL', level_to, NULL)) AS most_to,
    MIN(IF(dataset = 'MIL', level_from, NULL)) AS least_from,
    MIN(IF(dataset = 'MIL', level_to, NULL)) AS least_to
  FROM levels
  GROUP BY nationalGridBmUnit, instant, next_instant
  HAVING COUNTIF(dataset IN ('PN', 'BOALF')) > 0
),

-- Where the level crosses a limit: a share of the interval.
crossed AS (
  SELECT
    decided.* EXCEPT (asked),
    asked.dataset,
    asked.acceptanceNumber,
    asked.acceptanceTime,
    asked.level_from,
    asked.level_to,
{% for limit in ("most", "least") %}
    IF(
      (asked.level_from - {{ limit }}_from) * (asked.level_to - {{ limit }}_to) < 0,
      (asked.level_from - {{ limit }}_from)
      / ((asked.level_from - {{ limit }}_from) - (asked.level_to - {{ limit }}_to)),
      NULL
    ) AS {{ limit }}_crossing{{ "," if not loop.last }}
{% endfor %}
  FROM decided
),

cuts AS (
  SELECT
    *,
    COALESCE(LEAST(most_crossing, least_crossing), most_crossing, least_crossing)
      AS first_cut,
    GREATEST(most_crossing, least_crossing) AS second_cut,
    IF(most_crossing IS NULL, 0, 1) + IF(least_crossing IS NULL, 0, 1) AS cut_count
  FROM crossed
),

parts AS (
  SELECT
    *,
    CASE part WHEN 0 THEN 0.0 WHEN 1 THEN first_cut ELSE second_cut END AS share_from,
    CASE part
      WHEN 0 THEN COALESCE(first_cut, 1.0)
      WHEN 1 THEN COALESCE(second_cut, 1.0)
      ELSE 1.0
    END AS share_to
  FROM cuts
  CROSS JOIN UNNEST(GENERATE_ARRAY(0, cut_count)) AS part
),

shares AS (
  SELECT
    nationalGridBmUnit,
    bmUnit,
    dataset,
    acceptanceNumber,
    acceptanceTime,
{% for end in ("from", "to") %}
    instant + (next_instant - instant) * share_{{ end }} AS second_{{ end }},
{% for line in ("level", "most", "least") %}
    {{ line }}_from + ({{ line }}_to - {{ line }}_from) * share_{{ end }}
      AS {{ line }}_{{ end }}{{ "," if not (line == "least" and end == "to") }}
{% endfor %}
{% endfor %}
  FROM parts
  WHERE share_from < share_to
),

-- An export limit below an import limit wins.
limited AS (
  SELECT
    nationalGridBmUnit,
    bmUnit,
    dataset,
    acceptanceNumber,
    acceptanceTime,
{% for end in ("from", "to") %}
    TIMESTAMP_MICROS(CAST(ROUND(second_{{ end }} * 1000000) AS INT64))
      AS time_{{ end }},
    LEAST(
      GREATEST(level_{{ end }}, COALESCE(least_{{ end }}, level_{{ end }})),
      COALESCE(most_{{ end }}, GREATEST(level_{{ end }}, COALESCE(least_{{ end }}, level_{{ end }})))
    ) AS kept_{{ end }},
{% endfor %}
    CASE
      WHEN level_from + level_to > most_from + most_to THEN 'MEL'
      WHEN least_from + least_to > most_from + most_to THEN 'MEL'
      WHEN level_from + level_to < least_from + least_to THEN 'MIL'
    END AS limitedBy
  FROM shares
),

neighbours AS (
  SELECT
    *,
    kept_from = kept_to
    AND LAG(kept_from) OVER turns = kept_from
    AND LAG(kept_to) OVER turns = kept_from
    AND LAG(time_to) OVER turns = time_from
    AND LAG(dataset) OVER turns = dataset
    AND LAG(acceptanceNumber) OVER turns IS NOT DISTINCT FROM acceptanceNumber
    AND LAG(acceptanceTime) OVER turns IS NOT DISTINCT FROM acceptanceTime
    AND LAG(limitedBy) OVER turns IS NOT DISTINCT FROM limitedBy AS goes_on
  FROM limited
  WINDOW turns AS (PARTITION BY nationalGridBmUnit ORDER BY time_from)
),

-- Flat pieces that touch and are alike are one row.
numbered AS (
  SELECT
    *,
    COUNTIF(NOT COALESCE(goes_on, FALSE)) OVER (
      PARTITION BY nationalGridBmUnit ORDER BY time_from
    ) AS piece
  FROM neighbours
),

pieces AS (
  SELECT
    nationalGridBmUnit,
    piece,
    MAX(bmUnit) AS bmUnit,
    MIN(time_from) AS timeFrom,
    MAX(time_to) AS timeTo,
    MIN(kept_from) AS levelFrom,
    MIN(kept_to) AS levelTo,
    MIN(dataset) AS dataset,
    MIN(acceptanceNumber) AS acceptanceNumber,
    MIN(acceptanceTime) AS acceptanceTime,
    MIN(limitedBy) AS limitedBy
  FROM numbered
  GROUP BY nationalGridBmUnit, piece
)

SELECT
  nationalGridBmUnit,
  bmUnit,
  timeFrom,
  timeTo,
  levelFrom,
  levelTo,
  dataset,
  acceptanceNumber,
  acceptanceTime,
  limitedBy
FROM pieces
