{% from "market/half_hours.sql" import half_hours_between, start_of_half_hour %}
{% from "views/macros.sql" import last_arrived %}
{# Demand by half-hour: what it was, beside two forecasts.

   path      project.dataset
   between   whether from_utc and to_utc cut it
   kinds     the kinds of demand: name, dataset of the outturn and of the forecast
#}
-- A day ahead is the last publication before the day began. It replaces those before it
-- from its first point on.
WITH {% for kind in kinds %}
{% if not loop.first %}

{% endif %}
{{ kind.name }}_day_ahead AS (
  SELECT
    settlementDate,
    settlementPeriod,
    demand,
    publishTime
  FROM {{ (path ~ ".bmrs_" ~ kind.forecast ~ "_unified") | name }}
  WHERE
    boundary = 'N'
    AND publishTime < TIMESTAMP(settlementDate, 'Europe/London')
{% if between %}
    AND {{ half_hours_between() }}
{% endif %}
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY settlementDate, settlementPeriod
      ORDER BY
        publishTime DESC,
        {{ last_arrived() | indent(4) }},
        record_id DESC NULLS LAST
    ) = 1
    AND publishTime = MAX(publishTime) OVER (
      PARTITION BY settlementDate
      ORDER BY settlementPeriod
    )
),
{% endfor %}

-- All are grouped, not joined: a half-hour may be in one of them only, and a filter on
-- settlementDate goes through to all tables.
series AS (
{% for kind in kinds %}
  SELECT
    settlementDate,
    settlementPeriod,
    '{{ kind.name }}Demand' AS series,
    demand,
    CAST(NULL AS TIMESTAMP) AS publishTime
  FROM {{ (path ~ ".bmrs_" ~ kind.outturn ~ "_latest") | name }}
{% if between %}
  WHERE
    {{ half_hours_between() }}
{% endif %}
  UNION ALL
  SELECT
    settlementDate,
    settlementPeriod,
    '{{ kind.name }}DayAhead' AS series,
    demand,
    publishTime
  FROM {{ kind.name }}_day_ahead
  UNION ALL
  SELECT
    settlementDate,
    settlementPeriod,
    '{{ kind.name }}Latest' AS series,
    demand,
    publishTime
  FROM {{ (path ~ ".bmrs_" ~ kind.forecast ~ "_latest") | name }}
  WHERE
    boundary = 'N'
{% if between %}
    AND {{ half_hours_between() }}
{% endif %}
{% if not loop.last %}
  UNION ALL
{% endif %}
{% endfor %}
),

half_hours AS (
  SELECT
    settlementDate,
    settlementPeriod,
{% for kind in kinds %}
    MAX(IF(series = '{{ kind.name }}Demand', demand, NULL)) AS {{ kind.name }}Demand,
{% for forecast in ("DayAhead", "Latest") %}
{% set name = kind.name ~ forecast %}
    MAX(IF(series = '{{ name }}', demand, NULL)) AS {{ name }}Forecast,
    MAX(IF(series = '{{ name }}', publishTime, NULL)) AS {{ name }}PublishTime,
{% endfor %}
{% endfor %}
    {{ start_of_half_hour() | indent(4) }} AS startTime
  FROM series
  GROUP BY settlementDate, settlementPeriod
)

SELECT
  settlementDate,
  settlementPeriod,
  startTime,
{% for kind in kinds %}
{% set is_last = loop.last %}
  {{ kind.name }}Demand,
{% for forecast in ("DayAhead", "Latest") %}
{% set name = kind.name ~ forecast %}
  {{ name }}Forecast,
  {{ name }}PublishTime,
  {{ name }}Forecast - {{ kind.name }}Demand AS {{ name }}Error{{ "," if not (is_last and loop.last) }}
{% endfor %}
{% endfor %}
FROM half_hours
