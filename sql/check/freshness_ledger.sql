-- When IRIS queued the newest message whose rows the ledger has counted.
SELECT
  dataset,
  MAX(newest_enqueued_utc) AS newest_utc
FROM {{ (path ~ "." ~ table) | name }}
WHERE
  minute_utc >= @from_time
  AND minute_utc <= @at
  AND newest_enqueued_utc <= @at
GROUP BY dataset
