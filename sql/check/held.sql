WITH held AS (
{{ held | indent(2, first=True) }}
)

SELECT
  kind,
  dataset,
  reason,
  stage,
  state,
  COUNT(*) AS letters,
  MIN(held_utc) AS first_utc,
  MAX(held_utc) AS last_utc,
  MAX(replayed_utc) AS replayed_utc,
  MIN(error) AS sample_error
FROM held
WHERE held_utc >= @since AND held_utc <= @at
GROUP BY kind, dataset, reason, stage, state
ORDER BY letters DESC, dataset ASC, reason ASC, stage ASC, state ASC
