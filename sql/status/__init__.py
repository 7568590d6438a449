"""`python -m sql status`: how the feed is, in a few lines."""
