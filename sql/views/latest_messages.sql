{% from "views/macros.sql" import arrived_utc %}
{# The last publication of each set, where a message of IRIS is a publication.

   columns     the view's columns
   key         the latest key, and the partition column if it follows from the key
   set_key     the columns that name a set; the partition column is one of them
   records     the variables of views/unified.sql, which reads each record of each message

   An answer of the API is no whole publication: it is cut where the request ended. It is
   the last one of a set only if it was asked later and has a record that the last message
   lacks. History is one publication, the oldest.
#}
WITH records AS (
{% filter indent(2, first=true) %}
{% include "views/unified.sql" %}
{% endfilter %}
),

publications AS (
  SELECT
    *,
    source = "INSIGHTS_API" AS is_api,
    IF(
      source IN ("INSIGHTS_API", "HISTORIC"),
      NULL,
      COALESCE(message_id, CAST(ingested_utc AS STRING), "")
    ) AS publication,
    {{ arrived_utc() }} AS arrived_utc
  FROM records
),

last_messages AS (
  SELECT
    *,
    FIRST_VALUE(publication) OVER by_arrival AS last_publication,
    FIRST_VALUE(arrived_utc) OVER by_arrival AS last_utc
  FROM publications
  WINDOW
    -- Names end with serial numbers: 10 comes after 9.
    by_arrival AS (
      PARTITION BY
{% for expression in set_key %}
        {{ expression }}{{ "," if not loop.last }}
{% endfor %}
      ORDER BY
        publication IS NULL,
        arrived_utc DESC NULLS LAST,
        LENGTH(publication) DESC,
        publication DESC
    )
),

news AS (
  SELECT
    *,
    is_api AND arrived_utc > last_utc AS is_later,
    COUNTIF(publication = last_publication) OVER (
      PARTITION BY
{% for expression in set_key %}
        {{ expression }},
{% endfor %}
        record_id
    ) = 0 AS is_new
  FROM last_messages
)

SELECT
{% for column in columns %}
  {{ column | name }}{{ "," if not loop.last }}
{% endfor %}
FROM news
WHERE TRUE
-- The columns of a set have that by which both tables are partitioned: a filter on it
-- reads only its partitions.
QUALIFY
  CASE
    -- Without a message of IRIS, what history and the API have.
    WHEN last_publication IS NULL THEN TRUE
    WHEN
      COUNTIF(is_later AND is_new) OVER (
        PARTITION BY
{% for expression in set_key %}
          {{ expression }}{{ "," if not loop.last }}
{% endfor %}
      ) > 0
      THEN COALESCE(is_later, FALSE)
    ELSE COALESCE(publication = last_publication, FALSE)
  END
  -- Each thing of a publication once.
  AND ROW_NUMBER() OVER (
    PARTITION BY
{% for expression in key %}
      {{ expression }},
{% endfor %}
      publication
    ORDER BY
      source = "HISTORIC",
      arrived_utc DESC NULLS LAST,
      LENGTH(message_id) DESC NULLS LAST,
      message_id DESC NULLS LAST,
      record_id DESC NULLS LAST
  ) = 1
