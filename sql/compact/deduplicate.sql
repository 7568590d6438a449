{% from "compact/macros.sql" import identity, within %}
-- One day of a table: of identical rows, the one that was ingested first stays.
--
-- ON FALSE matches nothing: the rows of the day are deleted, and those to keep are
-- inserted. It is one statement, so the day is done completely or not at all; rows that
-- arrive meanwhile are not part of it and stay.
MERGE {{ layout.table | name }} AS existing
USING (
  SELECT *
  FROM {{ layout.table | name }} AS day_rows
  WHERE
    {{ within(layout, days, layout.day_column | name) }}
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY
    {{ identity(layout) }}
    ORDER BY
{% if layout.ingested_column %}
      {{ layout.ingested_column | name }} IS NULL,
      {{ layout.ingested_column | name }},
{% endif %}
      -- Of equally old ones any, but always the same.
      TO_JSON_STRING(day_rows)
  ) = 1
) AS kept
ON FALSE
WHEN NOT MATCHED BY SOURCE
  AND {{ within(layout, days, "existing." ~ (layout.day_column | name)) }}
  THEN DELETE
WHEN NOT MATCHED BY TARGET
  THEN INSERT (
    {{ layout.columns | map("name") | join(",\n    ") }}
  )
  VALUES (
    {{ layout.columns | map("name") | join(",\n    ") }}
  )
