"""`python -m cloud audit`: what is shipped, looked at before a release."""
