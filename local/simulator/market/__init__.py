"""The demo's market: one coherent system as functions of a seed and an instant.

Nothing is stored: any half-hour, past or to come, can be asked for, and two equal
questions have equal answers. Instants are whole seconds since 1970 (UTC); a half-hour
is named by its number since 1970.
"""
