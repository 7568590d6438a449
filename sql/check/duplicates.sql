{% from "check/macros.sql" import near, natural_key %}
-- For each dataset, how many rows repeat a record, and how many natural keys have rows of
-- different content.
{% for each in compared %}
{% if not loop.first %}
UNION ALL
{% endif %}
SELECT
  {{ each.dataset.name | text }} AS dataset,
  SUM(copies) AS row_count,
  SUM(copies - versions) AS identical_rows,
  COUNTIF(versions > 1) AS repeated_keys
FROM (
  SELECT
    {{ natural_key(each) }} AS natural_key,
    COUNT(*) AS copies,
    COUNT(DISTINCT record_id) + COUNTIF(record_id IS NULL) AS versions
  FROM {{ (path ~ "." ~ each.dataset.table) | name }}
  WHERE {{ near(each.dataset) }}
  GROUP BY natural_key
) AS keyed
{% endfor %}
