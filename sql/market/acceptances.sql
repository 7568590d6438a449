{% from "views/macros.sql" import arrived_utc %}
{# The acceptances that are in force, for queries that read single days. #}
{# The value of a straight line at a second. #}
{% macro level(line, second) -%}
{{ line }}.levelFrom
    + ({{ line }}.levelTo - {{ line }}.levelFrom)
    * ({{ second }} - {{ line }}.begins) / ({{ line }}.ends - {{ line }}.begins)
{%- endmacro %}
{# A condition for the days of from_utc to before to_utc, and `margin` more. #}
{% macro days(margin=0) -%}
{% set first = "DATE(from_utc, 'Europe/London')" %}
{% set last = "DATE(TIMESTAMP_SUB(to_utc, INTERVAL 1 MICROSECOND), 'Europe/London')" %}
{% if margin %}
settlementDate >= DATE_SUB({{ first }}, INTERVAL {{ margin }} DAY)
    AND settlementDate <= DATE_ADD(
      {{ last }},
      INTERVAL {{ margin }} DAY
    )
{%- else %}
settlementDate >= {{ first }}
    AND settlementDate <= {{ last }}
{%- endif %}
{%- endmacro %}
{# Common table expressions, of which `accepted` has the segments in each half-hour that
   they touch: its start_second, settlementDate and settlementPeriod.

   between   whether the half-hours that begin from from_utc to before to_utc are chosen
   begun     whether also the one that has begun before from_utc
#}
{% macro accepted(path, between, begun=False) -%}
-- An acceptance may cross midnight, and an amendment may take it to the other side. So
-- a day needs the acceptances of the day before and of the day after, too.
near_days AS (
{% for shift in ((0,) if between else (0, 1, -1)) %}
  SELECT
{% if shift %}
    DATE_ADD(settlementDate, INTERVAL {{ shift }} DAY) AS settlementDate,
{% else %}
    settlementDate,
{% endif %}
    nationalGridBmUnit,
    bmUnit,
    acceptanceNumber,
    acceptanceTime,
    UPPER(amendmentFlag) AS amendmentFlag,
    soFlag,
    COALESCE(rrFlag, FALSE) AS rrFlag,
    timeFrom,
    timeTo,
    levelFrom,
    levelTo,
    IF(
      source IN ('INSIGHTS_API', 'HISTORIC'),
      NULL,
      COALESCE(message_id, CAST(ingested_utc AS STRING), '')
    ) AS publication,
    {{ arrived_utc() }} AS arrived_utc
  FROM {{ (path ~ ".bmrs_boalf_latest") | name }}
{% if between %}
  WHERE
    {{ days(margin=1) }}
{% endif %}
{% if not loop.last %}
  UNION ALL
{% endif %}
{% endfor %}
),

-- The latest view has the last message of each day. If a later amendment leaves a day
-- out, no message of that day says so.
amended AS (
  SELECT
    *,
    COUNTIF(amendmentFlag IN ('UPD', 'DEL') AND publication IS NOT NULL)
      OVER by_arrival AS amendments_since,
    COUNTIF(amendmentFlag IN ('UPD', 'DEL') AND publication IS NOT NULL)
      OVER of_message AS amendments_of_message
  FROM near_days
  WINDOW
    by_arrival AS (
      PARTITION BY
{% if not between %}
        settlementDate,
{% endif %}
        nationalGridBmUnit, acceptanceNumber, acceptanceTime
      ORDER BY
        arrived_utc DESC NULLS LAST,
        LENGTH(publication) DESC NULLS LAST,
        publication DESC NULLS LAST
    ),
    of_message AS (
      PARTITION BY
{% if not between %}
        settlementDate,
{% endif %}
        nationalGridBmUnit, acceptanceNumber, acceptanceTime,
        arrived_utc, publication
    )
),

in_force AS (
  SELECT *
  FROM amended
  WHERE
    amendments_since = amendments_of_message
    AND COALESCE(amendmentFlag, '') != 'DEL'
    AND timeFrom < timeTo
),

in_half_hours AS (
  SELECT
    in_force.*,
    half_hour,
    DATE(TIMESTAMP_SECONDS(half_hour * 1800), 'Europe/London') AS day
  FROM in_force
  CROSS JOIN
    UNNEST(GENERATE_ARRAY(
      DIV(UNIX_SECONDS(timeFrom), 1800), DIV(UNIX_SECONDS(timeTo) - 1, 1800)
    )) AS half_hour
{% if between %}
  WHERE
{% if begun %}
    TIMESTAMP_SECONDS((half_hour + 1) * 1800) > from_utc
{% else %}
    TIMESTAMP_SECONDS(half_hour * 1800) >= from_utc
{% endif %}
    AND TIMESTAMP_SECONDS(half_hour * 1800) < to_utc
{% endif %}
),

accepted AS (
  SELECT
    {{ "day AS settlementDate" if between else "settlementDate" }},
    1 + half_hour - DIV(UNIX_SECONDS(TIMESTAMP(day, 'Europe/London')), 1800)
      AS settlementPeriod,
    nationalGridBmUnit,
    bmUnit,
    acceptanceNumber,
    acceptanceTime,
    soFlag,
    rrFlag,
    half_hour * 1800 AS start_second,
    UNIX_SECONDS(timeFrom) AS begins,
    UNIX_SECONDS(timeTo) AS ends,
    levelFrom,
    levelTo
  FROM in_half_hours
{% if not between %}
  WHERE settlementDate = day
{% endif %}
),
{%- endmacro %}
