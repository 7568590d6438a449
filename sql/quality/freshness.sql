-- When the newest row of each dataset was queued by IRIS or, where that is not known,
-- came in.
{% for dataset in datasets %}
{% set bound = dataset.column(dataset.partition_column).type == "DATE" %}
{% if not loop.first %}
UNION ALL
{% endif %}
SELECT
  {{ dataset.name | text }} AS dataset,
  MAX(COALESCE(enqueued_utc, ingested_utc)) AS newest_utc
FROM {{ (place ~ "." ~ dataset.table) | name }}
WHERE
  {{ dataset.partition_column | name }} >= {{ "@from_date" if bound else "@from_time" }}
  AND {{ dataset.partition_column | name }} < {{ "@until_date" if bound else "@until_time" }}
  AND COALESCE(enqueued_utc, ingested_utc) <= @at
{% endfor %}
