"""The table of what tests take adds up all reports of a file, the longest first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests import times


@pytest.mark.parametrize("files", [5, 40])
def test_a_long_run_ends_with_the_files_that_took_most(files: int) -> None:
    registered: list[Any] = []
    config: Any = SimpleNamespace(stash=pytest.Stash(), pluginmanager=SimpleNamespace(register=registered.append))
    times.pytest_configure(config)
    for place in range(files):
        for test in ("a", "b[x::y]"):
            report = SimpleNamespace(nodeid=f"tests/{place}.py::{test}", duration=float(place))
            registered[0].pytest_runtest_logreport(report)
    lines: list[str] = []
    times.pytest_terminal_summary(SimpleNamespace(section=lines.append, line=lines.append), config)
    if files < 2 * times.ROWS:
        assert lines == []
        return
    assert lines[0] == "files that take most of 1560 seconds, all processes together"
    assert lines[1] == "     78 s   5.0 %  tests/39.py"
    assert [line.rpartition("/")[2] for line in lines[1:]] == [f"{place}.py" for place in range(39, 24, -1)]
