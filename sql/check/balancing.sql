{# How often the computed and the published volumes and cashflows differ.

   allowed_mwh, allowed_gbp, allowed_share   the largest difference that is none
#}
WITH compared AS (
  SELECT
    *,
    CONCAT(
      CAST(settlementDate AS STRING), ' half-hour ',
      CAST(settlementPeriod AS STRING), ' of ', nationalGridBmUnit
    ) AS place,
    -- A unit may be asked up and down in one half-hour.
    GREATEST(ABS(offerVolumeDifference), ABS(bidVolumeDifference)) AS away_mwh,
    ABS(cashflowDifference) AS away_gbp,
    ABS(publishedCashflow) AS paid_gbp
  FROM {{ (path ~ ".gb_unit_balancing_between") | name }}(@from_time, @until_time)
),

judged AS (
  SELECT
    *,
    away_mwh > {{ allowed_mwh }} AS is_other_volume,
    away_gbp > GREATEST({{ allowed_gbp }}, {{ allowed_share }} * paid_gbp)
      AS is_other_cashflow
  FROM compared
)

SELECT
  COUNT(away_mwh) AS volumes,
  COUNTIF(is_other_volume) AS other_volumes,
  ARRAY_AGG(
    STRUCT(
      place AS place,
      offerVolume AS offerVolume,
      bidVolume AS bidVolume,
      publishedOfferVolume AS publishedOfferVolume,
      publishedBidVolume AS publishedBidVolume
    )
    ORDER BY away_mwh DESC, place ASC
    LIMIT 1
  ) AS worst_volume,
  COUNT(away_gbp) AS cashflows,
  COUNTIF(is_other_cashflow) AS other_cashflows,
  ARRAY_AGG(
    STRUCT(
      place AS place,
      cashflow AS cashflow,
      publishedCashflow AS publishedCashflow
    )
    ORDER BY is_other_cashflow DESC, away_gbp DESC, place ASC
    LIMIT 1
  ) AS worst_cashflow
FROM judged
