{% from "check/macros.sql" import near, natural_key %}
-- What the rows of a natural key with different content differ in. They contradict each
-- other if one publication has several values: rows of one message, or of messages that
-- IRIS queued at the same instant. One record has the same values in all its rows: those
-- of an older registry may lack a column.
{% for each in compared %}
{% if not loop.first %}
UNION ALL
{% endif %}
SELECT
  {{ each.dataset.name | text }} AS dataset,
  COUNTIF(contradicts) AS contradicted_keys,
  MIN(IF(contradicts, natural_key, NULL)) AS contradicted_key,
  COUNTIF(contents > 1 AND NOT contradicts) AS corrected_keys,
  MIN(IF(contents > 1 AND NOT contradicts, natural_key, NULL)) AS corrected_key,
  COUNTIF(contents = 1) AS alike_keys,
  MIN(IF(contents = 1, natural_key, NULL)) AS alike_key
FROM (
  SELECT
    natural_key,
    COUNT(DISTINCT said) AS contents,
    COUNT(DISTINCT CONCAT(publication, said)) > COUNT(DISTINCT publication)
    OR COUNT(DISTINCT CONCAT(queued, said)) > COUNT(DISTINCT queued) AS contradicts
  FROM (
    SELECT
      natural_key,
      record_id,
      publication,
      queued,
      MIN(said) OVER (
        PARTITION BY natural_key, COALESCE(record_id, said)
      ) AS said
    FROM (
      SELECT
        {{ natural_key(each) }} AS natural_key,
        record_id,
        COALESCE(
          message_id,
          CAST(enqueued_utc AS STRING),
          CAST(ingested_utc AS STRING),
          ""
        ) AS publication,
        CAST(enqueued_utc AS STRING) AS queued,
        TO_JSON_STRING(STRUCT(
{% for column in each.values %}
          {{ column | name }} AS {{ column | name }}{{ "," if not loop.last }}
{% endfor %}
        )) AS said
      FROM {{ (path ~ "." ~ each.dataset.table) | name }}
      WHERE {{ near(each.dataset) }}
    ) AS rows_near
  ) AS records
  GROUP BY natural_key
  HAVING COUNT(DISTINCT record_id) + COUNTIF(record_id IS NULL) > 1
) AS keyed
{% endfor %}
