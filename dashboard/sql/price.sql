SELECT
  startTime,
  settlementPeriod,
  systemPrice,
  netImbalanceVolume,
  runs
FROM {{ of("gb_price_between") }}(@from_utc, @to_utc)
WHERE runs > 0
ORDER BY startTime
