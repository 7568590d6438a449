"""The dashboard: live pages of the tables, local or in a project. It only reads."""
