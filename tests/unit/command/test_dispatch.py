"""A command line of several commands: what each user's mistake and Ctrl-C end with."""

import sys
import types

import pytest

from command import dispatch
from command.dispatch import Command
from command.usage import UsageError

COMMANDS = {
    "count": Command("commands_of_test", "count something"),
    "later": Command("not_a_module", "is not loaded unless asked for"),
}


@pytest.fixture
def module(monkeypatch):
    """The module of `count`; a test replaces its `run`."""
    module = types.ModuleType("commands_of_test")
    module.configure = lambda parser: parser.add_argument("--to", type=int, default=3)
    module.run = lambda options: options.to
    monkeypatch.setitem(sys.modules, "commands_of_test", module)
    return module


def run(*arguments):
    return dispatch.run("python -m test", "Tests.", COMMANDS, arguments)


def test_the_exit_code_is_that_of_the_command(module):
    assert (run("count"), run("count", "--to", "5")) == (3, 5)


def test_a_module_may_have_several_commands(module):
    module.DOUBLE = types.SimpleNamespace(
        configure=module.configure, run=lambda options: 2 * options.to
    )
    commands = {"double": Command("commands_of_test:DOUBLE", "count twice")}
    arguments = ["double", "--to", "4"]
    assert dispatch.run("python -m test", "Tests.", commands, arguments) == 8


def test_help_lists_every_command_and_loads_none(capsys):
    with pytest.raises(SystemExit) as ended:
        run("--help")
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert all(name in out and each.purpose in out for name, each in COMMANDS.items())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "python -m test: the following arguments are required: COMMAND"),
        (("--to", "1", "count"), "python -m test: --to: the command comes first"),
        (("cuont",), "python -m test: argument COMMAND: invalid choice: 'cuont'"),
        (("count", "--form"), "python -m test count: unrecognized arguments: --form"),
        (("count", "--to", "x"), "python -m test count: argument --to: invalid int"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_code_2(
    module, capsys, arguments, complaint
):
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(complaint)


def test_a_users_mistake_is_one_line_and_code_2(module, capsys):
    def refuse(options):
        raise UsageError("folder x does not exist")

    module.run = refuse
    assert run("count") == 2
    assert capsys.readouterr().err == "python -m test count: folder x does not exist\n"


def test_ctrl_c_ends_with_130_also_while_the_command_is_loaded(module, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    module.run = interrupt
    assert run("count") == 130
    module.configure = interrupt
    assert run("count") == 130
    assert capsys.readouterr().err == ""


def test_another_error_passes(module):
    def fail(options):
        raise RuntimeError("not for the dispatcher")

    module.run = fail
    with pytest.raises(RuntimeError):
        run("count")


def test_options_are_passed_on_where_the_command_says_so(module):
    module.configure = lambda parser: parser.set_defaults(rest=[])
    module.run = lambda options: options.rest == ["--form", "x"]
    assert run("count", "--form", "x")
