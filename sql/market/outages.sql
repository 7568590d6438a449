{% from "market/names.sql" import bare, cleaned %}
{% from "market/remit.sql" import capacities, highest_first, reported_unit, units, with_unit %}
{# One row for each unit and event, even if several participants report it.

   path      project.dataset
   sources   the datasets that name a unit by both of its names
   at        the instant, as SQL; empty for all events
   known     what was published until then counts, as SQL; empty for all
#}
-- An event is known by unit, kind (eventType), planned or not, window and capacity.
-- Messages are reports of one event if they are of one unit, kind and type, overlap in
-- time, and state the same capacity, rounded to 1 MW. Their start, end and cause may
-- differ: a trader copies a report by hand. One sender revises a message and does not
-- send it under another mrid: of one sender, messages with different causes are
-- different events.
WITH {{ units(path, sources) }}

{% if known %}
-- What was published by then: of each mrid the highest revision.
known_messages AS (
  SELECT *
  FROM {{ (path ~ ".bmrs_remit_unified") | name }}
  WHERE publishTime <= {{ known }}
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY mrid
    ORDER BY
      {{ highest_first() }}
  ) = 1
),

{% endif %}
messages AS (
  SELECT
    mrid,
    revisionNumber,
    publishTime,
    participantId,
    cause,
    eventType,
    unavailabilityType,
    eventStartTime,
    outageProfile,
    {{ cleaned("fuelType") }} AS fuelType,
    {{ reported_unit() }},
    -- An inactive event is over. Its message says so when it is published.
    IF(
      LOWER(TRIM(eventStatus)) = 'inactive',
      LEAST(COALESCE(eventEndTime, publishTime), publishTime),
      eventEndTime
    ) AS eventEndTime,
    {{ capacities() }}
  FROM {{ "known_messages" if known else (path ~ ".bmrs_remit_latest") | name }}
  WHERE
    LOWER(TRIM(COALESCE(eventStatus, 'active'))) IN ('active', 'inactive')
    AND NOT STARTS_WITH(LOWER(COALESCE(messageType, '')), 'other')
),

in_time AS (
  SELECT
    *,
{% if at %}
    -- Steps are half open. Of steps that overlap, the one that starts last decides.
    (
      SELECT step.capacity
      FROM UNNEST(messages.outageProfile) AS step
      WHERE
        step.capacity IS NOT NULL
        AND (step.startTime IS NULL OR step.startTime <= {{ at }})
        AND (step.endTime IS NULL OR step.endTime > {{ at }})
      ORDER BY step.startTime DESC, step.capacity ASC
      LIMIT 1
    ) AS step_capacity
{% else %}
    CAST(NULL AS FLOAT64) AS step_capacity
{% endif %}
  FROM messages
  WHERE
{% if at %}
    (eventStartTime IS NULL OR eventStartTime <= {{ at }})
    AND (eventEndTime IS NULL OR eventEndTime > {{ at }})
{% else %}
    eventStartTime IS NULL OR eventEndTime IS NULL OR eventStartTime < eventEndTime
{% endif %}
),

reports AS (
  SELECT
    in_time.* EXCEPT (fuelType, availableCapacity),
    COALESCE(exact.nationalGridBmUnit, bare.nationalGridBmUnit)
      AS nationalGridBmUnit,
    COALESCE(exact.bmUnit, bare.bmUnit) AS bmUnit,
    COALESCE(in_time.fuelType, fuels.fuel) AS fuelType,
    COALESCE(in_time.step_capacity, in_time.availableCapacity) AS availableCapacity,
    COALESCE(
      IF(
        in_time.step_capacity > in_time.normalCapacity,
        0,
        in_time.normalCapacity - in_time.step_capacity
      ),
      in_time.stated
    ) AS unavailableCapacity,
    CAST(ROUND(in_time.stated) AS INT64) AS stated_mw,
    -- Without a unit's name, a message is a report of its own.
    COALESCE(
      exact.nationalGridBmUnit,
      bare.nationalGridBmUnit,
      {{ bare("in_time.reported") }},
      CONCAT('mrid ', in_time.mrid)
    ) AS unit_key,
    LOWER(TRIM(COALESCE(in_time.eventType, ''))) AS kind,
    LOWER(TRIM(COALESCE(in_time.unavailabilityType, ''))) AS planned,
    LOWER(TRIM(COALESCE(in_time.cause, ''))) AS reason,
    -- An mrid is the sender's code and a number.
    CONCAT(
      COALESCE(in_time.participantId, ''),
      ' ',
      REGEXP_REPLACE(in_time.mrid, r'[^-_]*$', '')
    ) AS sender
  FROM in_time
  {{ with_unit("in_time") }}
),

