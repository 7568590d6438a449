"""Analyses: answers about the market as a table and a chart."""
