"""The words of the shell, which need no `;`."""

HELP = """\
SELECT ...;      a statement ends with ; and may have several lines
tables [NAME]    tables and views whose names have this part, or the columns of one
help, quit       this list, the end (or Ctrl-D)
Tab              completes tables, columns and words of SQL
Ctrl-C           drops the line, or cancels the statement that runs
Up, Ctrl-R       earlier statements"""
ENDS = ("quit", "exit")
TABLES = "tables"
WORDS = ("help", TABLES, *ENDS)


def is_word(text: str) -> bool:
    """Whether a line is for the shell; only `tables` takes a name."""
    words = text.strip().rstrip(";").split()
    if not words or words[0].lower() not in WORDS:
        return False
    return len(words) <= 1 + (words[0].lower() == TABLES)
