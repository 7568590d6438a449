-- The flow of each country by half-hour, the mean of its interconnectors' sum.
SELECT
  startTime,
  country,
  SUM(generation) AS flow
FROM {{ of("gb_generation_half_hours_between") }}(@from_utc, @to_utc)
WHERE country IS NOT NULL
GROUP BY startTime, country
ORDER BY startTime, country
