"""What `--help` says of every command."""

import argparse
import importlib

import pytest

from bridge.__main__ import COMMANDS as BRIDGE
from cloud.__main__ import COMMANDS as CLOUD
from local.__main__ import COMMANDS as LOCAL
from sql.__main__ import COMMANDS as SQL

MODULES = [
    command.module
    for commands in (BRIDGE, CLOUD, LOCAL, SQL)
    for command in commands.values()
]
# What an option has that is left out, and that does nothing.
NOTHING = (None, False, "", [], argparse.SUPPRESS)


@pytest.mark.parametrize("module", MODULES)
def test_every_default_is_named(module):
    parser = argparse.ArgumentParser()
    importlib.import_module(module).configure(parser)
    silent = [
        action.option_strings[0]
        for action in parser._actions
        if action.option_strings
        and not action.required
        and action.default not in NOTHING
        and "default" not in (action.help or "")
    ]
    assert silent == []


@pytest.mark.parametrize("module", MODULES)
def test_options_that_are_passed_on_are_told(module):
    parser = argparse.ArgumentParser()
    importlib.import_module(module).configure(parser)
    if parser.get_default("rest") is not None:
        assert "options are those of `python -m " in parser.epilog
