{# One row for each thing: the latest version of each latest key.

   unified     the _unified view
   columns     the view's columns
   key         the latest key, and the partition column if it follows from the key
   versions    what orders the versions, the first to decide first
#}
SELECT
{% for column in columns %}
  {{ column | name }}{{ "," if not loop.last }}
{% endfor %}
FROM {{ unified | name }}
WHERE TRUE
{% if prunable %}
-- Versions of one thing lie in one partition: a filter on it reads only its partitions.
{% else %}
-- The partition column is not part of the key: versions of one thing lie in several
-- partitions, and all of them are read.
{% endif %}
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY
{% for expression in key %}
    {{ expression }}{{ "," if not loop.last }}
{% endfor %}
  ORDER BY
{% for expression in versions %}
    {{ expression }} DESC NULLS LAST,
{% endfor %}
    -- If nothing in the record orders two versions: IRIS's before history's, whose time
    -- is that of a load, and of IRIS's the one that arrived last. If IRIS's own time is
    -- unknown, it is the time with which the message's name begins.
    source = "HISTORIC",
    COALESCE(
      enqueued_utc,
      SAFE_CAST(
        REGEXP_REPLACE(
          REGEXP_EXTRACT(message_id, r'_(\d{12})_'),
          r'^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})$',
          r'\1-\2-\3 \4:\5:00'
        ) AS TIMESTAMP
      ),
      ingested_utc
    ) DESC NULLS LAST,
    message_id DESC NULLS LAST,
    record_id DESC NULLS LAST
) = 1
