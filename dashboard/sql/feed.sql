-- What the ledger counted of each dataset, in the last hour and the last day.
SELECT
  dataset,
  MAX(newest_enqueued_utc) AS newest,
  SUM(IF(minute_utc >= @hour_utc, messages, 0)) AS messages_hour,
  SUM(IF(minute_utc >= @hour_utc, `rows`, 0)) AS rows_hour,
  SUM(IF(minute_utc >= @day_utc, records, 0)) AS records_day,
  SUM(IF(minute_utc >= @day_utc, `rows`, 0)) AS rows_day,
  SUM(IF(minute_utc >= @day_utc, duplicates, 0)) AS duplicates_day,
  SUM(IF(minute_utc >= @day_utc, dead_letters, 0)) AS dead_letters_day,
  SUM(IF(minute_utc >= @day_utc, unmapped, 0)) AS unmapped_day
FROM {{ of("iris_ledger") }}
WHERE minute_utc >= @from_utc
GROUP BY dataset
ORDER BY dataset
