"""The checks of `python -m sql check`: one module a check, with its SQL beside it."""
