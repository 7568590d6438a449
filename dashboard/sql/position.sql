-- The levels of a unit in a day: notified, as accepted, and its limits.
SELECT
  'notified' AS line,
  timeFrom,
  timeTo,
  levelFrom,
  levelTo,
  CAST(NULL AS INT64) AS acceptanceNumber
FROM {{ of("bmrs_pn_latest") }}
WHERE
  settlementDate = @day
  AND @unit IN (nationalGridBmUnit, bmUnit)
UNION ALL
SELECT
  'accepted' AS line,
  timeFrom,
  timeTo,
  levelFrom,
  levelTo,
  acceptanceNumber
FROM {{ of("gb_unit_position") }}(@from_utc, @to_utc)
WHERE @unit IN (nationalGridBmUnit, bmUnit)
UNION ALL
SELECT
  'export limit' AS line,
  timeFrom,
  timeTo,
  levelFrom,
  levelTo,
  NULL AS acceptanceNumber
FROM {{ of("bmrs_mels_resolved_between") }}(@from_utc, @to_utc, 7)
WHERE @unit IN (nationalGridBmUnit, bmUnit)
UNION ALL
SELECT
  'import limit' AS line,
  timeFrom,
  timeTo,
  levelFrom,
  levelTo,
  NULL AS acceptanceNumber
FROM {{ of("bmrs_mils_resolved_between") }}(@from_utc, @to_utc, 7)
WHERE @unit IN (nationalGridBmUnit, bmUnit)
ORDER BY line, timeFrom
