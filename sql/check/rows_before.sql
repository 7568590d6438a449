-- How many rows from IRIS each dataset has of the checked days and of all days before.
{% for one in owed %}
{% set column, low, high = one.bounds[0] %}
{% if not loop.first %}
UNION ALL
{% endif %}
SELECT
  {{ one.dataset.name | text }} AS dataset,
  COUNT(*) AS row_count
FROM {{ (path ~ "." ~ one.dataset.table) | name }}
WHERE {{ column | name }} < {{ high }}
{% endfor %}
