{% from "market/acceptances.sql" import days %}
{% from "market/interconnectors.sql" import of_interconnector %}
{# Generation by fuel, every five minutes.

   path              project.dataset
   between           whether from_utc and to_utc cut it
   interconnectors   the cables: code, name and country
#}
WITH named AS (
  SELECT
    settlementDate,
    settlementPeriod,
    startTime,
    fuelType,
    generation,
    publishTime,
    {{ of_interconnector(interconnectors) | indent(2) }}
  FROM {{ (path ~ ".bmrs_fuelinst_latest") | name }}
{% if between %}
  WHERE
    {{ days() }}
    AND startTime >= from_utc
    AND startTime < to_utc
{% endif %}
)

SELECT
  settlementDate,
  settlementPeriod,
  startTime,
  fuelType,
  country,
  interconnector,
  generation,
  publishTime
FROM named
