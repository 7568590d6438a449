"""The registry's data: one YAML file a dataset, no code."""
