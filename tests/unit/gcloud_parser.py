"""Parses commands as gcloud does, and runs none: a program for the SDK's own Python.

Its argument is the SDK's folder. Standard input is a JSON list of commands, each a list
of words without `gcloud`; standard output a list of what the parser refuses: null for a
command that it accepts. gcloud takes a second or more to start: here it starts once.
"""

import json
import os
import sys
import tempfile
from typing import Any


def parser_of(folder: str) -> Any:
    """gcloud's parser, with all its commands, which load when they are named."""
    sys.path[:0] = [f"{folder}/lib", f"{folder}/lib/third_party"]
    from googlecloudsdk import gcloud_main

    return gcloud_main.CreateCLI([])._CLI__parser


def refusal(parser: Any, words: list[str]) -> str | None:
    """Why the parser refuses a command; None if it does not."""
    try:
        given = parser.parse_args(words)
        if given.CONCEPT_ARGS is not None:
            given.CONCEPT_ARGS.ParseConcepts()
    except SystemExit:
        return "refused"
    except Exception as error:  # noqa: BLE001 - it is reported
        return f"{type(error).__name__}: {error}"
    return None


def with_reason(parser: Any, words: list[str]) -> str | None:
    """The same, with what gcloud prints: it holds on to the standard error it had."""
    with tempfile.TemporaryFile("w+") as printed:
        kept = os.dup(2)
        os.dup2(printed.fileno(), 2)
        try:
            refused = refusal(parser, words)
            sys.stderr.flush()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        printed.seek(0)
        return refused and f"{refused}: {printed.read().strip()}"


if __name__ == "__main__":
    gcloud = parser_of(sys.argv[1])
    json.dump(
        [with_reason(gcloud, words) for words in json.load(sys.stdin)], sys.stdout
    )
