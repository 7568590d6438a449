{% from "views/resolution.sql" import resolution, shown %}
{% from "views/resolved_changes.sql" import changes, days, declared_again %}
{# Brings the table of what is resolved up to date.

   runs, definition, sources, unified   see views/resolved_changes.sql
   known     the definition by which it may have been resolved; none rebuilds it
   columns   the columns of the table
#}
-- It is one statement: what is read is of one moment, and the table has either all of it
-- or nothing. Every run replaces the mark, so that of two runs at the same time BigQuery
-- makes one after the other, or refuses the second.
MERGE {{ runs | name }} AS resolved
USING (
  WITH
  {{ changes(runs, known, sources) | indent(2) }}

  {{ declared_again(sources, unified) | indent(2) }}
  {{ resolution("declared", cut=True, runs=True) | indent(2) }},

  next_mark AS (
    SELECT
      LEAST(
        CURRENT_TIMESTAMP(),
        COALESCE(MAX(ingested_utc), TIMESTAMP '0001-01-01 00:00:00+00')
      ) AS until_utc
    FROM {{ sources[0].table | name }}
  ),

  next_days AS (
  {{ days(sources, "(SELECT next_mark.until_utc FROM next_mark)", reach=True) | indent(2) -}}
  ),

  runs AS (
    SELECT
      unit,
      piece,
      MIN(start_utc) AS start_utc,
      MAX(end_utc) AS end_utc,
      ANY_VALUE(winner) AS winner
    FROM numbered
    WHERE winner.strength IS NOT NULL
    GROUP BY unit, piece, run
  ),

  fresh AS (
    SELECT
      runs.unit,
      runs.start_utc,
      runs.end_utc,
      runs.winner.bmUnit,
      runs.winner.levelFrom,
      runs.winner.levelTo,
      runs.winner.notificationTime,
      runs.winner.notificationSequence,
      pieces.start_utc AS pieceFrom,
      pieces.end_utc AS pieceTo,
      pieces.bmUnit AS pieceBmUnit,
      pieces.notificationTime AS pieceNotificationTime
    FROM runs
    INNER JOIN pieces
      ON runs.unit = pieces.unit AND runs.piece = pieces.piece
  )

{% macro row(values) %}
  SELECT
{% for column in columns %}
    {{ values.get(column.name, "CAST(NULL AS " ~ column.type ~ ")") | aliased(column.name) }},
{% endfor %}
    {{ values.get("gone_unit", "CAST(NULL AS STRING)") | aliased("gone_unit") }},
    {{ values.get("gone_from", "CAST(NULL AS TIMESTAMP)") | aliased("gone_from") }}
{% endmacro %}
  SELECT
    {{ shown() | trim | indent(2) }},
    pieceFrom,
    pieceTo,
    pieceBmUnit,
    pieceNotificationTime,
    CAST(NULL AS STRING) AS definition,
    CAST(NULL AS TIMESTAMP) AS until_utc,
    CAST(NULL AS DATE) AS resolved_day,
    CAST(NULL AS INT64) AS declarations,
    CAST(NULL AS INT64) AS checksum,
    CAST(NULL AS STRING) AS gone_unit,
    CAST(NULL AS TIMESTAMP) AS gone_from
  FROM fresh
  -- True for all. It puts the runs of a day together, as partitions do: the local
  -- BigQuery has none, and skips parts of files by their least and greatest day.
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY DATE(start_utc, 'Europe/London') ORDER BY unit, start_utc
  ) > 0
  UNION ALL
  {{ row({"definition": definition | text, "until_utc": "until_utc"}) | trim }}
  FROM next_mark
  UNION ALL
  {{ row({
    "timeFrom": "first_utc", "timeTo": "last_utc",
    "definition": definition | text, "resolved_day": "day",
    "declarations": "declarations", "checksum": "checksum",
  }) | trim }}
  FROM next_days
  UNION ALL
  {{ row({
    "gone_unit": "gone.nationalGridBmUnit", "gone_from": "gone.timeFrom",
  }) | trim }}
  FROM {{ runs | name }} AS gone
  LEFT JOIN touched
    ON
      gone.nationalGridBmUnit = touched.touched_unit
      AND gone.pieceFrom >= touched.from_utc
      AND gone.pieceFrom < touched.to_utc
  WHERE
    gone.pieceFrom IS NOT NULL
    AND (
      touched.touched_unit IS NOT NULL
      OR (SELECT mark.marks FROM mark) = 0
    )
) AS change
  ON
    resolved.nationalGridBmUnit = change.gone_unit
    AND resolved.timeFrom = change.gone_from
WHEN MATCHED THEN DELETE
WHEN NOT MATCHED BY SOURCE AND resolved.settlementDate IS NULL THEN DELETE
WHEN NOT MATCHED BY TARGET AND change.gone_unit IS NULL
  THEN INSERT (
    {{ columns | map(attribute="name") | map("name") | join(",\n    ") }}
  )
  VALUES (
    {{ columns | map(attribute="name") | map("name") | join(",\n    ") }}
  )
