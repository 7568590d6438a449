-- When the pipeline counted its first message: the feed began.
SELECT MIN(minute_utc) AS begun_utc
FROM {{ (path ~ "." ~ table) | name }}
