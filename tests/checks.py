"""The checks of reliability (R), security (S) and determinism (D), each with the tests that show it: tests/CHECKS.md.

    python -m tests.checks [R7 D4 ...]

runs the tests that are marked `check("R7")`, of all checks or of these, and writes what came of them
into the table; rows of the others stay as they are. Slow tests are among them.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TESTS = Path(__file__).parent
PAGE = TESTS / "CHECKS.md"
NOT_YET = "not run yet"
HEAD = """# The checks, and the tests that show them

Made by `python -m tests.checks`, which runs the tests that are marked with a check; given names of
checks, it runs these and leaves the other rows. n/N counts cases of tests that passed; what a test
counts within one case, such as kills, it says itself.

| check | what must hold | n/N | tests |
|---|---|---|---|
"""

CHECKS = {
    "R1": "networks killed by SIGKILL at 50 random times end with the bits of an undisturbed run",
    "R2": "so do 20 that are killed five times each",
    "R3": "so do those killed at every point of a write; once something was kept, something is there",
    "R4": "so it is where TMPDIR is another file system: nothing is half written, nothing is left",
    "R5": "SIGINT and SIGTERM, once or twice, stop at a step, and the same command goes on",
    "R6": "every flipped bit of what is stored is noticed, and what is trained again has the same bits",
    "R7": "what is cut short, of another key, of another format or no file is refused by name",
    "R8": "a full disk and files that may not grow: a clear error, what was kept stays, it goes on later",
    "R9": "a directory that cannot be written is refused before training; a failure of any write loses nothing",
    "R10": "a finished command typed again trains nothing and writes nothing",
    "R11": "what decides results changes a run's name, and nothing else does",
    "R12": "64 processes at once on one store: each network once, none lost, equal bits",
    "R13": "jobs that differ never share a directory",
    "R14": "leases of processes that are gone, that live, of other machines, or that are no leases",
    "R15": "one job that fails fails alone, and is said; the others finish",
    "R16": "a network that diverges changes nobody else's bits, and is told",
    "R17": "where all networks diverge, training ends early and nothing is supported",
    "R18": "a logger that cannot write, or has no login, loses no result",
    "R19": "files, manifests, keys and names of earlier versions are read, or said and left alone",
    "R20": "keeping members in training takes 2 % of the time at most",
    "R21": "clock, time zone, locale, and names with blanks, signs and 200 letters change nothing",
    "R22": "of what is kept of a member the one before stays until the new one is whole",
    "S1": "hostile configs and command lines are refused before anything of theirs is imported",
    "S2": "so is what strangers put into runs, sweeps and stores, by every verb",
    "S3": "only registered names are built",
    "S4": "no pickle, eval, exec, shell or unpacking in the sources",
    "S5": "nothing is unpickled while experiments run",
    "S6": "forged headers, claims of size and random bytes are refused at little cost",
    "S7": "hostile archives write nothing outside their folder",
    "S8": "swapped, cut or endless downloads are refused and not kept",
    "S9": "names lead nowhere else, and steer neither a terminal nor a page",
    "S10": "secrets of the environment are in no file and no output",
    "S11": "packages are imported only when something of theirs is chosen, and what is broken is said",
    "S12": "the lock has a hash for every package, and none that is known to be bad",
    "S13": "nothing asks the network while experiments run",
    "S14": "links out of a store, a run or a folder of experiments are refused",
    "S15": "every loader of what others may have written is named in SECURITY.md's words and tested",
    "D1": "the same command in fresh processes, elsewhere, gives the same bytes",
    "D2": "a network has the same bits alone and in any crowd",
    "D3": "so it has at any place, in any packing and order",
    "D4": "so it has when it is stopped after any step and goes on",
    "D5": "so it has whatever threads and hashes the process has",
    "D6": "so it has by any launcher and in fused sweeps",
    "D7": "kernels that somebody chooses are another machine class; within one, bits are equal",
    "D8": "random numbers are Random123's, and independent",
    "D9": "training is that of a plain loop of PyTorch",
    "D10": "compiled programs are another class",
    "D11": "all of a population is on the device that trains it",
    "D12": "what determinism costs is measured",
    "D13": "a finished run is made again by `expzoo rerun`, with equal records",
    "D14": "planted nondeterminism is found by `expzoo audit`",
    "D15": "memory that was not written is never read",
}

WHY_NOT = {
    "R20": "cannot run here: no test may depend on how fast a machine is; `KEEPING_SHARE` of `engine/lightning.py` "
    "bounds it, and LOG.md has what was measured",
    "S15": "no test reads prose: the loaders' tests are those of S1 to S8",
    "D10": "cannot run here: nothing is compiled",
    "D12": "cannot run here: no test may depend on how fast a machine is; `+experiment=cost_of_determinism` does",
}
"""Checks without a test, and why."""

LACKING = {
    "R15": "no timeout: a job that hangs is the scheduler's",
    "D11": "bits on a GPU cannot be compared here: there is none",
    "S12": "that it installs is not tested here: that needs an index of packages",
}
"""What a check's tests leave out."""


