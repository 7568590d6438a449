"""The soak: the whole system for hours, with faults from a seed."""
