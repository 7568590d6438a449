{# No dataset says which units are batteries. One both exports and imports by its own
limits, and is neither pumped storage nor an interconnector. #}
{% macro batteries(of) %}
SELECT exporting.unit
  FROM (
    SELECT
      COALESCE(nationalGridBmUnit, bmUnit) AS unit,
      MAX(bmUnit) AS bmUnit
    FROM {{ of("bmrs_mels_latest") }}
    WHERE settlementDate BETWEEN DATE_SUB(@day, INTERVAL 7 DAY) AND @day
    GROUP BY unit
    HAVING MAX(GREATEST(levelFrom, levelTo)) > 0
  ) AS exporting
  INNER JOIN (
    SELECT COALESCE(nationalGridBmUnit, bmUnit) AS unit
    FROM {{ of("bmrs_mils_latest") }}
    WHERE settlementDate BETWEEN DATE_SUB(@day, INTERVAL 7 DAY) AND @day
    GROUP BY unit
    HAVING MIN(LEAST(levelFrom, levelTo)) < 0
  ) AS importing
    ON exporting.unit = importing.unit
  WHERE
    COALESCE(exporting.bmUnit, '') NOT LIKE 'I\\_%'
    AND exporting.unit NOT IN (
      SELECT COALESCE(nationalGridBmUnit, bmUnit, '')
      FROM {{ of("bmrs_uou2t14d_latest") }}
      WHERE fuelType = 'PS'
    )
    AND exporting.unit NOT IN (
      SELECT COALESCE(nationalGridBmUnit, elexonBmUnit, '')
      FROM {{ of("gb_reference_units") }}
      WHERE fuelType = 'PS'
    )
{%- endmacro %}
