"""`python -m sql query` and `tables`: ask BigQuery, and export what it answers."""
