"""Tables and views of a BigQuery dataset: made, and brought up to date."""

from sql.apply.tables import apply_tables
from sql.apply.views import apply_views

__all__ = ["apply_tables", "apply_views"]
