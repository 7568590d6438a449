"""`docs/data.md`, written from the registry."""
