{% from "check/macros.sql" import near %}
-- When the newest row of each dataset was queued by IRIS or, if that is unknown, made by
-- the pipeline.
{% for dataset in datasets %}
{% if not loop.first %}
UNION ALL
{% endif %}
SELECT
  {{ dataset.name | text }} AS dataset,
  MAX(COALESCE(enqueued_utc, ingested_utc)) AS newest_utc
FROM {{ (path ~ "." ~ dataset.table) | name }}
WHERE
  {{ near(dataset) }}
  AND COALESCE(enqueued_utc, ingested_utc) <= @at
{% endfor %}
