"""The forms in which messages lie in files."""
