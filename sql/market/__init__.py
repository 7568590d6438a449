"""The market views `gb_*`: answers to questions about the market, from several tables.

One template a view. A module describes the views of one subject: their columns with
units, their templates, and which datasets they need. `catalogue` lists them all.
"""
