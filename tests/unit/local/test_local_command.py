"""`python -m local` before a command runs."""

import importlib

from local.__main__ import main


def test_ctrl_c_while_libraries_load_ends_it_in_silence(monkeypatch, capsys):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", interrupted)
    assert main(["stack", "run"]) == 130
    assert capsys.readouterr() == ("", "")
