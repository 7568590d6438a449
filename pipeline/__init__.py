"""The Beam pipeline: IRIS messages to typed, deduplicated BigQuery rows."""
