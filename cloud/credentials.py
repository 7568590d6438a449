"""Google credentials: what to say if there are none."""

from google.auth.exceptions import GoogleAuthError

from command.usage import UsageError
from pipeline.subscription import first_line


def no_credentials(error: GoogleAuthError) -> UsageError:
    """The mistake of a user who has not logged in."""
    return UsageError(
        f"no Google credentials ({first_line(error)}): "
        "run gcloud auth application-default login"
    )
