{% from "market/half_hours.sql" import half_hours_between, start_of_half_hour %}
{% from "market/interconnectors.sql" import of_interconnector %}
{# Generation by fuel and half-hour.

   path              project.dataset
   between           whether from_utc and to_utc cut it
   interconnectors   the cables: code, name and country
#}
-- Rows of both datasets are grouped, not joined: a filter on settlementDate goes through
-- to both tables.
WITH parts AS (
  SELECT
    settlementDate,
    settlementPeriod,
    fuelType,
    generation AS of_half_hour,
    CAST(NULL AS INT64) AS of_five_minutes
  FROM {{ (path ~ ".bmrs_fuelhh_latest") | name }}
{% if between %}
  WHERE
    {{ half_hours_between() }}
{% endif %}
  UNION ALL
  SELECT
    settlementDate,
    settlementPeriod,
    fuelType,
    NULL AS of_half_hour,
    generation AS of_five_minutes
  FROM {{ (path ~ ".bmrs_fuelinst_latest") | name }}
{% if between %}
  WHERE
    {{ half_hours_between() }}
{% endif %}
),

half_hours AS (
  SELECT
    settlementDate,
    settlementPeriod,
    fuelType,
    MAX(of_half_hour) AS of_half_hour,
    AVG(of_five_minutes) AS mean_of_five_minutes,
    COUNT(of_five_minutes) AS fiveMinuteValues
  FROM parts
  GROUP BY settlementDate, settlementPeriod, fuelType
),

named AS (
  SELECT
    settlementDate,
    settlementPeriod,
    {{ start_of_half_hour() | indent(4) }} AS startTime,
    fuelType,
    {{ of_interconnector(interconnectors) | indent(2) }},
    CAST(COALESCE(of_half_hour, mean_of_five_minutes) AS FLOAT64) AS generation,
    IF(of_half_hour IS NULL, 'FUELINST', 'FUELHH') AS dataset,
    fiveMinuteValues
  FROM half_hours
  WHERE of_half_hour IS NOT NULL OR fiveMinuteValues > 0
)

SELECT
  settlementDate,
  settlementPeriod,
  startTime,
  fuelType,
  country,
  interconnector,
  generation,
  dataset,
  fiveMinuteValues
FROM named
