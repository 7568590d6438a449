{% from "market/half_hours.sql" import start_of_half_hour %}
{% from "views/macros.sql" import last_arrived %}
{# The system price of each half-hour, beside the market index.

   path   project.dataset
#}
{% set figures = ("systemSellPrice", "systemBuyPrice", "netImbalanceVolume") %}
-- A run that was sent again with other values is one run: the one that arrived last
-- counts, as in the latest view.
WITH runs AS (
  SELECT
    settlementDate,
    settlementPeriod,
    createdDateTime,
{% for figure in figures %}
    {{ figure }}{{ "," if not loop.last }}
{% endfor %}
  FROM {{ (path ~ ".bmrs_disebsp_unified") | name }}
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY settlementDate, settlementPeriod, createdDateTime
    ORDER BY
      {{ last_arrived() | indent(2) }},
      record_id DESC NULLS LAST
  ) = 1
),

in_turn AS (
  SELECT
    *,
    ROW_NUMBER() OVER (
      PARTITION BY settlementDate, settlementPeriod
      ORDER BY createdDateTime ASC NULLS FIRST
    ) AS turn,
    COUNT(*) OVER (PARTITION BY settlementDate, settlementPeriod) AS run_count
  FROM runs
),

-- Runs and indices are added up, not joined: a half-hour may be in one of them only, and
-- a filter on settlementDate goes through to both tables.
parts AS (
  SELECT
    settlementDate,
    settlementPeriod,
    createdDateTime,
{% for figure in figures %}
    {{ figure }},
{% endfor %}
    turn,
    run_count,
    CAST(NULL AS FLOAT64) AS price,
    CAST(NULL AS FLOAT64) AS volume
  FROM in_turn
  UNION ALL
  SELECT
    settlementDate,
    settlementPeriod,
    NULL AS createdDateTime,
{% for figure in figures %}
    NULL AS {{ figure }},
{% endfor %}
    NULL AS turn,
    NULL AS run_count,
    price,
    volume
  FROM {{ (path ~ ".bmrs_mid_latest") | name }}
  WHERE price IS NOT NULL AND volume >= 0
),

half_hours AS (
  SELECT
    settlementDate,
    settlementPeriod,
    COALESCE(MAX(run_count), 0) AS runs,
{% for name, turn in (("latest", "run_count"), ("first", "1")) %}
    MAX(IF(turn = {{ turn }}, createdDateTime, NULL)) AS {{ name }}_created,
{% for figure in figures %}
    MAX(IF(turn = {{ turn }}, {{ figure }}, NULL)) AS {{ name }}_{{ figure }},
{% endfor %}
{% endfor %}
    -- A provider without trades sends a price and a volume of 0.
    SUM(volume) AS marketIndexVolume,
    SUM(price * volume) / NULLIF(SUM(volume), 0) AS marketIndexPrice
  FROM parts
  GROUP BY settlementDate, settlementPeriod
),

prices AS (
  SELECT
    *,
    {{ start_of_half_hour() | indent(4) }} AS startTime,
{% for name in ("latest", "first") %}
    IF(
      {{ name }}_systemSellPrice = {{ name }}_systemBuyPrice,
      {{ name }}_systemSellPrice,
      NULL
    ) AS {{ name }}_price{{ "," if not loop.last }}
{% endfor %}
  FROM half_hours
)

SELECT
  settlementDate,
  settlementPeriod,
  startTime,
  latest_price AS systemPrice,
  latest_systemSellPrice AS systemSellPrice,
  latest_systemBuyPrice AS systemBuyPrice,
  latest_netImbalanceVolume AS netImbalanceVolume,
  latest_created AS createdDateTime,
  runs,
  first_created AS firstCreatedDateTime,
  first_price AS firstSystemPrice,
  latest_price - first_price AS systemPriceChange,
  first_netImbalanceVolume AS firstNetImbalanceVolume,
  latest_netImbalanceVolume - first_netImbalanceVolume AS netImbalanceVolumeChange,
  marketIndexPrice,
  marketIndexVolume,
  latest_price - marketIndexPrice AS spread
FROM prices
