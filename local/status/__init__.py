"""`python -m local status`: how the parts on this machine are."""
