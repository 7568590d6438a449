{% from "market/names.sql" import bare, cleaned %}
{% from "market/remit.sql" import capacities, highest_first, reported_unit, units, with_unit %}
{# The revisions of each message about an outage, and when each was what was known.

   path      project.dataset
   sources   the datasets that name a unit by both of its names
#}
WITH {{ units(path, sources) }}

in_turn AS (
  SELECT
    *,
    ROW_NUMBER() OVER (
      PARTITION BY mrid
      ORDER BY
        {{ highest_first() | indent(2) }}
    ) AS turn
  FROM {{ (path ~ ".bmrs_remit_unified") | name }}
  WHERE
    publishTime IS NOT NULL
    AND NOT STARTS_WITH(LOWER(COALESCE(messageType, '')), 'other')
),

-- A revision counts until a higher one is published.
dated AS (
  SELECT
    *,
    MIN(publishTime) OVER (
      PARTITION BY mrid
      ORDER BY turn
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS knownUntil
  FROM in_turn
),

messages AS (
  SELECT
    mrid,
    revisionNumber,
    publishTime,
    knownUntil,
    participantId,
    cause,
    eventType,
    eventStatus,
    unavailabilityType,
    eventStartTime,
    eventEndTime,
    {{ cleaned("fuelType") }} AS fuelType,
    {{ reported_unit() }},
    {{ capacities() }}
  FROM dated
  -- One that was published after a higher one was never known.
  WHERE knownUntil IS NULL OR publishTime < knownUntil
),

named_messages AS (
  SELECT
    messages.* EXCEPT (fuelType),
    COALESCE(exact.nationalGridBmUnit, bare.nationalGridBmUnit)
      AS nationalGridBmUnit,
    COALESCE(exact.bmUnit, bare.bmUnit) AS bmUnit,
    COALESCE(messages.fuelType, fuels.fuel) AS fuelType
  FROM messages
  {{ with_unit("messages") }}
)

SELECT
  COALESCE(nationalGridBmUnit, reported) AS unit,
  nationalGridBmUnit,
  bmUnit,
  fuelType,
  eventType,
  unavailabilityType,
  eventStatus,
  normalCapacity,
  availableCapacity,
  stated AS unavailableCapacity,
  eventStartTime,
  eventEndTime,
  mrid,
  revisionNumber,
  publishTime AS knownFrom,
  knownUntil,
  participantId,
  cause
FROM named_messages
