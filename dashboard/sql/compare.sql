-- The figures of two spans, one row for each span and figure. Names as in
-- `python -m analysis compare`.
{% set spans = ((1, "@first_from, @first_to"), (2, "@second_from, @second_to")) %}
{% for number, span in spans %}
{% if not loop.first %}
UNION ALL
{% endif %}
SELECT
  {{ number }} AS span,
  1 AS place,
  CONCAT('generation ', fuelType) AS figure,
  'MW' AS unit,
  AVG(generation) AS value
FROM {{ of("gb_generation_between") }}({{ span }})
GROUP BY fuelType
UNION ALL
SELECT
  {{ number }} AS span,
  figures.place,
  figures.figure,
  figures.unit,
  figures.value
FROM (
  SELECT
    AVG(nationalDemand) AS mean,
    MAX(nationalDemand) AS highest
  FROM {{ of("gb_demand_between") }}({{ span }})
),
UNNEST([
  STRUCT(2 AS place, 'demand, mean' AS figure, 'MW' AS unit, mean AS value),
  STRUCT(3 AS place, 'demand, highest' AS figure, 'MW' AS unit, CAST(highest AS FLOAT64) AS value)
]) AS figures
UNION ALL
SELECT
  {{ number }} AS span,
  figures.place,
  figures.figure,
  figures.unit,
  figures.value
FROM (
  SELECT
    SAFE_DIVIDE(SUM(marketIndexPrice * marketIndexVolume), SUM(marketIndexVolume)) AS indexMean,
    AVG(systemPrice) AS mean,
    MIN(systemPrice) AS lowest,
    MAX(systemPrice) AS highest,
    SUM(netImbalanceVolume) AS imbalance
  FROM {{ of("gb_price_between") }}({{ span }})
),
UNNEST([
  STRUCT(4 AS place, 'market index price, mean' AS figure, 'GBP/MWh' AS unit, indexMean AS value),
  STRUCT(5 AS place, 'system price, mean' AS figure, 'GBP/MWh' AS unit, mean AS value),
  STRUCT(6 AS place, 'system price, lowest' AS figure, 'GBP/MWh' AS unit, lowest AS value),
  STRUCT(7 AS place, 'system price, highest' AS figure, 'GBP/MWh' AS unit, highest AS value),
  STRUCT(8 AS place, 'net imbalance' AS figure, 'MWh' AS unit, imbalance AS value)
]) AS figures
UNION ALL
SELECT
  {{ number }} AS span,
  figures.place,
  figures.figure,
  figures.unit,
  figures.value
FROM (
  SELECT
    SUM(meanFrequency * samples) / SUM(samples) AS mean,
    MIN(lowestFrequency) AS lowest,
    MAX(highestFrequency) AS highest,
    SUM(secondsOutside) AS outside
  FROM {{ of("gb_frequency_between") }}({{ span }})
),
UNNEST([
  STRUCT(9 AS place, 'frequency, mean' AS figure, 'Hz' AS unit, mean AS value),
  STRUCT(10 AS place, 'frequency, lowest' AS figure, 'Hz' AS unit, lowest AS value),
  STRUCT(11 AS place, 'frequency, highest' AS figure, 'Hz' AS unit, highest AS value),
  STRUCT(12 AS place, 'frequency outside 49.8 to 50.2' AS figure, 's' AS unit, CAST(outside AS FLOAT64) AS value)
]) AS figures
UNION ALL
SELECT
  {{ number }} AS span,
  figures.place,
  figures.figure,
  figures.unit,
  figures.value
FROM (
  SELECT
    COUNT(DISTINCT CONCAT(COALESCE(nationalGridBmUnit, bmUnit), ' ', CAST(acceptanceNumber AS STRING))) AS acceptances,
    COUNT(DISTINCT COALESCE(nationalGridBmUnit, bmUnit)) AS units,
    SUM(offerVolume) AS offers,
    SUM(bidVolume) AS bids,
    SUM(cashflow) AS cashflow
  FROM {{ of("gb_acceptance_volumes_between") }}({{ span }})
),
UNNEST([
  STRUCT(13 AS place, 'acceptances' AS figure, '' AS unit, CAST(acceptances AS FLOAT64) AS value),
  STRUCT(14 AS place, 'units accepted' AS figure, '' AS unit, CAST(units AS FLOAT64) AS value),
  STRUCT(15 AS place, 'acceptances, offerVolume' AS figure, 'MWh' AS unit, offers AS value),
  STRUCT(16 AS place, 'acceptances, bidVolume' AS figure, 'MWh' AS unit, bids AS value),
  STRUCT(17 AS place, 'acceptances, cashflow' AS figure, 'GBP' AS unit, cashflow AS value)
]) AS figures
{% endfor %}
ORDER BY place, figure, span
