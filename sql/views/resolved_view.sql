{% from "views/resolution.sql" import resolution, shown %}
{% from "views/resolved_changes.sql" import changes, declared_again, kept %}
{# What `refresh` has resolved, and what has changed since.

   runs, definition, sources, unified   see views/resolved_changes.sql
#}
-- A filter on nationalGridBmUnit prunes the source, which is clustered by it. One on a
-- day prunes what is resolved, not what has changed since, as a piece may span any
-- number of days; the function ..._resolved_between prunes all.
WITH {{ changes(runs, definition, sources) | trim }}

{{ declared_again(sources, unified) | trim }}

{{ resolution("declared", cut=True) }}

{{ kept() | trim }}
FROM {{ runs | name }} AS runs
LEFT JOIN touched
  ON
    runs.nationalGridBmUnit = touched.touched_unit
    AND runs.pieceFrom >= touched.from_utc
    AND runs.pieceFrom < touched.to_utc
WHERE
  runs.timeFrom = runs.pieceFrom
  AND touched.touched_unit IS NULL
  AND (SELECT mark.marks FROM mark) > 0
UNION ALL
SELECT
{{ shown() }}
FROM pieces
