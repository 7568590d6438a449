{% from "views/macros.sql" import arrived_utc %}
{# The last publication of each set, where a message of IRIS is a publication.

   iris          the _iris table
   columns       the names of the view's columns, in order
   iris_columns  how each is read from the _iris table
   histories     for each historic table: name, and the SQL of every column
   key           the latest key, and the partition column if it follows from the key
   within        common table expressions over `records`, of which `chosen` has some whole
                 sets; undefined for all
   set_key       the columns that name a set; the partition column is one of them
   stages        the column that says at which stage a set is, with its values in capitals

   An answer of the API is no whole publication: it is cut where the request ended. It is
   the last one of a set only if it was asked later and has a record that the last message
   lacks. History is one publication, the oldest.
#}
WITH records AS (
  SELECT
{% for column in columns %}
    {{ iris_columns[column] | aliased(column) }}{{ "," if not loop.last }}
{% endfor %}
  FROM {{ iris | name }}
{% for history in histories %}
  UNION ALL
  SELECT
{% for column in columns %}
    {{ history.expressions[column] | aliased(column) }}{{ "," if not loop.last }}
{% endfor %}
  FROM {{ history.table | name }}
{% endfor %}
),

{% if within is defined %}
{{ within }},

{% endif %}
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
  FROM {{ "chosen" if within is defined else "records" }}
),

{% for column, values in stages.items() %}
staged AS (
  SELECT
    *,
    CASE UPPER({{ column | name }})
{% for value in values %}
      WHEN {{ value | text }} THEN {{ loop.index }}
{% endfor %}
    END AS step
  FROM publications
),

steps AS (
  SELECT
    *,
    MAX(step) OVER (
      PARTITION BY
{% for expression in set_key %}
        {{ expression }},
{% endfor %}
        publication
    ) AS last_published_step,
    MAX(step) OVER (
      PARTITION BY
{% for expression in set_key %}
        {{ expression }}{{ "," if not loop.last }}
{% endfor %}
    ) AS last_step
  FROM staged
),

-- The first stage is over when there is a later one, whenever and wherever each arrived.
-- Of several stages in one publication, the last one holds.
in_force AS (
  SELECT *
  FROM steps
  WHERE
    step IS NULL
    OR (step = last_published_step AND (step > 1 OR last_step = 1))
),

{% endfor %}
last_messages AS (
  SELECT
    *,
    FIRST_VALUE(publication) OVER by_arrival AS last_publication,
    FIRST_VALUE(arrived_utc) OVER by_arrival AS last_utc
  FROM {{ "in_force" if stages else "publications" }}
  WINDOW
    -- Names end with serial numbers: 10 comes after 9.
    by_arrival AS (
      PARTITION BY
{% for expression in set_key %}
        {{ expression }}{{ "," if not loop.last }}
{% endfor %}
      ORDER BY
        publication IS NOT NULL DESC,
        arrived_utc DESC NULLS LAST,
        LENGTH(publication) DESC,
        publication DESC
    )
),

-- Rows of the last message, and what may replace or, where there is none, stand for it.
candidates AS (
  SELECT
    *,
    publication IS NOT NULL AS is_message
  FROM last_messages
  WHERE
    last_publication IS NULL
    OR publication = last_publication
    OR (is_api AND arrived_utc > last_utc)
),

things AS (
  SELECT
    *,
    -- The message may have come twice, and several answers may have the thing.
    is_message IS DISTINCT FROM LAG(is_message) OVER thing AS is_first,
    NOT is_message
    AND (
      last_publication IS NULL
      OR record_id IS DISTINCT FROM
      FIRST_VALUE(IF(is_message, record_id, NULL)) OVER thing
    ) AS is_new
  FROM candidates
  WINDOW
    thing AS (
      PARTITION BY
{% for expression in key %}
        {{ expression }}{{ "," if not loop.last }}
{% endfor %}
      ORDER BY
        is_message DESC,
        source != "HISTORIC" DESC,
        arrived_utc DESC NULLS LAST,
        LENGTH(message_id) DESC NULLS LAST,
        message_id DESC NULLS LAST,
        record_id DESC NULLS LAST
    )
)

SELECT
{% for column in columns %}
  {{ column | name }}{{ "," if not loop.last }}
{% endfor %}
FROM things
WHERE is_first
-- The columns of a set have that by which the tables are partitioned: a filter on it
-- reads only its partitions.
QUALIFY is_message = (
  COUNTIF(is_new) OVER (
    PARTITION BY
{% for expression in set_key %}
      {{ expression }}{{ "," if not loop.last }}
{% endfor %}
  ) = 0
)
