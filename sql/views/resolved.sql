{% from "views/resolution.sql" import resolution, shown %}
{# All declarations of a relation, resolved each time: the definition of the view.

   source    declarations, such as the _unified view
   between   whether from_utc and to_utc cut them, and reach_days prunes them
#}
{% set pruned %}
    -- One day of margin: the date is Elexon's, and not computed from timeFrom.
    AND settlementDate <= DATE_ADD(DATE(to_utc), INTERVAL 1 DAY)
    AND settlementDate >= COALESCE(
      DATE_SUB(DATE(from_utc), INTERVAL reach_days + 1 DAY), DATE '0001-01-01'
    )
{%- endset %}
WITH {{ resolution(source | name, cut=between is defined, pruned=pruned if between is defined else "") }}

SELECT
{{ shown() }}
FROM pieces
