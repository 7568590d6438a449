{% from "views/resolution.sql" import of_piece, resolution, shown %}
{% from "views/resolved_changes.sql" import changes, declared_again, kept, pruned %}
{# The same from from_utc to to_utc.

   runs, definition, sources, unified   see views/resolved_changes.sql
#}
-- from_utc and to_utc cut the declarations, and so the pieces, before anything else is
-- done. reach_days prunes what is read by settlementDate: a declaration that started more
-- than this many days before from_utc may be missed. With NULL none is missed, and only
-- the days after to_utc are pruned.
WITH {{ changes(runs, definition, sources, True) | trim }}

{{ declared_again(sources, unified, True) | trim }}

{{ resolution("unified", cut=True) }},

-- What is resolved and lies between them only in part: a part of a piece may have
-- another notificationTime.
kept_in_part AS (
  SELECT
    runs.nationalGridBmUnit AS unit,
    MIN(runs.start_utc) AS start_utc,
    MAX(runs.end_utc) AS end_utc,
{{ of_piece("runs.") }}
  FROM (
    SELECT
      *,
      GREATEST(timeFrom, from_utc) AS start_utc,
      LEAST(timeTo, to_utc) AS end_utc
    FROM {{ runs | name }}
    WHERE
      pieceFrom IS NOT NULL
      AND timeFrom < to_utc
      AND timeTo > from_utc
      AND from_utc < to_utc
      AND (pieceFrom < from_utc OR pieceTo > to_utc)
      AND (SELECT mark.marks FROM mark) > 0
  {{ pruned("settlementDate", 2) | indent(2) }}
  ) AS runs
  LEFT JOIN touched
    ON runs.nationalGridBmUnit = touched.touched_unit
  WHERE touched.touched_unit IS NULL
  GROUP BY runs.nationalGridBmUnit, runs.pieceFrom
)

{{ kept() | trim }}
FROM (
  SELECT *
  FROM {{ runs | name }}
  WHERE
    timeFrom = pieceFrom
    AND pieceFrom >= from_utc
    AND pieceTo <= to_utc
    AND (SELECT mark.marks FROM mark) > 0
{{ pruned("settlementDate", 2) }}
) AS runs
LEFT JOIN touched
  ON runs.nationalGridBmUnit = touched.touched_unit
WHERE touched.touched_unit IS NULL
UNION ALL
SELECT
{{ shown() }}
FROM (
  SELECT * FROM kept_in_part
  UNION ALL
  SELECT * FROM pieces
) AS cut
