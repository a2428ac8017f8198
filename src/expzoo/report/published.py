"""What was published of a claim beside what was found here, and whether the two agree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from expzoo.report.model import Report
from expzoo.science import wording
from expzoo.store import run_directory
from expzoo.system.untrusted import quoted

if TYPE_CHECKING:
    from expzoo.science.verdicts import Verdict

AGREES, EXPLAINED, OUTSIDE, OPEN = "agree", "differ for a known reason", "outside", "open"

_DIFFERENCE = re.compile(
    r"(?P<low>[+-]\d+(?:\.\d+)?)(?: to (?P<high>[+-]?\d+(?:\.\d+)?))?\s*(?:percentage points|points|pp|%)(?:$|[\s,;(])"
)
"""A published difference as a text begins with it: +9.2 points, -3 to -1 pp."""


@dataclass(frozen=True)
class Row:
    """One claim of one run: how ours and theirs stand to each other, and the line that says it."""

    outcome: str
    line: str

    @property
    def is_outside(self) -> bool:
        """Whether ours falls outside of what was published, and nothing says why."""
        return self.outcome == OUTSIDE


def compared(directory: Path) -> Iterator[Row]:
    """A row for each claim of a finished run with a published value; BadInput if that is no run."""
    report = Report.from_directory(directory, run_directory.whole(directory))
    for verdict in report.verdicts:
        if verdict.published:
            outcome = _outcome(verdict)
            reason = report.differences or (f"smaller than what was published: {report.cut}" if report.cut else "")
            if outcome == OUTSIDE and reason:
                outcome = EXPLAINED
            yield Row(outcome, _line(verdict, outcome, reason))


def _line(verdict: Verdict, outcome: str, reason: str) -> str:
    ours = f"{wording.effect(verdict)} {wording.interval(verdict)} {verdict.verdict}"
    why = {EXPLAINED: f" ({reason})", OPEN: f" ({wording.reason(verdict)})"}.get(outcome, "")
    parts = (f"ours {ours}", f"published {quoted(verdict.published, 200)}", f"{outcome}{quoted(why, 300)}")
    return f"{quoted(verdict.claim)}: {' | '.join(parts)}"


def _outcome(verdict: Verdict) -> str:
    """Of published differences in points, whether our interval meets one; of other words, whether the claim holds."""
    if verdict.verdict == "withheld" or not wording.has_interval(verdict):
        return OPEN
    found = [_DIFFERENCE.match(part.strip()) for part in verdict.published.split(";")]
    if verdict.unit.startswith("percentage point") and any(found):
        ends = [sorted((float(one["low"]), float(one["high"] or one["low"]))) for one in found if one]
        low, high = verdict.interval
        return AGREES if any(low <= most and least <= high for least, most in ends) else OUTSIDE
    return {"supported": AGREES, "not supported": OUTSIDE}.get(verdict.verdict, OPEN)
