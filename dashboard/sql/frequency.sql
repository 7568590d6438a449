SELECT
  measurementTime,
  frequency
FROM {{ of("bmrs_freq_latest") }}
WHERE measurementTime >= @from_utc AND measurementTime < @to_utc
ORDER BY measurementTime
