"""Forecast: the prices of a day from those before it, and how wrong that was."""
