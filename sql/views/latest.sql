{% from "views/macros.sql" import last_arrived %}
{# One row for each thing: the latest version of each latest key.

   unified     the _unified view
   columns     the view's columns
   key         the latest key, and the partition column if it follows from the key
   side        the side of a row, bid or offer; none if the dataset has no sides
   versions    what orders the versions, the first to decide first
   run         what tells publications of a set apart; none if the things are no set
   set_key     the columns that name a set
   horizon     what orders the points of a set, if a publication begins somewhere in it
   between     conditions that choose the rows of an interval; none for all
#}
SELECT
{% for column in columns %}
  {{ column | name }}{{ "," if not loop.last }}
{% endfor %}
{% if side %}
FROM (
  SELECT
    *,
    {{ side }} AS bid_or_offer
  FROM {{ unified | name }}
) AS sides
{% else %}
FROM {{ unified | name }}
{% endif %}
WHERE{{ " TRUE" if not between }}
{% for condition in between %}
  {{ "AND " if not loop.first }}{{ condition }}
{% endfor %}
{% if between %}
-- Only the days of the interval are read: what lies outside is not known here, also if it
-- is a later version.
{% elif prunable %}
-- Versions of one thing lie in one partition: a filter on it reads only its partitions.
{% else %}
-- The partition column is not part of the key: versions of one thing lie in several
-- partitions, and all of them are read.
{% endif %}
{% if side %}
-- A bid row and an offer row of one thing are two things. Two rows of one message are
-- not versions of each other: if nothing distinguishes their sides, both are shown.
{% endif %}
QUALIFY {{ "RANK" if side else "ROW_NUMBER" }}() OVER (
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
    {{ last_arrived() }}{{ "," if not side }}
{% if not side %}
    record_id DESC NULLS LAST
{% endif %}
) = 1
{% if run %}
{% if horizon %}
-- A publication replaces its set from its first point on: the last one that has a point
-- here or before.
{% else %}
-- A publication replaces its set, also what it lacks.
{% endif %}
AND {{ run }} IS NOT DISTINCT FROM MAX({{ run }}) OVER (
{% if set_key %}
  PARTITION BY
{% for expression in set_key %}
    {{ expression }}{{ "," if not loop.last }}
{% endfor %}
{% endif %}
{% if horizon %}
  ORDER BY {{ horizon | map("name") | join(", ") }}
{% endif %}
)
{% endif %}
