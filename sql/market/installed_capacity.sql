{# The row of each unit that is in force on a day.

   path   project.dataset
   day    the day, as SQL
#}
WITH known AS (
  SELECT
    registeredResourceEicCode,
    registeredResourceName,
    bmUnit,
    psrType,
    installedCapacity,
    effectiveFrom,
    publishTime,
    documentId,
    COALESCE(registeredResourceEicCode, bmUnit, registeredResourceName) AS unit
  FROM {{ (path ~ ".bmrs_igcpu_latest") | name }}
),

-- Of rows from one day on, the last that was published.
published_last AS (
  SELECT *
  FROM known
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY unit, effectiveFrom
    ORDER BY publishTime DESC NULLS LAST, documentId DESC
  ) = 1
),

in_turn AS (
  SELECT
    *,
    LEAD(effectiveFrom) OVER turns AS effectiveTo,
    LEAD(installedCapacity) OVER turns AS nextInstalledCapacity
  FROM published_last
  WINDOW turns AS (
    PARTITION BY unit
    ORDER BY effectiveFrom ASC NULLS FIRST
  )
)

SELECT
  registeredResourceEicCode,
  registeredResourceName,
  bmUnit,
  psrType,
  installedCapacity,
  effectiveFrom,
  effectiveTo,
  nextInstalledCapacity,
  publishTime,
  documentId
FROM in_turn
WHERE
  (effectiveFrom IS NULL OR effectiveFrom <= {{ day }})
  AND (effectiveTo IS NULL OR effectiveTo > {{ day }})
