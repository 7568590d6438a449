SELECT
  dataset,
  payload,
  attributes
FROM {{ (path ~ ".iris_unmapped") | name }}
-- Messages of datasets that are known now stay here after their replay.
WHERE dataset NOT IN UNNEST(@known)
