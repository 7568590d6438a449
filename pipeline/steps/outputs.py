"""Outputs: the type of what a step returns that has several outputs."""

from typing import TypeAlias

import apache_beam as beam

# One PCollection an output, by name: `.rows`, `.ledger`. As text, because Beam reads
# the annotations of `expand`, and warns of every type that is not a PCollection.
Outputs: TypeAlias = "beam.pvalue.DoOutputsTuple"
