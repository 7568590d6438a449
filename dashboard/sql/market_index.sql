-- The index of a half-hour, its providers weighted by their volumes, as in gb_price.
SELECT
  startTime,
  ANY_VALUE(settlementPeriod) AS settlementPeriod,
  SAFE_DIVIDE(SUM(price * volume), SUM(volume)) AS marketIndexPrice,
  SUM(volume) AS marketIndexVolume
FROM {{ of("bmrs_mid_latest") }}
WHERE
  settlementDate >= DATE(@from_utc, 'Europe/London')
  AND settlementDate <= DATE(@to_utc, 'Europe/London')
  AND startTime >= @from_utc
  AND startTime < @to_utc
GROUP BY startTime
HAVING SUM(volume) > 0
ORDER BY startTime