@cache
def marked() -> dict[str, list[str]]:
    """The tests of each check, as pytest names them, read from the sources."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                for name in _checks(node):
                    found[name].append(f"{path.relative_to(TESTS)}::{node.name}")
    return found


def _checks(node: ast.FunctionDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.check":
            yield from (ast.literal_eval(argument) for argument in decorator.args)


@dataclass(eq=False)  # pytest keeps plugins in sets
class Counts:
    """What pytest tells of the cases of each test: how many passed, of how many, what was not run, what was counted."""

    passed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    cases: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    lacked: dict[str, str] = field(default_factory=dict)
    said: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a case by its call, or by a setup that went wrong."""
        if report.when != "call" and report.passed:
            return
        name = report.nodeid.removeprefix(f"{TESTS.name}/").partition("[")[0]
        if report.skipped:
            self.lacked[name] = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
            return
        self.cases[name] += report.when == "call" or report.failed
        self.passed[name] += report.passed
        self.said[name] += [str(value) for key, value in report.user_properties if key == "counted"]


def row(check: str, counts: Counts) -> str:
    """A line of the table."""
    tests = marked().get(check, [])
    passed, cases = (sum(table[test] for test in tests) for table in (counts.passed, counts.cases))
    told = [f"{passed}/{cases}"] if cases else []
    told += [line for test in tests for line in counts.said[test]]
    told += [f"NOT RUN: {counts.lacked[test].removeprefix('Skipped: ')}" for test in tests if test in counts.lacked]
    told += [text for text in (LACKING.get(check), WHY_NOT.get(check)) if text]
    return _line(check, "; ".join(told), tests)


def _line(check: str, told: str, tests: Sequence[str]) -> str:
    return f"| {check} | {CHECKS[check]} | {told} | {', '.join(f'`{test}`' for test in tests)} |"


def rows() -> dict[str, str]:
    """The lines of the table as they stand in the file."""
    lines = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else []
    return {found[1]: line for line in lines if (found := re.match(r"\| ([RSD]\d+) \|", line))}


def main(asked: Sequence[str]) -> int:
    """Run the tests of these checks, or of all, and write the table; pytest's exit code."""
    if unknown := [name for name in asked if name not in CHECKS]:
        sys.stderr.write(f"there is no check {', '.join(unknown)}: R1 to R22, S1 to S15, D1 to D15\n")
        return 2
    checks = list(asked) or list(CHECKS)
    counts, code = Counts(), 0
    if tests := sorted({f"{TESTS / test}" for check in checks for test in marked().get(check, [])}):
        code = int(pytest.main(["-q", "-p", "no:cacheprovider", *tests], plugins=[counts]))
    before = rows()
    lines = [
        row(check, counts)
        if check in checks
        else before.get(check) or _line(check, WHY_NOT.get(check, NOT_YET), marked().get(check, []))
        for check in CHECKS
    ]
    PAGE.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
