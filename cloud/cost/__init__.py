"""`python -m cloud cost`: what a month in Google Cloud costs."""
