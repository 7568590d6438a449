{# What has changed since `refresh`, as common table expressions.

   runs          the table of what is resolved
   definition    the mark of the definition by which it must have been resolved
   sources       the tables of declarations: `table`, `columns` as SQL, `again` as the
                 name of the rows that are read again, and whether it is `fed`
   unified       the definition of the unified view, over the rows that are read again
   between       whether from_utc, to_utc and reach_days of a function limit them
#}

{# The days of declarations that a function reads. #}
{% macro pruned(day, margin_days=1) %}
    -- A margin, as the date is Elexon's, and not computed from timeFrom.
    AND {{ day }} <= DATE_ADD(DATE(to_utc), INTERVAL 1 DAY)
    AND {{ day }} >= COALESCE(
      DATE_SUB(DATE(from_utc), INTERVAL reach_days + {{ margin_days }} DAY), DATE '0001-01-01'
    )
{%- endmacro %}

{# The day of a declaration; those without one share a day, which no function reads. #}
{% macro day_of(source) -%}
COALESCE({{ source.columns["settlementDate"] }}, DATE '9999-12-31')
{%- endmacro %}

{# A number by which rows differ: of rows that only come, the arrival; of others, all. #}
{% macro number_of(source) -%}
{% if source.fed -%}
MOD(UNIX_MICROS({{ source.columns["ingested_utc"] }}), 1000000007)
{%- else -%}
CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(TO_JSON_STRING(STRUCT(
{%- for name, expression in source.columns.items() -%}
{{ expression }} AS {{ name }}{{ ", " if not loop.last }}
{%- endfor -%}
)))), 1, 8)) AS INT64)
{%- endif %}
{%- endmacro %}

