"""The bridge: every message of the IRIS queue to a Pub/Sub topic, and nothing lost."""
