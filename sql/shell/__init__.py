"""`python -m sql shell`: an interactive prompt for statements."""
