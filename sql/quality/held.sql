WITH held AS (
{{ held | indent(2, first=True) }}
)

SELECT
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
WHERE kind = @kind AND held_utc >= @since AND held_utc <= @at
GROUP BY dataset, reason, stage, state
ORDER BY letters DESC, dataset ASC, reason ASC, stage ASC, state ASC
