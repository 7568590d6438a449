"""The views: one module for each kind, with its SQL beside it."""
