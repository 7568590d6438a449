{% from "batteries.sql" import batteries %}
-- What was accepted of each unit in a day: added (offers), taken off (bids), and what
-- only takes back an earlier acceptance.
WITH batteries AS (
  {{ batteries(of) }}
),

volumes AS (
  SELECT
    COALESCE(nationalGridBmUnit, bmUnit) AS unit,
    *
  FROM {{ of("gb_acceptance_volumes_between") }}(@from_utc, @to_utc)
)

SELECT
  unit,
  COUNT(DISTINCT acceptanceNumber) AS acceptances,
  SUM(IF(pairId > 0, offerVolume, 0)) AS offers,
  SAFE_DIVIDE(
    SUM(IF(pairId > 0, offerVolume * offerPrice, 0)),
    SUM(IF(pairId > 0, offerVolume, 0))
  ) AS offerPrice,
  SUM(IF(pairId < 0, bidVolume, 0)) AS bids,
  SAFE_DIVIDE(
    SUM(IF(pairId < 0, bidVolume * bidPrice, 0)),
    SUM(IF(pairId < 0, bidVolume, 0))
  ) AS bidPrice,
  SUM(IF(pairId < 0, offerVolume, 0)) - SUM(IF(pairId > 0, bidVolume, 0)) AS undone,
  SUM(cashflow) AS cashflow,
  MAX(reason) AS reason
FROM volumes
WHERE NOT @batteries OR unit IN (SELECT batteries.unit FROM batteries)
GROUP BY unit
ORDER BY ABS(COALESCE(SUM(cashflow), 0)) DESC, unit
