"""What is shown while networks are trained: lines where there is no terminal, a bar in a notebook."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from expzoo.lab import progress
from expzoo.system.errors import BadInput


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_line_every_so_many_seconds_and_none_for_what_takes_less(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    shown = progress.LineProgress(30, clock)
    shown.start(4, 400)
    for clock.now in (10.0, 29.0, 31.0, 40.0, 62.0):
        shown.advance(0, 50, 0)
    shown.advance(1, 0, 100)
    shown.finish()
    assert capsys.readouterr().err.splitlines() == [
        "trained 0 of 4 networks, 37 % of the steps, about 52 s left",
        "trained 0 of 4 networks, 62 % of the steps, about 37 s left",
    ]
    assert shown.words() == "trained 1 of 4 networks, 83 % of the steps, about 12 s left"


def test_a_notebook_shows_a_bar_that_moves_and_goes() -> None:
    clock, seen = Clock(), []
    handle = SimpleNamespace(update=lambda html: seen.append(html._repr_html_()))

    def show(html: progress._Html) -> SimpleNamespace:
        handle.update(html)
        return handle

    shown = progress.NotebookProgress(show, clock)
    shown.start(2, 100)
    for clock.now in (0.1, 0.3, 0.4):
        shown.advance(0, 20, 0)
    shown.finish()
    assert [text[:24] for text in seen] == ['<progress value="0.0000"', '<progress value="0.4000"', ""]


def test_which_display_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(progress.EVERY)
    assert isinstance(progress.terminal_progress(), progress.LineProgress)
    monkeypatch.setenv(progress.EVERY, "0")
    assert progress.terminal_progress() is progress.SILENT
    for odd in ("often", "-1", "inf"):
        monkeypatch.setenv(progress.EVERY, odd)
        with pytest.raises(BadInput, match=f"EXPZOO_PROGRESS={odd} is no number of seconds: give 30"):
            progress.terminal_progress()
    display = SimpleNamespace(display=lambda html, display_id: None)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1)))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    assert isinstance(progress.terminal_progress(), progress.NotebookProgress)
    assert isinstance(progress.notebook_progress(), progress.NotebookProgress)
