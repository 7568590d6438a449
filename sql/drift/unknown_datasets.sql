SELECT
  dataset,
  payload,
  attributes
FROM {{ (path ~ ".iris_unmapped") | name }}
-- Messages of datasets that have become known stay here after their replay.
WHERE dataset NOT IN UNNEST(@known)
