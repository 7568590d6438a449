"""How a row gets into BigQuery: inserts, appends, load jobs."""
