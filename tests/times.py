"""Which files of tests take the time: a table at the end of the output, for who wants the suite to be quicker."""

from __future__ import annotations

from collections import Counter

import pytest

ROWS = 15

_SECONDS = pytest.StashKey["Counter[str]"]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SECONDS] = Counter()
    config.pluginmanager.register(_Seconds(config.stash[_SECONDS]))


class _Seconds:
    """Adds up what is reported; of several processes, the first hears it of all."""

    def __init__(self, seconds: Counter[str]) -> None:
        self._seconds = seconds

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid.partition("::")[0]] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    seconds = config.stash[_SECONDS]
    if len(seconds) < 2 * ROWS:  # of a few files, --durations says more
        return
    whole = sum(seconds.values())
    terminalreporter.section(f"files that take most of {whole:.0f} seconds, all processes together")
    for file, own in seconds.most_common(ROWS):
        terminalreporter.line(f"{own:7.0f} s  {100 * own / whole:4.1f} %  {file}")
