{% from "market/acceptances.sql" import accepted, days, level %}
{# The volumes of accepted bids and offers, as settlement computes them.

   path      project.dataset
   between   whether from_utc and to_utc cut it
   latest    the latest rows of a dataset, in the sets that some expressions choose
#}
{# The mean of the part above 0 of a straight line from u to v. #}
{% macro above(u, v) -%}
CASE
      WHEN {{ u }} >= 0 AND {{ v }} >= 0 THEN ({{ u }} + {{ v }}) / 2
      WHEN {{ u }} <= 0 AND {{ v }} <= 0 THEN 0
      WHEN {{ u }} > 0 THEN {{ u }} * {{ u }} / ({{ u }} - {{ v }}) / 2
      ELSE {{ v }} * {{ v }} / ({{ v }} - {{ u }}) / 2
    END
{%- endmacro %}
{% macro within() -%}
of_days AS (
  SELECT *
  FROM records
  WHERE
    {{ days() }}
),

chosen AS (
  SELECT of_days.*
  FROM of_days
  INNER JOIN accepted_half_hours AS touched
    ON
      of_days.settlementDate = touched.settlementDate
      AND of_days.settlementPeriod = touched.settlementPeriod
      AND of_days.nationalGridBmUnit = touched.nationalGridBmUnit
)
{%- endmacro %}
-- Between two instants at which a segment begins or ends, every level is a straight
-- line. So a volume is a sum of areas between straight lines: it is exact.
--
{% if between %}
-- from_utc and to_utc choose the half-hours that begin from one to before the other. Of
-- PN and BOD, only half-hours of units with an acceptance are compared at all.
{% else %}
-- Each half-hour of a unit is one row with its segments, and nothing is joined: a filter
-- on settlementDate goes through to all tables.
{% endif %}
WITH {{ accepted(path, between) }}

{% if between %}
accepted_half_hours AS (
  SELECT DISTINCT
    settlementDate,
    settlementPeriod,
    nationalGridBmUnit
  FROM accepted
),

{% for name in ("PN", "BOD") %}
{{ name | lower }} AS (
  {{ latest(name, within()) | indent(2) }}
),

{% endfor %}
{% endif %}
segments AS (
  SELECT
    settlementDate,
    settlementPeriod,
    nationalGridBmUnit,
    start_second,
    bmUnit,
    acceptanceNumber,
    acceptanceTime,
    soFlag,
    rrFlag,
    CAST(NULL AS INT64) AS pairId,
    CAST(NULL AS FLOAT64) AS offer,
    CAST(NULL AS FLOAT64) AS bid,
    begins,
    ends,
    levelFrom,
    levelTo
  FROM accepted
{% for name in ("PN", "BOD") %}
  UNION ALL
  SELECT
    settlementDate,
    settlementPeriod,
    nationalGridBmUnit,
    NULL AS start_second,
    bmUnit,
    NULL AS acceptanceNumber,
    NULL AS acceptanceTime,
    NULL AS soFlag,
    NULL AS rrFlag,
{% for column in ("pairId", "offer", "bid") %}
    {{ column if name == "BOD" else "NULL AS " ~ column }},
{% endfor %}
    UNIX_SECONDS(timeFrom) AS begins,
    UNIX_SECONDS(timeTo) AS ends,
    levelFrom,
    levelTo
  FROM {{ name | lower if between else (path ~ ".bmrs_" ~ (name | lower) ~ "_latest") | name }}
{% endfor %}
),

{% if not between %}
-- Most half-hours of a unit have no acceptance.
wanted AS (
  SELECT *
  FROM segments
  WHERE TRUE
  QUALIFY
    COUNT(start_second) OVER (
      PARTITION BY settlementDate, settlementPeriod, nationalGridBmUnit
    ) > 0
),

{% endif %}
-- Where a segment begins and ends; an acceptance also with the half-hour.
bounds AS (
  SELECT
    *,
    CASE
      WHEN place = 0 THEN GREATEST(begins, COALESCE(start_second, begins))
      ELSE LEAST(ends, COALESCE(start_second + 1800, ends))
    END AS instant
  FROM {{ "segments" if between else "wanted" }}
  CROSS JOIN UNNEST([0, 1]) AS place
  WHERE begins < ends
),

half_hours AS (
  SELECT
    settlementDate,
    settlementPeriod,
    nationalGridBmUnit,
    MAX(start_second) AS start_second,
    MIN(IF(start_second IS NULL, NULL, instant)) AS first_accepted,
    MAX(IF(start_second IS NULL, NULL, instant)) AS last_accepted,
    MAX(bmUnit) AS bmUnit,
    COUNTIF(acceptanceNumber IS NULL AND pairId IS NULL) > 0 AS is_notified,
    COUNT(IF(place = 0 AND pairId IS NULL, 1, NULL)) AS level_count,
    COUNT(IF(place = 0, pairId, NULL)) AS pair_count,
    COUNTIF(pairId > 0) > 0 AS has_positive,
    COUNTIF(pairId < 0) > 0 AS has_negative,
    COUNT(DISTINCT instant) AS instant_count,
    ARRAY_AGG(DISTINCT instant ORDER BY instant) AS instants,
    ARRAY_AGG(
      IF(
        place = 0 AND pairId IS NULL,
        STRUCT(
          acceptanceNumber AS acceptanceNumber,
          acceptanceTime AS acceptanceTime,
          soFlag AS soFlag,
          rrFlag AS rrFlag,
          begins AS begins,
          ends AS ends,
          levelFrom AS levelFrom,
          levelTo AS levelTo
        ),
        NULL
      ) IGNORE NULLS
    ) AS levels,
    ARRAY_AGG(
      IF(
        place = 0 AND pairId IS NOT NULL,
        STRUCT(
          pairId AS pairId,
          offer AS offer,
          bid AS bid,
          begins AS begins,
          ends AS ends,
          levelFrom AS levelFrom,
          levelTo AS levelTo
        ),
        NULL
      ) IGNORE NULLS
    ) AS pairs
  FROM bounds
  GROUP BY settlementDate, settlementPeriod, nationalGridBmUnit
),

intervals AS (
  SELECT
    half_hours.* EXCEPT (instants, instant_count),
    instants[OFFSET(place)] AS instant,
    instants[OFFSET(place + 1)] AS next_instant
  FROM half_hours
  CROSS JOIN UNNEST(GENERATE_ARRAY(0, instant_count - 2)) AS place
),

lines AS (
  SELECT
    intervals.* EXCEPT (levels, level_count, first_accepted, last_accepted),
    levels[OFFSET(place)] AS line
  FROM intervals
  CROSS JOIN UNNEST(GENERATE_ARRAY(0, level_count - 1)) AS place
  WHERE instant >= first_accepted AND next_instant <= last_accepted
),

-- The notified level and those of the acceptances, one after the other. Where an
-- acceptance says nothing, the one before it goes on.
in_turn AS (
  SELECT
    lines.* EXCEPT (line),
    line.acceptanceNumber,
    line.acceptanceTime,
    line.soFlag,
    line.rrFlag,
    {{ level("line", "instant") }} AS level_from,
    {{ level("line", "next_instant") }} AS level_to
  FROM lines
  WHERE line.begins <= instant AND line.ends >= next_instant
),

-- Levels relative to the notified one.
changes AS (
  SELECT
    *,
    ROW_NUMBER() OVER turns AS turn,
    FIRST_VALUE(acceptanceNumber) OVER turns IS NULL AS is_notified_now,
    level_from - FIRST_VALUE(level_from) OVER turns AS after_from,
    level_to - FIRST_VALUE(level_to) OVER turns AS after_to,
    LAG(level_from) OVER turns - FIRST_VALUE(level_from) OVER turns AS before_from,
    LAG(level_to) OVER turns - FIRST_VALUE(level_to) OVER turns AS before_to
  FROM in_turn
  WINDOW turns AS (
    PARTITION BY settlementDate, nationalGridBmUnit, instant
    ORDER BY acceptanceTime ASC NULLS FIRST, acceptanceNumber ASC NULLS FIRST
  )
),

moved AS (
  SELECT
    * EXCEPT (level_from, level_to),
    after_from - before_from AS moved_from,
    after_to - before_to AS moved_to
  FROM changes
  WHERE acceptanceNumber IS NOT NULL AND NOT rrFlag
),

-- Where the new level crosses the old one: a share of the interval.
crossings AS (
  SELECT
    *,
    IF(
      moved_from * moved_to < 0, moved_from / (moved_from - moved_to), NULL
    ) AS crossing,
    IF(moved_from * moved_to < 0, 2, 1) AS part_count
  FROM moved
  WHERE
    NOT is_notified
    OR pair_count = 0
    OR (is_notified_now AND (moved_from != 0 OR moved_to != 0))
),

-- Before it there is a bid and behind it an offer, or the other way round.
parts AS (
  SELECT
    crossings.* EXCEPT (crossing),
    part,
    IF(part = 0, 0.0, crossing) AS share_from,
    IF(part = 0, COALESCE(crossing, 1.0), 1.0) AS share_to
  FROM crossings
  CROSS JOIN UNNEST(GENERATE_ARRAY(0, part_count - 1)) AS part
),

moves AS (
  SELECT
    * EXCEPT (after_from, after_to, before_from, before_to),
    after_from + (after_to - after_from) * share_from AS after_from,
    after_from + (after_to - after_from) * share_to AS after_to,
    before_from + (before_to - before_from) * share_from AS before_from,
    before_from + (before_to - before_from) * share_to AS before_to,
    has_negative AND (
      NOT has_positive OR LEAST(after_from, after_to, before_from, before_to) < 0
    ) AS is_below,
    has_positive AND (
      NOT has_negative OR GREATEST(after_from, after_to, before_from, before_to) > 0
    ) AS is_above
  FROM parts
),

-- What cannot be computed is listed, too: with a pair that is NULL.
offered AS (
  SELECT
    moves.* EXCEPT (pairs, pair_count),
    IF(is_notified AND pair_count > 0, pairs[OFFSET(place)], NULL) AS pair
  FROM moves
  CROSS JOIN UNNEST(
    GENERATE_ARRAY(0, IF(is_notified, GREATEST(pair_count - 1, 0), 0))
  ) AS place
),

-- Most levels move on one side of the notified one, and not in the pairs of the other.
sizes AS (
  SELECT
    offered.* EXCEPT (pair, is_below, is_above),
    pair.pairId,
    pair.offer,
    pair.bid,
    {{ level("pair", "(instant + (next_instant - instant) * share_from)") }} AS size_from,
    {{ level("pair", "(instant + (next_instant - instant) * share_to)") }} AS size_to
  FROM offered
  WHERE
    pair.pairId IS NULL
    OR (
      pair.begins <= instant
      AND pair.ends >= next_instant
      AND IF(pair.pairId < 0, is_below, is_above)
    )
),

-- Pairs lie one on the other, above and below the notified level.
stacked AS (
  SELECT
    *,
    SUM(size_from) OVER stack AS far_from,
    SUM(size_to) OVER stack AS far_to,
    LAG(pairId) OVER stack IS NULL AS is_first,
    LEAD(pairId) OVER stack IS NULL AS is_last
  FROM sizes
  WINDOW stack AS (
    PARTITION BY
      settlementDate, nationalGridBmUnit, instant, turn, part, pairId > 0
    ORDER BY ABS(pairId)
  )
),

-- How far the new and the old level are above the lower and the upper end of the pair.
distances AS (
  SELECT
    * EXCEPT (size_from, size_to, far_from, far_to),
    after_from - far_from + IF(pairId > 0, size_from, 0) AS after_low_from,
    after_to - far_to + IF(pairId > 0, size_to, 0) AS after_low_to,
    before_from - far_from + IF(pairId > 0, size_from, 0) AS before_low_from,
    before_to - far_to + IF(pairId > 0, size_to, 0) AS before_low_to,
    after_from - far_from + IF(pairId > 0, 0, size_from) AS after_high_from,
    after_to - far_to + IF(pairId > 0, 0, size_to) AS after_high_to,
    before_from - far_from + IF(pairId > 0, 0, size_from) AS before_high_from,
    before_to - far_to + IF(pairId > 0, 0, size_to) AS before_high_to,
    IF(pairId > 0, is_last, is_first AND NOT has_positive) AS is_top,
    IF(pairId < 0, is_last, is_first AND NOT has_negative) AS is_bottom,
    (next_instant - instant) * (share_to - share_from) / 3600 AS hours
  FROM stacked
),

means AS (
  SELECT
    *,
    {{ above("after_low_from", "after_low_to") }} AS after_low,
    {{ above("before_low_from", "before_low_to") }} AS before_low,
    {{ above("after_high_from", "after_high_to") }} AS after_high,
    {{ above("before_high_from", "before_high_to") }} AS before_high,
    (after_from + after_to - before_from - before_to) / 2 AS moved
  FROM distances
),

-- Beyond the last pair, its price goes on.
volumes AS (
  SELECT
    *,
    hours * (after_low - before_low - after_high + before_high) AS inside,
    hours * (
      IF(is_top, after_high - before_high, 0)
      + IF(is_bottom, moved - after_low + before_low, 0)
    ) AS beyond
  FROM means
),

sums AS (
  SELECT
    settlementDate,
    settlementPeriod,
    start_second,
    nationalGridBmUnit,
    acceptanceNumber,
    acceptanceTime,
    pairId,
    is_notified,
    MAX(bmUnit) AS bmUnit,
    MAX(soFlag) AS soFlag,
    SUM(GREATEST(inside + beyond, 0)) AS offerVolume,
    SUM(LEAST(inside + beyond, 0)) AS bidVolume,
    MAX(offer) AS offerPrice,
    MAX(bid) AS bidPrice,
    SUM(IF(inside + beyond > 0, (inside + beyond) * offer, 0)) AS offered,
    SUM(IF(inside + beyond < 0, (inside + beyond) * bid, 0)) AS bidden,
    SUM(ABS(beyond)) AS beyondRange
  FROM volumes
  WHERE pairId IS NULL OR inside != 0 OR beyond != 0
  GROUP BY
    settlementDate, settlementPeriod, start_second, nationalGridBmUnit,
    acceptanceNumber, acceptanceTime, pairId, is_notified
)

SELECT
  settlementDate,
  settlementPeriod,
  TIMESTAMP_SECONDS(start_second) AS startTime,
  nationalGridBmUnit,
  bmUnit,
  acceptanceNumber,
  acceptanceTime,
  soFlag,
  pairId,
  offerVolume,
  bidVolume,
  offerPrice,
  bidPrice,
  offered + bidden AS cashflow,
  beyondRange,
  IF(pairId IS NULL, IF(is_notified, 'NO_BOD', 'NO_PN'), NULL) AS reason
FROM sums
-- Less than 1 Wh is what rounding leaves.
WHERE pairId IS NULL OR offerVolume > 0.000001 OR bidVolume < -0.000001
