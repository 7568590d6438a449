-- What became of the records of each dataset, and the least and the most that had no
-- outcome yet at any recent time.
WITH minutes AS (
  SELECT
    dataset,
    minute_utc,
    SUM(records) AS records,
    SUM(`rows`) AS `rows`,
    SUM(duplicates) AS duplicates,
    SUM(dead_letters) AS dead_letters,
    SUM(unmapped) AS unmapped
  FROM {{ (path ~ "." ~ table) | name }}
  WHERE minute_utc <= @at
  GROUP BY dataset, minute_utc
),

running AS (
  SELECT
    *,
    SUM(records - `rows` - duplicates - dead_letters - unmapped) OVER past AS in_flight,
    LEAD(minute_utc) OVER past AS until_utc
  FROM minutes
  WINDOW past AS (PARTITION BY dataset ORDER BY minute_utc)
)

SELECT
  dataset,
  SUM(records) AS records,
  SUM(`rows`) AS `rows`,
  SUM(duplicates) AS duplicates,
  SUM(dead_letters) AS dead_letters,
  SUM(unmapped) AS unmapped,
  MIN(minute_utc) AS first_utc,
  MIN(IF(until_utc IS NULL OR until_utc > @recent, in_flight, NULL)) AS least,
  MAX(IF(until_utc IS NULL OR until_utc > @recent, in_flight, NULL)) AS most
FROM running
GROUP BY dataset
ORDER BY dataset
