"""Publishes dead letters and unmapped messages again."""
