"""SQL rendered from the registry, and the program that applies it."""
