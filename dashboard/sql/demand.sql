SELECT
  startTime,
  settlementPeriod,
  nationalDemand,
  nationalDayAheadForecast,
  nationalLatestForecast
FROM {{ of("gb_demand_between") }}(@from_utc, @to_utc)
ORDER BY startTime
