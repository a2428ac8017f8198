"""What this machine cannot test is said at the end of the output, never left out in silence.

A test that lacks its system, such as a GPU or SLURM, calls `not_run("needs a GPU")`; the fixture
`not_run` is the same function. A skip of any other kind counts as a failure, and so does a file of
tests that skips itself as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NoReturn

import pytest

_ROWS = pytest.StashKey[list[tuple[str, str]]]()


class NotRun(pytest.skip.Exception):
    """The system that a test needs is not here."""


def not_run(reason: str) -> NoReturn:
    """Ends a test that lacks its system; `reason` is what it needs."""
    raise NotRun(reason)


@pytest.fixture(name="not_run")
def _not_run() -> Callable[[str], NoReturn]:
    return not_run


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ROWS] = []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and call.excinfo and not hasattr(report, "wasxfail"):
        why = str(call.excinfo.value)
        if isinstance(call.excinfo.value, NotRun):
            item.config.stash[_ROWS].append((report.nodeid, why))
        else:
            report.outcome, report.longrepr = "failed", _refusal(report.nodeid, why)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        report.outcome, report.longrepr = "failed", _refusal(report.nodeid, str(report.longrepr))
    return report


def _refusal(test: str, why: str) -> str:
    return f"{test} was skipped ({why}): a test that lacks its system calls not_run(reason), and no other is skipped"


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash[_ROWS]
    if rows:
        terminalreporter.section(f"NOT RUN: {len(rows)}")
        width = max(len(test) for test, _ in rows)
        for test, reason in rows:
            terminalreporter.line(f"{test:{width}}  {reason}")
