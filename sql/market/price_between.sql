{% from "market/acceptances.sql" import days %}
{# The rows of the view in an interval.

   path      project.dataset
   columns   the names of the view's columns
#}
WITH of_days AS (
  SELECT *
  FROM {{ (path ~ ".gb_price") | name }}
  WHERE
    {{ days() }}
)

SELECT
{% for column in columns %}
  {{ column }}{{ "," if not loop.last }}
{% endfor %}
FROM of_days
WHERE startTime >= from_utc AND startTime < to_utc
