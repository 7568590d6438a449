"""GoogleSQL in the local BigQuery, where it would not answer like BigQuery.

local-bigquery 0.4.0 translates a statement for DuckDB with sqlglot, rule by rule. The
modules here have rules that run before and after its own, each for one kind of thing.
Where the right answer is out of reach, a statement is refused.
"""
