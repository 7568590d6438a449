"""How many examples a property is tried with.

`HYPOTHESIS_MAX_EXAMPLES=5000` for a long look. A test whose examples are slow, or which
is made for each dataset, has a number of its own otherwise.
"""

import os


def examples(usual: int) -> int:
    """The number that the environment asks for, or the usual one."""
    return int(os.environ.get("HYPOTHESIS_MAX_EXAMPLES", usual))
