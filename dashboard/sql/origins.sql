-- How many rows of each day are from where. Only the days' partitions are read.
{% for each in each_dataset %}
{% if not loop.first %}
UNION ALL
{% endif %}
SELECT
  '{{ each.dataset.name }}' AS dataset,
  {{ each.day }} AS day,
  source,
  COUNT(*) AS row_count
FROM {{ of(each.table) }}
WHERE {{ each.column }} >= {{ each.first }} AND {{ each.column }} < {{ each.end }}
GROUP BY day, source
{% endfor %}
