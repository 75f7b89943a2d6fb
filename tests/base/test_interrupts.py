"""Ctrl-C is a line whatever a library makes of it."""

import sys

import pytest

from captcha_tagger.adopt import check
from captcha_tagger.base.stage import run
from captcha_tagger.commands.cli import main


def fail_over_interrupt() -> None:
    """As tqdm's lock does when Ctrl-C comes while it is acquired."""
    try:
        raise KeyboardInterrupt
    finally:
        raise RuntimeError("cannot release un-acquired lock")


def test_a_clean_up_that_fails_over_it_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["stages/split.py"])
    with pytest.raises(SystemExit) as end:
        run(fail_over_interrupt)
    assert (end.value.code, capsys.readouterr().err) == (130, "split: interrupted\n")
    monkeypatch.setattr(check, "check", fail_over_interrupt)
    with pytest.raises(SystemExit) as end:
        main(["check"])
    assert (end.value.code, capsys.readouterr().err) == (130, "captcha-tagger check: interrupted\n")


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["stages/split.py"])
    with pytest.raises(ZeroDivisionError):
        run(lambda: print(1 / 0))
