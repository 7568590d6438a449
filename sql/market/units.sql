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
    {{ cleaned(source.national_grid_name) }} AS nationalGridBmUnit,
    {{ cleaned(source.elexon_name) }} AS bmUnit,
    {{ cleaned(source.fuel) }} AS fuelType,
    {{ cleaned(source.party) }} AS leadPartyName,
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
    {{ cleaned("nationalGridBmUnit") }} AS nationalGridBmUnit,
    {{ cleaned("elexonBmUnit") }} AS bmUnit,
    {{ cleaned("fuelType") }} AS fuelType,
    {{ cleaned("leadPartyName") }} AS leadPartyName,
    CAST(NULL AS DATE) AS firstSeen,
    CAST(NULL AS DATE) AS lastSeen
  FROM {{ (path ~ ".gb_reference_units") | name }}
),

-- REMIT uses either name and names no pair: it never decides what a unit is called.
named AS (
  SELECT
    nationalGridBmUnit,
    bmUnit,
    IF(dataset = 'REFERENCE', DATE '9999-12-31', lastSeen) AS lastSeen
  FROM seen
  WHERE dataset != 'REMIT'
),

{{ directory() }}

found AS (
  SELECT
    seen.dataset,
    seen.fuelType,
    seen.leadPartyName,
    seen.firstSeen,
    seen.lastSeen,
    seen.nationalGridBmUnit AS seenNationalGridName,
    seen.bmUnit AS seenElexonName,
    COALESCE(exact.bmUnit, bare.bmUnit) AS bmUnit,
    COALESCE(
      exact.nationalGridBmUnit, bare.nationalGridBmUnit, seen.nationalGridBmUnit
    ) AS nationalGridBmUnit
  FROM seen
  LEFT JOIN directory AS exact
    ON UPPER(COALESCE(seen.nationalGridBmUnit, seen.bmUnit)) = exact.name
  LEFT JOIN directory AS bare
    ON {{ bare("seen.bmUnit") }} = bare.name
  WHERE seen.nationalGridBmUnit IS NOT NULL OR seen.bmUnit IS NOT NULL
),

known AS (
  SELECT
    *,
    COALESCE(nationalGridBmUnit, {{ bare("seenElexonName") }}) AS unit,
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
    fuelType,
    dataset
  FROM known
  WHERE fuelType IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY unit
    ORDER BY place, lastSeen DESC NULLS LAST, fuelType
  ) = 1
),

parties AS (
  SELECT
    unit,
    leadPartyName
  FROM known
  WHERE leadPartyName IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY unit
    ORDER BY dataset != 'REFERENCE', lastSeen DESC NULLS LAST, leadPartyName
  ) = 1
),

-- Without a pair of names, a name of REMIT or IGCPU is all that there is.
units AS (
  SELECT
    unit,
    MAX(nationalGridBmUnit) AS nationalGridBmUnit,
    COALESCE(MAX(bmUnit), MAX(seenElexonName)) AS bmUnit,
    MIN(firstSeen) AS firstSeen,
    MAX(lastSeen) AS lastSeen
  FROM known
  GROUP BY unit
),

other_names AS (
  SELECT
    spelled.unit,
    ARRAY_AGG(spelled.name ORDER BY spelled.name) AS names
  FROM (
    SELECT
      unit,
      seenNationalGridName AS name
    FROM known
    UNION DISTINCT
    SELECT
      unit,
      seenElexonName AS name
    FROM known
  ) AS spelled
  INNER JOIN units ON spelled.unit = units.unit
  WHERE
    spelled.name IS NOT NULL
    AND spelled.name != COALESCE(units.nationalGridBmUnit, '')
    AND spelled.name != COALESCE(units.bmUnit, '')
  GROUP BY spelled.unit
)

SELECT
  COALESCE(units.nationalGridBmUnit, units.bmUnit) AS unit,
  units.nationalGridBmUnit,
  units.bmUnit,
  COALESCE(other_names.names, ARRAY<STRING>[]) AS otherNames,
  fuels.fuelType,
  fuels.dataset AS fuelSource,
  parties.leadPartyName,
  units.firstSeen,
  units.lastSeen
FROM units
LEFT JOIN fuels ON units.unit = fuels.unit
LEFT JOIN parties ON units.unit = parties.unit
LEFT JOIN other_names ON units.unit = other_names.unit
