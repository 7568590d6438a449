"""The steps that `pipeline/graph.py` joins."""
