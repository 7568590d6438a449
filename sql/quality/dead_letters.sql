-- The same letter may be there twice, after a restart: its id counts it once.
SELECT
  dataset,
  reason,
  stage,
  replayed_utc IS NOT NULL AS is_replayed,
  COUNT(DISTINCT dead_letter_id) AS letters,
  MIN(failed_utc) AS first_utc,
  MAX(failed_utc) AS last_utc,
  MIN(error) AS sample_error
FROM {{ (place ~ "." ~ table) | name }}
WHERE failed_utc >= @since AND failed_utc <= @at
GROUP BY dataset, reason, stage, is_replayed
ORDER BY is_replayed ASC, letters DESC, dataset ASC, reason ASC, stage ASC
