"""The prompt of a terminal: lines to edit, earlier statements, colours, completion."""

import os
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import ThreadedCompleter
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers import GoogleSqlLexer

from command.usage import UsageError
from sql.query.catalogue import Catalogue
from sql.query.statements import split
from sql.shell.completion import NameCompleter
from sql.shell.words import is_word

PROMPT = "sql> "
CONTINUED = "...> "


class Prompt:
    """Asks the user for statements."""

    def __init__(self, catalogue: Catalogue, history: Path | None) -> None:
        self._session: PromptSession[str] = PromptSession(
            PROMPT,
            multiline=True,
            prompt_continuation=CONTINUED,
            history=history_in(history),
            lexer=PygmentsLexer(GoogleSqlLexer),
            # A new name is asked for over the network: typing goes on meanwhile.
            completer=ThreadedCompleter(NameCompleter(catalogue)),
            complete_while_typing=False,
            key_bindings=_keys(),
        )

    def ask(self) -> str | None:
        """The next statements; None when the user ends. Ctrl-C drops the line."""
        while True:
            try:
                text = self._session.prompt()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return None
            if text.strip():
                return text


def history_in(file: Path | None) -> History:
    """The earlier statements of a file, which only its owner may read.

    Raises:
        UsageError: It cannot be written.
    """
    if file is None:
        return InMemoryHistory()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    except OSError as error:
        raise UsageError(f"cannot write the history {file}: {error.strerror}") from None
    return FileHistory(file)


def _keys() -> KeyBindings:
    """Enter ends a statement that ends with `;`, and otherwise the line."""
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        text = buffer.text
        if not text.strip() or is_word(text) or is_complete(text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return keys


def is_complete(text: str) -> bool:
    """Whether the last statement has ended."""
    return not split(text).rest.strip()
