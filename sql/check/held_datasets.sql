{% from "views/macros.sql" import text_of %}
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
),

texts AS (
  SELECT
    dataset,
    payload,
    {{ text_of("payload") }} AS body
  FROM held
)

SELECT dataset
FROM texts
UNION DISTINCT
SELECT subject AS dataset
FROM texts
CROSS JOIN UNNEST(REGEXP_EXTRACT_ALL(texts.body, {{ naming }})) AS subject
UNION DISTINCT
SELECT '*' AS dataset
FROM texts
WHERE payload IS NOT NULL AND body IS NULL