-- Reports that overlap in time have the same number.
{% if at %}
overlapping AS (
  SELECT
    *,
    0 AS stretch
  FROM reports
),

{% else %}
in_turn AS (
  SELECT
    *,
    MAX(COALESCE(eventEndTime, TIMESTAMP '9999-12-31')) OVER (
      PARTITION BY unit_key, kind, planned, stated_mw
      ORDER BY eventStartTime ASC NULLS FIRST, mrid ASC
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS ended_before
  FROM reports
),

overlapping AS (
  SELECT
    *,
    COUNTIF(NOT COALESCE(eventStartTime < ended_before, TRUE)) OVER (
      PARTITION BY unit_key, kind, planned, stated_mw
      ORDER BY eventStartTime ASC NULLS FIRST, mrid ASC
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS stretch
  FROM in_turn
),

{% endif %}
-- The events of each sender are numbered, so that the first of one is the first of the
-- others: there are as many events as the sender has who reports most.
numbered AS (
  SELECT
    *,
    DENSE_RANK() OVER (
      PARTITION BY unit_key, kind, planned, stated_mw, stretch, sender
      ORDER BY reason
    ) AS event
  FROM overlapping
),

stated_alike AS (
  SELECT
    * EXCEPT (eventStartTime, eventEndTime),
    CAST(ROUND(unavailableCapacity) AS INT64) AS now_mw,
    COUNT(*) OVER same_event AS reports,
    MIN(eventStartTime) OVER same_event AS eventStartTime,
    MAX(COALESCE(eventEndTime, TIMESTAMP '9999-12-31')) OVER same_event AS ended,
    -- The names that the reports themselves use.
    MIN(IF(UPPER(reported) = {{ bare("reported") }}, reported, NULL)) OVER unit AS bare_name,
    MIN(IF(UPPER(reported) != {{ bare("reported") }}, reported, NULL)) OVER unit AS elexon_name
  FROM numbered
  WHERE TRUE
  -- The newest report speaks for the event, one with a profile before one without.
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY unit_key, kind, planned, stated_mw, stretch, event
      ORDER BY
        step_capacity IS NULL ASC, publishTime DESC, revisionNumber DESC, mrid ASC
    ) = 1
  WINDOW
    unit AS (PARTITION BY unit_key),
    same_event AS (
      PARTITION BY unit_key, kind, planned, stated_mw, stretch, event
    )
),

{% if at %}
-- One sender states the largest loss of the event and its profile, another only the
-- loss of now: these are one event, too.
numbered_again AS (
  SELECT
    *,
    ROW_NUMBER() OVER (
      PARTITION BY unit_key, kind, planned, now_mw, sender
      ORDER BY stated_mw, mrid
    ) AS again
  FROM stated_alike
),

events AS (
  SELECT
    * EXCEPT (reports, eventStartTime, ended),
    SUM(reports) OVER same_event AS reports,
    MIN(eventStartTime) OVER same_event AS eventStartTime,
    MAX(ended) OVER same_event AS ended
  FROM numbered_again
  WHERE TRUE
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY unit_key, kind, planned, now_mw, again
      ORDER BY
        step_capacity IS NULL ASC, publishTime DESC, revisionNumber DESC, mrid ASC
    ) = 1
  WINDOW same_event AS (
    PARTITION BY unit_key, kind, planned, now_mw, again
  )
)

{% else %}
events AS (SELECT * FROM stated_alike)

{% endif %}
SELECT
  COALESCE(nationalGridBmUnit, bare_name, reported) AS unit,
  nationalGridBmUnit,
  COALESCE(bmUnit, elexon_name) AS bmUnit,
  fuelType,
  eventType,
  unavailabilityType,
  normalCapacity,
  availableCapacity,
  unavailableCapacity,
  eventStartTime,
  NULLIF(ended, TIMESTAMP '9999-12-31') AS eventEndTime,
  mrid,
  revisionNumber,
  publishTime,
  participantId,
  cause,
  reports
FROM events
