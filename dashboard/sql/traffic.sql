-- Messages, rows and delays by the minute in which Pub/Sub received them. Entries of a
-- minute are additive, and come up to minutes after it.
SELECT
  COALESCE(window_start, minute_utc) AS minute,
  SUM(messages) AS messages,
  SUM(`rows`) AS `rows`,
  SUM(to_pubsub_seconds_sum) / NULLIF(SUM(to_pubsub_count), 0) AS to_pubsub,
  SUM(to_row_seconds_sum) / NULLIF(SUM(to_row_count), 0) AS to_row,
  MAX(to_row_seconds_max) AS to_row_max
FROM {{ of("iris_ledger") }}
WHERE
  minute_utc >= @from_utc
  AND COALESCE(window_start, minute_utc) >= @from_utc
  AND COALESCE(window_start, minute_utc) < @to_utc
GROUP BY minute
ORDER BY minute
