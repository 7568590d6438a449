-- The acceptances of the last hours, each with the volume and cashflow of all its
-- half-hours so far.
SELECT
  COALESCE(nationalGridBmUnit, bmUnit) AS unit,
  acceptanceNumber,
  acceptanceTime,
  MIN(startTime) AS firstHalfHour,
  SUM(offerVolume) AS offerVolume,
  SUM(bidVolume) AS bidVolume,
  SUM(cashflow) AS cashflow
FROM {{ of("gb_acceptance_volumes_between") }}(@from_utc, @to_utc)
WHERE acceptanceTime <= @at_utc
GROUP BY unit, acceptanceNumber, acceptanceTime
ORDER BY acceptanceTime DESC, unit, acceptanceNumber
