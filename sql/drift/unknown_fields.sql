-- The pipeline always sets the time; a row without it is not from the pipeline.
{% for dataset in datasets %}
SELECT
  {{ dataset.name | text }} AS dataset,
  ingested_utc,
  extra
FROM {{ (path ~ "." ~ dataset.table) | name }}
WHERE extra IS NOT NULL AND ingested_utc IS NOT NULL
{% if not loop.last %}
UNION ALL
{% endif %}
{% endfor %}
