"""What a month in the cloud costs."""
