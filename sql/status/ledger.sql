-- What the ledger counted since a time, and when it counted last.
SELECT
  COALESCE(SUM(IF(minute_utc >= @from_time, messages, 0)), 0) AS messages,
  COALESCE(SUM(IF(minute_utc >= @from_time, records, 0)), 0) AS records,
  COALESCE(SUM(IF(minute_utc >= @from_time, `rows`, 0)), 0) AS row_count,
  COALESCE(SUM(IF(minute_utc >= @from_time, duplicates, 0)), 0) AS duplicates,
  COALESCE(SUM(IF(minute_utc >= @from_time, dead_letters, 0)), 0) AS dead_letters,
  COALESCE(SUM(IF(minute_utc >= @from_time, unmapped, 0)), 0) AS unmapped,
  MAX(minute_utc) AS last_utc
FROM {{ (path ~ "." ~ table) | name }}
WHERE minute_utc >= @since
