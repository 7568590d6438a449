"""All SQL of the product as text."""