{# The days of declarations as they are now: what arrived until then, and how many since.

   until_utc   the arrival, as SQL
   reach       whether the time that the declarations span is wanted
#}
{% macro days(sources, until_utc, between=False, reach=False) %}
  SELECT
    day,
    COUNTIF(is_before) AS declarations,
    SUM(IF(is_before, number, 0)) AS checksum,
{% if reach %}
    MIN(IF(is_before AND timeFrom < timeTo, timeFrom, NULL)) AS first_utc,
    MAX(IF(is_before AND timeFrom < timeTo, timeTo, NULL)) AS last_utc,
{% endif %}
    COUNTIF(NOT is_before) AS arrivals
  FROM (
{% for source in sources %}
    SELECT
{% if reach %}
      {{ source.columns["timeFrom"] | aliased("timeFrom") }},
      {{ source.columns["timeTo"] | aliased("timeTo") }},
{% endif %}
      {{ day_of(source) }} AS day,
{% if source.fed %}
      COALESCE({{ source.columns["ingested_utc"] }} <= {{ until_utc }}, TRUE) AS is_before,
{% else %}
      TRUE AS is_before,
{% endif %}
      {{ number_of(source) | indent(2) }} AS number
    FROM {{ source.table | name }}
{% if between %}
    WHERE
      TRUE
  {{ pruned(source.columns["settlementDate"]) | indent(2) }}
{% endif %}
{% if not loop.last %}
    UNION ALL
{% endif %}
{% endfor %}
  ) AS present
  GROUP BY day
{% endmacro %}

{% macro changes(runs, definition, sources, between=False) %}
-- Up to which arrival the table has everything; without a mark nothing in it counts.
mark AS (
  SELECT
    COUNT(until_utc) AS marks,
    COALESCE(MAX(until_utc), TIMESTAMP '0001-01-01 00:00:00+00') AS until_utc
  FROM {{ runs | name }}
  WHERE settlementDate IS NULL AND definition = {{ definition | text }}
),

resolved_days AS (
  SELECT
    resolved_day AS day,
    declarations,
    checksum,
    timeFrom AS first_utc,
    timeTo AS last_utc
  FROM {{ runs | name }}
  WHERE
    settlementDate IS NULL
    AND definition = {{ definition | text }}
    AND resolved_day IS NOT NULL
{% if between %}
{{ pruned("resolved_day") }}
{% endif %}
),

present_days AS (
{{ days(sources, "(SELECT mark.until_utc FROM mark)", between) -}}
),

-- Days of which rows up to the mark were added later, or removed: all of their rows are
-- looked at again. Of the others only what has arrived since. As one array, they are
-- known to be few, and tables are not read if there are none.
changed_days AS (
  SELECT changed.*
  FROM (
    SELECT
      ARRAY_AGG(STRUCT(
        day AS day, is_other AS is_other, first_utc AS first_utc, last_utc AS last_utc
      )) AS days
    FROM (
      SELECT
        resolved_days.first_utc,
        resolved_days.last_utc,
        present_days.arrivals,
        COALESCE(present_days.day, resolved_days.day) AS day,
        COALESCE(present_days.declarations, 0) != COALESCE(resolved_days.declarations, 0)
        OR COALESCE(present_days.checksum, 0) != COALESCE(resolved_days.checksum, 0)
          AS is_other
      FROM present_days
      FULL JOIN resolved_days
        ON present_days.day = resolved_days.day
    ) AS compared
    WHERE is_other OR arrivals > 0
  ) AS listed
  CROSS JOIN UNNEST(listed.days) AS changed
),

-- The declarations that are not in the table, and what changed days had.
arrived AS (
{% for source in sources %}
  SELECT
    given.unit,
    given.timeFrom,
    given.timeTo
  FROM (
    SELECT
      {{ source.columns["nationalGridBmUnit"] }} AS unit,
      {{ source.columns["timeFrom"] | aliased("timeFrom") }},
      {{ source.columns["timeTo"] | aliased("timeTo") }},
{% if source.fed %}
      {{ source.columns["ingested_utc"] }} AS ingested_utc,
{% endif %}
      {{ day_of(source) }} AS day
    FROM {{ source.table | name }}
{% if between %}
    WHERE
      TRUE
  {{ pruned(source.columns["settlementDate"]) | indent(2) }}
{% endif %}
  ) AS given
  INNER JOIN changed_days
    ON given.day = changed_days.day
  WHERE
    changed_days.is_other
{% if source.fed %}
    OR given.ingested_utc > (SELECT mark.until_utc FROM mark)
{% endif %}
  UNION ALL
{% endfor %}
  SELECT
    runs.nationalGridBmUnit AS unit,
    changed_days.first_utc AS timeFrom,
    changed_days.last_utc AS timeTo
  FROM (
    SELECT
      nationalGridBmUnit,
      timeFrom,
      timeTo
    FROM {{ runs | name }}
    WHERE
      pieceFrom IS NOT NULL
{% if between %}
  {{ pruned("settlementDate", 2) | indent(2) }}
{% endif %}
  ) AS runs
  INNER JOIN changed_days
    ON
      runs.timeFrom <= changed_days.last_utc
      AND runs.timeTo >= changed_days.first_utc
  WHERE changed_days.is_other
),

{% if between %}
-- Units of which something between from_utc and to_utc is not in the table.
touched AS (
  SELECT touched_unit
  FROM (
    SELECT ARRAY_AGG(DISTINCT unit) AS units
    FROM arrived
    WHERE unit IS NOT NULL AND timeFrom < to_utc AND timeTo > from_utc
  ) AS listed
  CROSS JOIN UNNEST(listed.units) AS touched_unit
),
{% else %}
reached AS (
  SELECT
    unit,
    MIN(timeFrom) AS from_utc,
    MAX(timeTo) AS to_utc
  FROM arrived
  WHERE unit IS NOT NULL AND timeFrom < timeTo
  GROUP BY unit
),

-- For each unit the time in which it is resolved again: no piece lies partly in it, and
-- none that touches what arrived is outside.
touched AS (
  SELECT stretched.*
  FROM (
    SELECT
      ARRAY_AGG(STRUCT(
        unit AS touched_unit,
        LEAST(from_utc, COALESCE(first_piece_utc, from_utc)) AS from_utc,
        GREATEST(to_utc, COALESCE(last_piece_utc, to_utc)) AS to_utc
      )) AS units
    FROM (
      SELECT
        reached.unit,
        reached.from_utc,
        reached.to_utc,
        MIN(runs.pieceFrom) AS first_piece_utc,
        MAX(runs.pieceTo) AS last_piece_utc
      FROM reached
      LEFT JOIN {{ runs | name }} AS runs
        ON
          reached.unit = runs.nationalGridBmUnit
          AND reached.to_utc >= runs.pieceFrom
          AND reached.from_utc <= runs.pieceTo
      GROUP BY reached.unit, reached.from_utc, reached.to_utc
    ) AS reached_pieces
  ) AS listed
  CROSS JOIN UNNEST(listed.units) AS stretched
),
{% endif %}
{%- endmacro %}

{# The declarations of what is resolved again, each with the time in which it is. #}
{% macro declared_again(sources, unified, between=False) %}
{% for source in sources %}
{{ source.again }} AS (
  SELECT *
  FROM {{ source.table | name }}
  WHERE
    {{ source.columns["nationalGridBmUnit"] }} IN (
      SELECT touched.touched_unit FROM touched
    )
{% if between %}
{{ pruned(source.columns["settlementDate"]) }}
{% elif sources | length == 1 %}
    AND {{ source.columns["timeFrom"] }} < (SELECT MAX(touched.to_utc) FROM touched)
    AND {{ source.columns["timeTo"] }} > (SELECT MIN(touched.from_utc) FROM touched)
{% endif %}
),

{% endfor %}
unified AS (
{{ unified | trim | indent(2, True) }}
),
{% if not between %}

declared AS (
  SELECT
    unified.*,
    touched.from_utc,
    touched.to_utc
  FROM unified
  INNER JOIN touched
    ON unified.nationalGridBmUnit = touched.touched_unit
),
{% endif %}
{%- endmacro %}

{# The pieces of what is resolved: the first run of each has the whole. #}
{% macro kept() %}
SELECT
  runs.nationalGridBmUnit,
  runs.pieceBmUnit AS bmUnit,
  runs.settlementDate,
  runs.settlementPeriod,
  runs.timeFrom,
  runs.pieceTo AS timeTo,
  runs.levelFrom,
  runs.levelTo,
  runs.pieceNotificationTime AS notificationTime,
  runs.notificationSequence
{% endmacro %}
