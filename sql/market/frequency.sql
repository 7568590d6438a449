{# The system frequency of each minute.

   path             project.dataset
   between          whether from_utc and to_utc cut it
   lowest, highest  the limits, Hz
   sample_seconds   how far samples are apart
#}
WITH samples AS (
  SELECT
    TIMESTAMP_TRUNC(measurementTime, MINUTE) AS startTime,
    -- The {{ sample_seconds }} seconds for which a sample stands.
    DIV(UNIX_SECONDS(measurementTime), {{ sample_seconds }}) AS slot,
    frequency,
    frequency < {{ lowest }} OR frequency > {{ highest }} AS is_outside
  FROM {{ (path ~ ".bmrs_freq_latest") | name }}
  WHERE
    frequency IS NOT NULL
{% if between %}
    AND measurementTime >= from_utc
    AND measurementTime < TIMESTAMP_ADD(to_utc, INTERVAL 1 MINUTE)
{% endif %}
),

minutes AS (
  SELECT
    startTime,
    DATE(startTime, 'Europe/London') AS settlementDate,
    MIN(frequency) AS lowestFrequency,
    AVG(frequency) AS meanFrequency,
    MAX(frequency) AS highestFrequency,
    {{ sample_seconds }} * COUNT(DISTINCT IF(is_outside, slot, NULL)) AS secondsOutside,
    COUNT(DISTINCT slot) AS samples
  FROM samples
  GROUP BY startTime
)

SELECT
  startTime,
  settlementDate,
  1 + DIV(
    TIMESTAMP_DIFF(startTime, TIMESTAMP(settlementDate, 'Europe/London'), MINUTE), 30
  ) AS settlementPeriod,
  lowestFrequency,
  meanFrequency,
  highestFrequency,
  secondsOutside,
  samples,
  samples / {{ 60 // sample_seconds }} AS completeness
FROM minutes
{% if between %}
WHERE startTime >= from_utc AND startTime < to_utc
{% endif %}
