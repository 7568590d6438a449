"""`python -m cloud smoke`: sends a few messages through a real deployment.

It publishes messages to the topic as the bridge does, waits until the deployed pipeline
has written their rows, and checks everything around: tables, permissions, quotas. For
each check it reports whether the part works and, if not, what to do.
"""
