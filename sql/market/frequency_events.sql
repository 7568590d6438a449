{# When the system frequency was outside its limits.

   path             project.dataset
   lowest, highest  the limits, Hz
   sample_seconds   how far samples are apart
   reach_hours      how long after to_utc an event is followed
#}
-- Of the time before from_utc, the last sample says whether an event had begun.
WITH outside AS (
  SELECT
    -- The {{ sample_seconds }} seconds for which a sample stands.
    DIV(UNIX_SECONDS(measurementTime), {{ sample_seconds }}) AS slot,
    IF(frequency < {{ lowest }}, 'BELOW', 'ABOVE') AS side,
    MIN(frequency) AS lowest_here,
    MAX(frequency) AS highest_here
  FROM {{ (path ~ ".bmrs_freq_latest") | name }}
  WHERE
    (frequency < {{ lowest }} OR frequency > {{ highest }})
    AND measurementTime >= TIMESTAMP_SUB(from_utc, INTERVAL {{ sample_seconds }} SECOND)
    AND measurementTime < TIMESTAMP_ADD(to_utc, INTERVAL {{ reach_hours }} HOUR)
  GROUP BY slot, side
),

-- Slots that follow each other have the same number.
numbered AS (
  SELECT
    *,
    slot - ROW_NUMBER() OVER (PARTITION BY side ORDER BY slot) AS run
  FROM outside
),

events AS (
  SELECT
    side,
    TIMESTAMP_SECONDS({{ sample_seconds }} * MIN(slot)) AS since,
    TIMESTAMP_SECONDS({{ sample_seconds }} * (MAX(slot) + 1)) AS {{ "until" | name }},
    {{ sample_seconds }} * COUNT(*) AS seconds,
    IF(side = 'BELOW', MIN(lowest_here), MAX(highest_here)) AS extreme
  FROM numbered
  GROUP BY side, run
)

SELECT
  since,
  until,
  seconds,
  side,
  extreme
FROM events
WHERE since >= from_utc AND since < to_utc
