{# The rule by which declarations become the position in force. It is written once: the
   view, the function and `refresh` are made from it. #}

{# What the rows of one piece have in common.

   row   the prefix of the columns of its parts
#}
{% macro of_piece(row="") %}
    MIN({{ row }}levelFrom) AS levelFrom,
    MIN({{ row }}levelTo) AS levelTo,
    MAX({{ row }}bmUnit) AS bmUnit,
    MAX({{ row }}notificationTime) AS notificationTime,
    MIN({{ row }}notificationSequence) AS notificationSequence
{%- endmacro %}

{# A row as users see it, from start_utc on. #}
{% macro shown() %}
  unit AS nationalGridBmUnit,
  bmUnit,
  DATE(start_utc, 'Europe/London') AS settlementDate,
  -- From local midnight on, so that a day has 46, 48 or 50.
  1 + DIV(
    TIMESTAMP_DIFF(
      start_utc,
      TIMESTAMP(DATE(start_utc, 'Europe/London'), 'Europe/London'),
      MINUTE
    ),
    30
  ) AS settlementPeriod,
  start_utc AS timeFrom,
  end_utc AS timeTo,
  levelFrom,
  levelTo,
  notificationTime,
  notificationSequence
{%- endmacro %}

{# From declarations to pieces, as common table expressions.

   source   a relation of declarations, as SQL; if they are cut, each with from_utc and
            to_utc
   cut      whether declarations are cut to from_utc and to_utc
   pruned   a further condition
   runs     whether the runs of each piece are wanted: one for each declaration in it
#}
{% macro resolution(source, cut=False, pruned="", runs=False) %}
{% set block_size = 128 %}
-- The position in force: for each unit and instant, the strongest declaration.
--
-- Stronger is the higher notificationSequence (null is lowest); among equal ones, the
-- later notificationTime; among equal ones again, which contradict each other, the one
-- that arrived later. Intervals are half open. A declaration is cut where a stronger one
-- covers it, and its levels are copied, never interpolated. Pieces that touch are one
-- row if they are of one declaration, or flat and equal in levels and sequence: two
-- slopes in one row would be another profile. A declaration that does not end after
-- its start, or lacks a time or a unit, covers nothing.
-- The rules: elexon-data/insights-docs, docs/mil_mel_resolution.md.
--
-- All instants at which a declaration of a unit starts or ends are numbered: these are
-- its places. A declaration is spread over the places from its start to before its end,
-- and at each place the strongest wins. Nothing is joined, and the source is read once.
-- A declaration that no other overlaps is one row. One that spans many places takes
-- {{ block_size }} of them at a time, as a block: where its unit has n places, it is at most
-- n / {{ block_size }} + {{ 2 * block_size }} rows, however many years it lasts.
declarations AS (
  SELECT
    nationalGridBmUnit AS unit,
{% if cut %}
    GREATEST(timeFrom, from_utc) AS start_utc,
    LEAST(timeTo, to_utc) AS end_utc,
{% else %}
    timeFrom AS start_utc,
    timeTo AS end_utc,
{% endif %}
    bmUnit,
    levelFrom,
    levelTo,
    notificationTime,
    notificationSequence,
    -- By every column, so that the same rows always have the same result.
    ROW_NUMBER() OVER (
      PARTITION BY nationalGridBmUnit
      ORDER BY
        notificationSequence ASC NULLS FIRST,
        notificationTime ASC NULLS FIRST,
        ingested_utc ASC NULLS FIRST,
        timeFrom ASC, timeTo ASC, levelFrom ASC, levelTo ASC, bmUnit ASC
    ) AS strength
  FROM {{ source }}
  WHERE
    timeFrom < timeTo
    AND nationalGridBmUnit IS NOT NULL
{% if cut %}
    AND from_utc < to_utc
    AND timeFrom < to_utc
    AND timeTo > from_utc
{% endif %}
{{ pruned }}
),

boundaries AS (
  SELECT
    declarations.*,
    DENSE_RANK() OVER (PARTITION BY unit ORDER BY instant) AS place
  FROM declarations
  CROSS JOIN UNNEST([start_utc, end_utc]) AS instant
),

spans AS (
  SELECT
    unit,
    strength,
    MIN(place) AS first_place,
    MAX(place) AS last_place,
    -- The blocks that lie in it as a whole: from the first to before the last.
    DIV(MIN(place) + {{ block_size - 1 }}, {{ block_size }}) AS first_block,
    DIV(MAX(place), {{ block_size }}) AS last_block,
    MIN(start_utc) AS start_utc,
    MAX(end_utc) AS end_utc,
    ANY_VALUE(STRUCT(
      strength AS strength,
      bmUnit AS bmUnit,
      levelFrom AS levelFrom,
      levelTo AS levelTo,
      notificationTime AS notificationTime,
      notificationSequence AS notificationSequence
    )) AS declared
  FROM boundaries
  GROUP BY unit, strength
),

-- One row for each place, and one for each whole block, whose place is its negative
-- number. The last place of a declaration is there only for its instant.
places AS (
  SELECT
    unit,
    place,
    IF(place < 0, -place, DIV(place, {{ block_size }})) AS block,
    MIN(
      CASE place WHEN first_place THEN start_utc WHEN last_place THEN end_utc END
    ) AS instant,
    ANY_VALUE(
      IF(place < last_place, declared, NULL)
      HAVING MAX IF(place < last_place, strength, NULL)
    ) AS declared
  FROM spans
  CROSS JOIN
    UNNEST(
      IF(
        first_block < last_block,
        ARRAY_CONCAT(
          GENERATE_ARRAY(first_place, first_block * {{ block_size }}),
          GENERATE_ARRAY(1 - last_block, -first_block),
          GENERATE_ARRAY(last_block * {{ block_size }}, last_place)
        ),
        GENERATE_ARRAY(first_place, last_place)
      )
    ) AS place
  GROUP BY unit, place, block
),

blocks AS (
  SELECT
    unit,
    place,
    instant,
    declared,
    FIRST_VALUE(IF(place < 0, declared, NULL)) OVER (
      PARTITION BY unit, block ORDER BY place
    ) AS declared_for_block
  FROM places
),

winners AS (
  SELECT
    unit,
    place,
    instant,
    IF(
      COALESCE(declared_for_block.strength, 0) > COALESCE(declared.strength, 0),
      declared_for_block,
      declared
    ) AS winner
  FROM blocks
  WHERE place > 0
),

neighbours AS (
  SELECT
    unit,
    place,
    winner,
    instant AS start_utc,
    LEAD(instant) OVER (PARTITION BY unit ORDER BY place) AS end_utc,
    LAG(winner) OVER (PARTITION BY unit ORDER BY place) AS previous
  FROM winners
),

numbered AS (
  SELECT
    unit,
    winner,
    start_utc,
    end_utc,
{% if runs %}
    COUNTIF(winner.strength IS DISTINCT FROM previous.strength) OVER (
      PARTITION BY unit ORDER BY place
    ) AS run,
{% endif %}
    COUNTIF(
      NOT COALESCE(
        winner.strength = previous.strength
        OR (
          winner.levelFrom = winner.levelTo
          AND winner.levelFrom = previous.levelFrom
          AND winner.levelTo = previous.levelTo
          AND winner.notificationSequence
          IS NOT DISTINCT FROM previous.notificationSequence
        ),
        FALSE
      )
    ) OVER (PARTITION BY unit ORDER BY place) AS piece
  FROM neighbours
),

pieces AS (
  SELECT
    unit,
{% if runs %}
    piece,
{% endif %}
    MIN(start_utc) AS start_utc,
    MAX(end_utc) AS end_utc,
{{ of_piece("winner.") }}
  FROM numbered
  WHERE winner.strength IS NOT NULL
  GROUP BY unit, piece
)
{%- endmacro %}
