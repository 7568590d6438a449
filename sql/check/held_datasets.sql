-- The datasets of which anything is held back.
SELECT dataset
FROM {{ (path ~ ".iris_dead_letters") | name }}
WHERE dataset IS NOT NULL AND failed_utc >= @since
UNION DISTINCT
SELECT dataset
FROM {{ (path ~ ".iris_unmapped") | name }}
WHERE dataset IS NOT NULL AND ingested_utc >= @since
