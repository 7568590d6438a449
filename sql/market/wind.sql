{% from "market/half_hours.sql" import half_hours_between, start_of_half_hour %}
{% from "views/macros.sql" import last_arrived %}
{# Wind by half-hour: the forecast that was known some hours before, and what it was.

   path         project.dataset
   reach_days   how old a forecast can be
#}
WITH points AS (
  SELECT
    publishTime,
    startTime,
    generation
  FROM {{ (path ~ ".bmrs_windfor_unified") | name }}
  WHERE
    publishTime >= TIMESTAMP_SUB(from_utc, INTERVAL hours_before + 24 * {{ reach_days }} HOUR)
    AND publishTime < TIMESTAMP_SUB(to_utc, INTERVAL hours_before HOUR)
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY publishTime, startTime
      ORDER BY
        {{ last_arrived() | indent(4) }},
        record_id DESC NULLS LAST
    ) = 1
),

half_hours AS (
  SELECT TIMESTAMP_SECONDS(half_hour * 1800) AS startTime
  FROM
    UNNEST(GENERATE_ARRAY(
      DIV(UNIX_SECONDS(from_utc), 1800), DIV(UNIX_SECONDS(to_utc), 1800)
    )) AS half_hour
  WHERE
    TIMESTAMP_SECONDS(half_hour * 1800) >= from_utc
    AND TIMESTAMP_SECONDS(half_hour * 1800) < to_utc
),

publications AS (
  SELECT
    publishTime,
    MIN(startTime) AS first_start
  FROM points
  GROUP BY publishTime
),

-- A publication counts from when it is old enough, for half-hours from its first point
-- on. It replaces those before it.
in_turn AS (
  SELECT
    GREATEST(
      TIMESTAMP_ADD(publishTime, INTERVAL hours_before HOUR), first_start
    ) AS counts_from,
    publishTime,
    CAST(NULL AS TIMESTAMP) AS startTime
  FROM publications
  UNION ALL
  SELECT
    startTime AS counts_from,
    NULL AS publishTime,
    startTime
  FROM half_hours
),

known AS (
  SELECT
    startTime,
    MAX(publishTime) OVER (ORDER BY counts_from) AS publishTime
  FROM in_turn
),

-- A point is for an hour.
forecasts AS (
  SELECT
    known.startTime,
    known.publishTime,
    points.generation
  FROM known
  INNER JOIN points
    ON
      known.publishTime = points.publishTime
      AND known.startTime >= points.startTime
      AND known.startTime < TIMESTAMP_ADD(points.startTime, INTERVAL 1 HOUR)
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY known.startTime
    ORDER BY points.startTime DESC
  ) = 1
),

parts AS (
  SELECT
    startTime,
    generation AS forecast,
    publishTime AS forecastPublishTime,
    CAST(NULL AS INT64) AS generation
  FROM forecasts
  UNION ALL
  SELECT
    {{ start_of_half_hour() | indent(4) }} AS startTime,
    NULL AS forecast,
    NULL AS forecastPublishTime,
    generation
  FROM {{ (path ~ ".bmrs_fuelhh_latest") | name }}
  WHERE
    fuelType = 'WIND'
    AND {{ half_hours_between() }}
),

sums AS (
  SELECT
    startTime,
    DATE(startTime, 'Europe/London') AS settlementDate,
    MAX(forecast) AS forecast,
    MAX(forecastPublishTime) AS forecastPublishTime,
    MAX(generation) AS generation
  FROM parts
  GROUP BY startTime
),

numbered AS (
  SELECT
    *,
    1 + DIV(
      TIMESTAMP_DIFF(startTime, TIMESTAMP(settlementDate, 'Europe/London'), SECOND), 1800
    ) AS settlementPeriod
  FROM sums
)

SELECT
  settlementDate,
  settlementPeriod,
  startTime,
  forecast,
  forecastPublishTime,
  generation,
  forecast - generation AS forecastError
FROM numbered
