SELECT
  unit,
  fuelType,
  eventType,
  unavailabilityType,
  unavailableCapacity,
  normalCapacity,
  eventStartTime,
  eventEndTime,
  cause
FROM {{ of("gb_outages_at") }}(@at_utc)
WHERE eventType = 'Production unavailability' AND unavailableCapacity > 0
ORDER BY unavailableCapacity DESC, unit
