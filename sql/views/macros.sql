{# Expressions that the views share. #}

{# When IRIS had a message: if its own time is unknown, the time with which the message's
   name begins, else when the row was made. #}
{% macro arrived_utc() -%}
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
    )
{%- endmacro %}

