"""What `--help` says of every command."""

import argparse

import pytest

from analysis.__main__ import COMMANDS as ANALYSIS
from bridge.__main__ import COMMANDS as BRIDGE
from cloud.__main__ import COMMANDS as CLOUD
from dashboard.__main__ import COMMANDS as DASHBOARD
from local.__main__ import COMMANDS as LOCAL
from sql.__main__ import COMMANDS as SQL

PACKAGES = (ANALYSIS, BRIDGE, CLOUD, DASHBOARD, LOCAL, SQL)
COMMANDS = [command for commands in PACKAGES for command in commands.values()]
# What an option has that is left out, and that does nothing.
NOTHING = (None, False, "", [], argparse.SUPPRESS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.module)
def test_every_default_is_named(command):
    parser = argparse.ArgumentParser()
    command.load().configure(parser)
    silent = [
        action.option_strings[0]
        for action in parser._actions
        if action.option_strings
        and not action.required
        and action.default not in NOTHING
        and "default" not in (action.help or "")
    ]
    assert silent == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.module)
def test_options_that_are_passed_on_are_named(command):
    parser = argparse.ArgumentParser()
    command.load().configure(parser)
    if parser.get_default("rest") is not None:
        assert "options are those of `python -m " in parser.epilog
