-- What each fuel generates, every five minutes; interconnectors are a tile of their own.
SELECT
  startTime,
  fuelType,
  generation
FROM {{ of("gb_generation_between") }}(@from_utc, @to_utc)
WHERE interconnector IS NULL
ORDER BY startTime, fuelType
