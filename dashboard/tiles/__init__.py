"""The tiles, one module for each subject."""
