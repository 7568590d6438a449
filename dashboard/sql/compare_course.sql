-- Demand and price of two spans by half-hour, and by minutes since the span began.
{% set spans = ((1, "first"), (2, "second")) %}
{% for number, name in spans %}
{% if not loop.first %}
UNION ALL
{% endif %}
SELECT
  {{ number }} AS span,
  startTime,
  settlementPeriod,
  TIMESTAMP_DIFF(startTime, @{{ name }}_from, MINUTE) / 60 AS hours,
  nationalDemand,
  systemPrice
FROM {{ of("gb_demand_between") }}(@{{ name }}_from, @{{ name }}_to)
FULL OUTER JOIN {{ of("gb_price_between") }}(@{{ name }}_from, @{{ name }}_to)
  USING (startTime, settlementPeriod)
WHERE nationalDemand IS NOT NULL OR systemPrice IS NOT NULL
{% endfor %}
ORDER BY span, startTime
