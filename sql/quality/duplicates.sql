-- For each dataset, how often a record is there more than once, and how many natural
-- keys have rows of different content.
{% for dataset in datasets %}
{% set bound = dataset.column(dataset.partition_column).type == "DATE" %}
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
      {{ column | name }} AS {{ column | name }}{{ "," if not loop.last }}
{% endfor %}
    )) AS natural_key,
    COUNT(*) AS copies,
    COUNT(DISTINCT record_id) + COUNTIF(record_id IS NULL) AS versions
  FROM {{ (place ~ "." ~ dataset.table) | name }}
  WHERE
    {{ dataset.partition_column | name }} >= {{ "@from_date" if bound else "@from_time" }}
    AND {{ dataset.partition_column | name }} < {{ "@until_date" if bound else "@until_time" }}
  GROUP BY natural_key
) AS keyed
{% endfor %}
