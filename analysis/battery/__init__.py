"""Battery: what one could have earned at past prices."""
