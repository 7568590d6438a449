"""Elexon's reference list of BM units, loaded into `gb_reference_units`."""
