"""What IRIS sends that the registry does not know, and how it becomes known."""
