"""What is resolved of declarations, brought up to date."""
