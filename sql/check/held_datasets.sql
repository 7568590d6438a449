-- The datasets of which anything is held back. A message without a subject may be of any
-- dataset that it names; one that cannot be read here may be of any at all ('*').
WITH held AS (
  SELECT
    dataset,
    CAST(NULL AS BYTES) AS payload
  FROM {{ (path ~ ".iris_dead_letters") | name }}
  WHERE dataset IS NOT NULL AND failed_utc >= @since
  UNION ALL
  SELECT
    dataset,
    IF(dataset = {{ no_subject | text }}, payload, NULL) AS payload
  FROM {{ (path ~ ".iris_unmapped") | name }}
  WHERE dataset IS NOT NULL AND ingested_utc >= @since
)

SELECT dataset
FROM held
UNION DISTINCT
SELECT subject AS dataset
FROM held
CROSS JOIN
  UNNEST(
    REGEXP_EXTRACT_ALL(SAFE_CONVERT_BYTES_TO_STRING(held.payload), {{ naming }})
  ) AS subject
UNION DISTINCT
SELECT '*' AS dataset
FROM held
WHERE payload IS NOT NULL AND SAFE_CONVERT_BYTES_TO_STRING(payload) IS NULL
