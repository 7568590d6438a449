{% from "market/acceptances.sql" import days %}
{% from "market/half_hours.sql" import start_of_half_hour %}
{# What acceptances came to, by unit and half-hour: computed, and as it was published.

   path      project.dataset
   between   whether from_utc and to_utc cut it
   pairs     the fields of a pair in BOAV, such as negative1
#}
-- Computed and published rows are added up, not joined: a unit may be in one of them
-- only, and a filter on settlementDate goes through to all tables.
WITH parts AS (
  SELECT
    settlementDate,
    settlementPeriod,
    nationalGridBmUnit,
    bmUnit,
    acceptanceNumber,
    offerVolume,
    bidVolume,
    cashflow,
    beyondRange,
    reason,
    CAST(NULL AS FLOAT64) AS publishedOfferVolume,
    CAST(NULL AS FLOAT64) AS publishedBidVolume,
    CAST(NULL AS FLOAT64) AS publishedCashflow
{% if between %}
  FROM {{ (path ~ ".gb_acceptance_volumes_between") | name }}(from_utc, to_utc)
{% else %}
  FROM {{ (path ~ ".gb_acceptance_volumes") | name }}
{% endif %}
{% for dataset in ("boav", "ebocf") %}
  UNION ALL
  SELECT
    settlementDate,
    settlementPeriod,
    nationalGridBmUnit,
    bmUnit,
    NULL AS acceptanceNumber,
    NULL AS offerVolume,
    NULL AS bidVolume,
    NULL AS cashflow,
    NULL AS beyondRange,
    NULL AS reason,
{% if dataset == "boav" %}
    -- The sign says whether it is an offer or a bid, in every pair.
{% for name, limit in (("publishedOfferVolume", "GREATEST"), ("publishedBidVolume", "LEAST")) %}
{% for pair in pairs %}
    {{ "+ " if not loop.first }}{{ limit }}(COALESCE(pairVolumes.{{ pair }}, 0), 0)
{% endfor %}
      AS {{ name }},
{% endfor %}
    NULL AS publishedCashflow
{% else %}
    NULL AS publishedOfferVolume,
    NULL AS publishedBidVolume,
    totalCashflow AS publishedCashflow
{% endif %}
  FROM {{ (path ~ ".bmrs_" ~ dataset ~ "_latest") | name }}
{% if between %}
  WHERE
    {{ days() }}
    AND {{ start_of_half_hour() | indent(4) }} >= from_utc
    AND {{ start_of_half_hour() | indent(4) }} < to_utc
{% endif %}
{% endfor %}
),

sums AS (
  SELECT
    settlementDate,
    settlementPeriod,
    nationalGridBmUnit,
    MAX(bmUnit) AS bmUnit,
    COUNT(DISTINCT acceptanceNumber) AS acceptances,
    SUM(offerVolume) AS offerVolume,
    SUM(bidVolume) AS bidVolume,
    SUM(cashflow) AS cashflow,
    SUM(beyondRange) AS beyondRange,
    MAX(reason) AS reason,
    SUM(publishedOfferVolume) AS publishedOfferVolume,
    SUM(publishedBidVolume) AS publishedBidVolume,
    SUM(publishedCashflow) AS publishedCashflow
  FROM parts
  GROUP BY settlementDate, settlementPeriod, nationalGridBmUnit
),

-- A unit without acceptances has 0, and so has one that a published half-hour does not
-- name. Where nothing is published yet, there is nothing to compare with.
compared AS (
  SELECT
    * EXCEPT (
      offerVolume,
      bidVolume,
      cashflow,
      publishedOfferVolume,
      publishedBidVolume,
      publishedCashflow
    ),
    {{ start_of_half_hour() | indent(4) }} AS startTime,
{% for name in ("offerVolume", "bidVolume", "cashflow") %}
    IF(acceptances = 0, 0, {{ name }}) AS {{ name }},
{% endfor %}
{% for name in ("publishedOfferVolume", "publishedBidVolume", "publishedCashflow") %}
    IF(
      COUNT({{ name }}) OVER half_hour > 0, COALESCE({{ name }}, 0), NULL
    ) AS {{ name }}{{ "," if not loop.last }}
{% endfor %}
  FROM sums
  WINDOW half_hour AS (PARTITION BY settlementDate, settlementPeriod)
)

SELECT
  settlementDate,
  settlementPeriod,
  startTime,
  nationalGridBmUnit,
  bmUnit,
  acceptances,
  offerVolume,
  bidVolume,
  cashflow,
  beyondRange,
  reason,
  publishedOfferVolume,
  publishedBidVolume,
  publishedCashflow,
  publishedOfferVolume - offerVolume AS offerVolumeDifference,
  publishedBidVolume - bidVolume AS bidVolumeDifference,
  publishedCashflow - cashflow AS cashflowDifference
FROM compared
