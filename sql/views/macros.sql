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

{# The order of two versions if nothing in the record has it, the last one first. #}
{% macro last_arrived() -%}
source = "HISTORIC",
    {{ arrived_utc() }} DESC NULLS LAST,
    -- The serial numbers at its end: 10 comes after 9.
    LENGTH(message_id) DESC NULLS LAST,
    message_id DESC NULLS LAST
{%- endmacro %}

{# The text of a payload; NULL if it is packed, or no text for another reason: its bytes
   become replacement characters. #}
{% macro text_of(payload) -%}
IF(
      STRPOS(SAFE_CONVERT_BYTES_TO_STRING({{ payload }}), "\uFFFD") > 0,
      NULL,
      SAFE_CONVERT_BYTES_TO_STRING({{ payload }})
    )
{%- endmacro %}
