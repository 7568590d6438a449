"""The pace at which the demo sends its messages."""

DEMO_RATE = 1.0
"""Messages a second, once yesterday has been sent; the real feed has 0.5 to 3.5."""

BACKLOG_RATE = 200.0
BACKLOG_BYTES_PER_SECOND = 500_000
"""The pace of yesterday: faster, and the pipeline would need 100 MB more."""
