{% from "market/names.sql" import bare, cleaned, day_of, directory %}
{# One row for each unit that the feed or the reference list names.

   path       project.dataset
   sources    the datasets that name units, and how
   between    whether from_date and to_date bound the days that are read
#}
-- Each source is read once, and only its columns of names, fuel, party and day.
WITH seen AS (
{% for source in sources %}
  SELECT
    {{ source.dataset.name | text }} AS dataset,
    {{ cleaned(source.grid_name) }} AS grid_name,
    {{ cleaned(source.elexon_name) }} AS elexon_name,
    {{ cleaned(source.fuel) }} AS fuel,
    {{ cleaned(source.party) }} AS party,
    MIN({{ day_of(source) }}) AS firstSeen,
    MAX({{ day_of(source) }}) AS lastSeen
  FROM {{ (path ~ "." ~ source.dataset.table) | name }}
  WHERE
    {{ source.condition }}
{% if between %}
{% if source.by_date %}
    AND {{ source.dataset.partition_column | name }} BETWEEN from_date AND to_date
{% else %}
    AND {{ source.dataset.partition_column | name }}
    >= TIMESTAMP(from_date, 'Europe/London')
    AND {{ source.dataset.partition_column | name }}
    < TIMESTAMP(DATE_ADD(to_date, INTERVAL 1 DAY), 'Europe/London')
{% endif %}
{% endif %}
  GROUP BY {{ source.grouped | join(', ') }}
  UNION ALL
{% endfor %}
  SELECT
    'REFERENCE' AS dataset,
    {{ cleaned("nationalGridBmUnit") }} AS grid_name,
    {{ cleaned("elexonBmUnit") }} AS elexon_name,
    {{ cleaned("fuelType") }} AS fuel,
    {{ cleaned("leadPartyName") }} AS party,
    CAST(NULL AS DATE) AS firstSeen,
    CAST(NULL AS DATE) AS lastSeen
  FROM {{ (path ~ ".gb_reference_units") | name }}
),

-- REMIT uses either name and names no pair: it never decides what a unit is called.
named AS (
  SELECT
    grid_name,
    elexon_name,
    IF(dataset = 'REFERENCE', DATE '9999-12-31', lastSeen) AS lastSeen
  FROM seen
  WHERE dataset != 'REMIT'
),

{{ directory() }}

found AS (
  SELECT
    seen.dataset,
    seen.grid_name,
    seen.elexon_name,
    seen.fuel,
    seen.party,
    seen.firstSeen,
    seen.lastSeen,
    COALESCE(exact.bmUnit, bare.bmUnit) AS bmUnit,
    COALESCE(
      exact.nationalGridBmUnit, bare.nationalGridBmUnit, seen.grid_name
    ) AS nationalGridBmUnit
  FROM seen
  LEFT JOIN directory AS exact
    ON UPPER(COALESCE(seen.grid_name, seen.elexon_name)) = exact.spelling
  LEFT JOIN directory AS bare
    ON {{ bare("seen.elexon_name") }} = bare.spelling
  WHERE seen.grid_name IS NOT NULL OR seen.elexon_name IS NOT NULL
),

known AS (
  SELECT
    *,
    COALESCE(nationalGridBmUnit, {{ bare("elexon_name") }}) AS unit,
    CASE
      WHEN dataset = 'REFERENCE' THEN 1
      WHEN STARTS_WITH(dataset, 'UOU') THEN 2
      WHEN dataset = 'IGCPU' THEN 3
      ELSE 4
    END AS place
  FROM found
),

fuels AS (
  SELECT
    unit,
    fuel,
    dataset
  FROM known
  WHERE fuel IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY unit
    ORDER BY place ASC, lastSeen DESC NULLS LAST, fuel ASC
  ) = 1
),

parties AS (
  SELECT
    unit,
    party
  FROM known
  WHERE party IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY unit
    ORDER BY dataset != 'REFERENCE' ASC, lastSeen DESC NULLS LAST, party ASC
  ) = 1
),

-- Without a pair of names, a name of REMIT or IGCPU is all that there is.
units AS (
  SELECT
    unit,
    MAX(nationalGridBmUnit) AS nationalGridBmUnit,
    COALESCE(MAX(bmUnit), MAX(elexon_name)) AS bmUnit,
    MIN(firstSeen) AS firstSeen,
    MAX(lastSeen) AS lastSeen
  FROM known
  GROUP BY unit
),

spellings_of_units AS (
  SELECT
    unit,
    grid_name AS spelling
  FROM known
  UNION DISTINCT
  SELECT
    unit,
    elexon_name AS spelling
  FROM known
),

others AS (
  SELECT
    spelled.unit,
    ARRAY_AGG(spelled.spelling ORDER BY spelled.spelling) AS names
  FROM spellings_of_units AS spelled
  INNER JOIN units ON spelled.unit = units.unit
  WHERE
    spelled.spelling IS NOT NULL
    AND spelled.spelling != COALESCE(units.nationalGridBmUnit, '')
    AND spelled.spelling != COALESCE(units.bmUnit, '')
  GROUP BY spelled.unit
)

SELECT
  COALESCE(units.nationalGridBmUnit, units.bmUnit) AS unit,
  units.nationalGridBmUnit,
  units.bmUnit,
  COALESCE(others.names, ARRAY<STRING>[]) AS otherNames,
  fuels.fuel AS fuelType,
  fuels.dataset AS fuelSource,
  parties.party AS leadPartyName,
  units.firstSeen,
  units.lastSeen
FROM units
LEFT JOIN fuels ON units.unit = fuels.unit
LEFT JOIN parties ON units.unit = parties.unit
LEFT JOIN others ON units.unit = others.unit
