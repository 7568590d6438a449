{% from "views/macros.sql" import text_of %}
{# What is held back, and its state: one row for each lineage (a letter and its replays).

   path       project.dataset
   datasets   the datasets whose tables are searched for rows
   subjects   every IRIS subject of the registry, with its dataset's name
   no_subject the subject of a message that came without one
   of_sets    the datasets in which a record of another message is another row
#}
WITH letters AS (
  SELECT
    'DEAD_LETTER' AS kind,
    dead_letter_id AS held_id,
    failed_utc AS held_utc,
    stage,
    reason,
    error,
    dataset,
    message_id,
    record_index,
    record_id,
    -- What its row will be recognised by.
{% if of_sets %}
    IF(
      dataset IN ({{ of_sets | map("text") | join(", ") }}),
      CONCAT(
        record_id,
        ' ',
        IF(
          JSON_VALUE(attributes, '$.source') = 'INSIGHTS_API',
          'INSIGHTS_API',
          COALESCE(message_id, '')
        )
      ),
      record_id
    ) AS row_key,
{% else %}
    record_id AS row_key,
{% endif %}
    COALESCE(attempt, 1) AS attempt,
    JSON_VALUE(attributes, '$.replay_of') AS replay_of,
    payload,
    attributes,
    -- A load job reports the refused record, but not its index in the message.
    record_index IS NULL AND record_id IS NULL AS is_whole
  FROM {{ (path ~ ".iris_dead_letters") | name }}
  UNION ALL
  SELECT
    'UNMAPPED' AS kind,
    unmapped_id AS held_id,
    ingested_utc AS held_utc,
    'decode' AS `stage`,
    'UNMAPPED' AS reason,
    CAST(NULL AS STRING) AS `error`,
    dataset,
    message_id,
    CAST(NULL AS INT64) AS record_index,
    CAST(NULL AS STRING) AS record_id,
    CAST(NULL AS STRING) AS row_key,
    COALESCE(SAFE_CAST(JSON_VALUE(attributes, '$.attempt') AS INT64), 1) AS attempt,
    JSON_VALUE(attributes, '$.replay_of') AS replay_of,
    payload,
    attributes,
    TRUE AS is_whole
  FROM {{ (path ~ ".iris_unmapped") | name }}
),

records AS (
  SELECT DISTINCT held_id
  FROM letters
  WHERE NOT is_whole
),

-- The first letter of each lineage. A record that failed when its whole message was
-- replayed begins a lineage of its own: the other records have results of their own.
rooted AS (
  SELECT
    letters.*,
    CASE
      WHEN letters.replay_of IS NULL THEN letters.held_id
      WHEN letters.is_whole THEN letters.replay_of
      WHEN records.held_id IS NOT NULL THEN letters.replay_of
      ELSE letters.held_id
    END AS root_id
  FROM letters
  LEFT JOIN records ON letters.replay_of = records.held_id
),

-- The newest attempt of each. A letter may be there twice, after a restart.
newest AS (
  SELECT
    * EXCEPT (held_utc, record_index, record_id, row_key, is_whole),
    MIN(held_utc) OVER lineage AS held_utc,
    MAX(record_index) OVER lineage AS record_index,
    MAX(record_id) OVER lineage AS record_id,
    MAX(row_key) OVER lineage AS row_key,
    LOGICAL_AND(is_whole) OVER lineage AS is_whole
  FROM rooted
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER attempts = 1
  WINDOW
    lineage AS (PARTITION BY root_id),
    attempts AS (
      PARTITION BY root_id
      ORDER BY attempt DESC, rooted.held_utc DESC, held_id DESC
    )
),

replays AS (
  SELECT
    root_id,
    COUNT(DISTINCT publish_id) AS replays,
    MAX(replayed_utc) AS replayed_utc,
    MAX(attempt) AS attempt
  FROM {{ (path ~ ".iris_replays") | name }}
  GROUP BY root_id
),

-- Whole messages that a replay opened, and of which single records failed.
opened AS (
  SELECT
    replay_of AS root_id,
    MAX(attempt) AS attempt
  FROM letters
  WHERE NOT is_whole
  GROUP BY replay_of
),

subjects AS (
{% for subject, dataset in subjects %}
  SELECT
    {{ subject | text }} AS subject,
    {{ dataset | text }} AS dataset
{% if not loop.last %}
  UNION ALL
{% endif %}
{% endfor %}
),

-- Messages without a subject: the one dataset that their records name, as the pipeline
-- will read it. Text only; what is packed (null) must be tried.
nameless AS (
  SELECT
    held_id,
    message_id,
    {{ text_of("payload") }} AS body
  FROM letters
  WHERE kind = 'UNMAPPED' AND dataset = {{ no_subject | text }} AND payload IS NOT NULL
),

named AS (
  SELECT
    nameless.held_id,
    nameless.message_id,
    MIN(subjects.dataset) AS dataset
  FROM nameless
  CROSS JOIN UNNEST(REGEXP_EXTRACT_ALL(nameless.body, {{ naming }})) AS inside
  LEFT JOIN subjects ON inside = subjects.subject
  GROUP BY nameless.held_id, nameless.message_id
  HAVING COUNT(*) = COUNT(subjects.dataset) AND COUNT(DISTINCT subjects.dataset) = 1
  UNION DISTINCT
  SELECT
    held_id,
    message_id,
    CAST(NULL AS STRING) AS dataset
  FROM nameless
  WHERE body IS NULL
),

landed AS (
{% for dataset in datasets %}
  SELECT
    {{ dataset.name | text }} AS dataset,
    {{ row_key(dataset) | aliased("row_key") }},
    message_id
  FROM {{ (path ~ "." ~ dataset.table) | name }}
{% if not loop.last %}
  UNION ALL
{% endif %}
{% else %}
  SELECT
    CAST(NULL AS STRING) AS dataset,
    CAST(NULL AS STRING) AS row_key,
    CAST(NULL AS STRING) AS message_id
{% endfor %}
),

held_records AS (
  SELECT DISTINCT row_key
  FROM letters
  WHERE row_key IS NOT NULL
),

held_messages AS (
  SELECT DISTINCT message_id
  FROM letters
  WHERE is_whole AND message_id IS NOT NULL
),

landed_records AS (
  SELECT DISTINCT landed.row_key
  FROM landed
  INNER JOIN held_records ON landed.row_key = held_records.row_key
),

landed_messages AS (
  SELECT DISTINCT
    landed.dataset,
    landed.message_id
  FROM landed
  INNER JOIN held_messages ON landed.message_id = held_messages.message_id
),

landed_named AS (
  SELECT DISTINCT named.held_id
  FROM named
  INNER JOIN landed_messages
    ON
      named.message_id = landed_messages.message_id
      AND COALESCE(named.dataset, landed_messages.dataset) = landed_messages.dataset
)

SELECT
  newest.kind,
  newest.held_id,
  newest.root_id,
  newest.held_utc,
  newest.stage,
  newest.reason,
  newest.error,
  newest.dataset,
  newest.message_id,
  newest.record_index,
  newest.record_id,
  newest.attempt,
  COALESCE(replays.replays, 0) AS replays,
  replays.replayed_utc,
  CASE
    WHEN
      landed_records.row_key IS NOT NULL
      OR (newest.is_whole AND landed_messages.message_id IS NOT NULL)
      OR landed_named.held_id IS NOT NULL
      THEN 'ROW'
    WHEN newest.is_whole AND opened.attempt > newest.attempt THEN 'OPENED'
    WHEN newest.kind = 'UNMAPPED' AND subjects.subject IS NULL AND named.held_id IS NULL
      THEN 'UNKNOWN_DATASET'
    WHEN replays.attempt > newest.attempt THEN 'REPLAYED'
    WHEN newest.replay_of IS NOT NULL THEN 'FAILED_AGAIN'
    ELSE 'WAITING'
  END AS state,
  newest.payload,
  newest.attributes
FROM newest
LEFT JOIN replays ON newest.root_id = replays.root_id
LEFT JOIN opened ON newest.root_id = opened.root_id
LEFT JOIN subjects ON newest.dataset = subjects.subject
LEFT JOIN landed_records ON newest.row_key = landed_records.row_key
LEFT JOIN landed_messages
  ON
    subjects.dataset = landed_messages.dataset
    AND newest.message_id = landed_messages.message_id
LEFT JOIN named ON newest.held_id = named.held_id
LEFT JOIN landed_named ON newest.held_id = landed_named.held_id
