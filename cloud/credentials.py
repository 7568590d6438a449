"""Google credentials: what to say if there are none."""

from google.auth.exceptions import GoogleAuthError

from command.text import first_line
from command.usage import UsageError


def no_credentials(error: GoogleAuthError) -> UsageError:
    """The mistake of a user who has not logged in."""
    return UsageError(
        f"no Google credentials ({first_line(error)}): "
        "run `gcloud auth application-default login`"
    )
