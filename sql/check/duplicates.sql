{% from "check/macros.sql" import near %}
-- For each dataset, how many rows repeat a record, and how many natural keys have rows of
-- different content.
{% for dataset in datasets %}
{% if not loop.first %}
UNION ALL
{% endif %}
SELECT
  {{ dataset.name | text }} AS dataset,
  SUM(copies) AS row_count,
  SUM(copies - versions) AS identical_rows,
  COUNTIF(versions > 1) AS repeated_keys,
  MIN(IF(versions > 1, natural_key, NULL)) AS sample_key
FROM (
  SELECT
    TO_JSON_STRING(STRUCT(
{% for column in dataset.natural_key %}
      {{ column | name }} AS {{ column | name }}{{ "," if dataset.is_set_of_message or not loop.last }}
{% endfor %}
{% if dataset.is_set_of_message %}
      -- Another message is another publication, and not a copy.
      {{ row_origin() }} AS origin
{% endif %}
    )) AS natural_key,
    COUNT(*) AS copies,
    COUNT(DISTINCT record_id) + COUNTIF(record_id IS NULL) AS versions
  FROM {{ (path ~ "." ~ dataset.table) | name }}
  WHERE {{ near(dataset) }}
  GROUP BY natural_key
) AS keyed
{% endfor %}
