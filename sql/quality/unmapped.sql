-- The same message may be there twice, after a restart: its id counts it once.
SELECT
  dataset,
  COUNT(DISTINCT unmapped_id) AS messages,
  MIN(ingested_utc) AS first_utc,
  MAX(ingested_utc) AS last_utc
FROM {{ (place ~ "." ~ table) | name }}
WHERE ingested_utc >= @since AND ingested_utc <= @at
GROUP BY dataset
ORDER BY messages DESC, dataset ASC
