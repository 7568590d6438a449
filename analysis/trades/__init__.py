"""Trades: when, at what price and how often a unit is accepted."""
