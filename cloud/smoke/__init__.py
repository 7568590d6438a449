"""`python -m cloud smoke`: a few messages through a real deployment, and what is wrong.

It publishes to the topic what the bridge would, waits until the deployed pipeline has
made rows of it, looks at everything around, and says of each thing whether it works and
what to do where it does not.
"""
