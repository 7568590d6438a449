-- How many rows each table has. BigQuery answers from the table's metadata, so that
-- this reads nothing.
{% for dataset in datasets %}
{% if not loop.first %}
UNION ALL
{% endif %}
SELECT
  {{ dataset.name | text }} AS dataset,
  COUNT(*) AS row_count
FROM {{ (path ~ "." ~ dataset.table) | name }}
{% endfor %}
