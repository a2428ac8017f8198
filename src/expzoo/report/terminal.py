"""Verdicts or scores, with which every run ends in the terminal. Quick to import: all that a finished run needs."""

from __future__ import annotations

import errno
import os
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console
from rich.text import Text

from expzoo.science import wording
from expzoo.store import run_directory
from expzoo.system.console import STEERS

if TYPE_CHECKING:
    from expzoo.science.verdicts import Verdict

COLOURS = {"supported": "green", "not supported": "red", "inconclusive": "yellow", "withheld": "magenta"}
NARROW = 72
_SHORTEST = 9  # letters of a unit that is cut
_OUTCOME = 15  # columns of the longest outcome and what keeps it apart


class _Console(Console):
    """One that leaves it to the command what it means that nobody reads on."""

    def on_broken_pipe(self) -> NoReturn:
        """Called while the BrokenPipeError is handled; rich itself ends the process, with exit code 1."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def print_verdicts(
    verdicts: Iterable[Verdict | Mapping[str, object]],
    directory: Path | str,
    console: Console | None = None,
    scores: Iterable[str] = (),
) -> None:
    """Print each verdict on two lines, or without verdicts the final `scores`, and where the report of the run is.

    A terminal of fewer than `NARROW` columns wraps the second line; from there on what is too long for it is cut.

    Raises:
        ValueError: a verdict has a field at fault.
    """
    console = console or _Console()
    claims = wording.as_verdicts(verdicts)
    for claim in claims:
        _print(console, _first(claim))
        for line in _second(claim, console.width):
            _print(console, Text(line))
    if not claims:
        _print(console, Text("no claim is judged" + (": the final scores" if (lines := [*scores]) else "")))
        for line in lines:
            _print(console, Text(f"  {line}"))
    for claim in claims:
        if stands := wording.robustness(claim):
            _print(console, Text(f"{claim.claim}: {stands}"))
    if len(claims) > 1:
        _print(console, Text(", ".join(f"{count} {outcome}" for outcome, count in wording.tally(claims))))
    report = Path(directory) / run_directory.REPORT
    _print(console, Text(f"report: {report if report.exists() else directory}"), wrap=False)


def _first(claim: Verdict) -> Text:
    """The verdict, in its colour, and the claim's name."""
    line = Text()
    line.append(f"{claim.verdict:<{_OUTCOME}}", COLOURS[claim.verdict])
    return line.append(claim.claim)


def _second(claim: Verdict, width: int) -> list[str]:
    """Effect, interval and n, then why nothing is decided or else what was published; a long unit is cut first."""
    effect, why = wording.effect(claim).replace("percentage points", "pp"), wording.reason(claim)
    number, _, unit = effect.partition(" ")
    numbers = f"{wording.interval(claim)} at {wording.level(claim)}, n = {claim.n}"
    if effect == "none":
        number, unit, numbers = "no", "effect measured,", f"n = {claim.n}"
    if width >= NARROW:
        room = width - len(f"  {number}  {numbers}; {why}")
        unit = textwrap.shorten(unit, max(room, _SHORTEST), placeholder="...") if len(unit) > room else unit
    told = why or (f"published: {wording.brief(claim.published)}" if claim.published else "")
    line = "; ".join(filter(None, [" ".join(filter(None, [number, unit, numbers])), told]))
    if width < NARROW:
        return textwrap.wrap(line, width, initial_indent="  ", subsequent_indent="  ")
    return [f"  {textwrap.shorten(line, width - 2, placeholder=' ...')}"]


def _print(console: Console, text: Text, *, wrap: bool = True) -> None:
    safe = Text(_encodable(text.plain, console))
    safe.spans = text.spans
    console.print(safe, soft_wrap=not wrap)


def _encodable(text: str, console: Console) -> str:
    """The text as the terminal can show it: nothing that steers it, nothing its encoding lacks."""
    return STEERS.sub("?", text).encode(console.encoding, "replace").decode(console.encoding)
