-- How many messages of each dataset were counted, and when IRIS queued the newest.
SELECT
  dataset,
  SUM(messages) AS messages,
  MAX(newest_enqueued_utc) AS newest
FROM {{ of("iris_ledger") }}
WHERE minute_utc >= @from_utc
GROUP BY dataset
