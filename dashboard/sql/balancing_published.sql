{% from "batteries.sql" import batteries %}
-- By half-hour: what acceptances come to, and what Elexon has published since.
WITH batteries AS (
  {{ batteries(of) }}
)

SELECT
  startTime,
  settlementPeriod,
  SUM(offerVolume) AS offerVolume,
  SUM(publishedOfferVolume) AS publishedOfferVolume,
  SUM(bidVolume) AS bidVolume,
  SUM(publishedBidVolume) AS publishedBidVolume,
  SUM(cashflow) AS cashflow,
  SUM(publishedCashflow) AS publishedCashflow
FROM {{ of("gb_unit_balancing_between") }}(@from_utc, @to_utc)
WHERE
  (@unit IS NULL OR @unit IN (nationalGridBmUnit, bmUnit))
  AND (
    NOT @batteries
    OR COALESCE(nationalGridBmUnit, bmUnit) IN (SELECT batteries.unit FROM batteries)
  )
GROUP BY startTime, settlementPeriod
ORDER BY startTime
