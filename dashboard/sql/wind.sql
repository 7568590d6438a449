SELECT
  startTime,
  settlementPeriod,
  generation,
  forecast,
  forecastError
FROM {{ of("gb_wind") }}(@from_utc, @to_utc, @hours_before)
ORDER BY startTime
