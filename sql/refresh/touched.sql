{% from "views/resolved_changes.sql" import changes %}
{# What has changed since the last run: how many units, and in which time.

   runs, known, sources, unified   see views/resolved_changes.sql
#}
WITH
{{ changes(runs, known, sources) | trim | trim(",") }}

SELECT
  COUNT(*) AS units,
  MIN(from_utc) AS from_utc,
  MAX(to_utc) AS to_utc
FROM touched
