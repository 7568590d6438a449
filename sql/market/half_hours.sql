{# Half-hours, for queries that read single days. #}
{# The start of the half-hour that settlementDate and settlementPeriod name. #}
{% macro start_of_half_hour() -%}
TIMESTAMP_ADD(
  TIMESTAMP(settlementDate, 'Europe/London'),
  INTERVAL 30 * (settlementPeriod - 1) MINUTE
)
{%- endmacro %}
{# A condition for the half-hours that begin from from_utc to before to_utc. #}
{% macro half_hours_between() -%}
{% from "market/acceptances.sql" import days %}
{{ days() }}
    AND {{ start_of_half_hour() | indent(4) }} >= from_utc
    AND {{ start_of_half_hour() | indent(4) }} < to_utc
{%- endmacro %}
