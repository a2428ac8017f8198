"""The table of verdicts with which every run ends in the terminal. Quick to import: it is all a finished run needs."""

from __future__ import annotations

import errno
import os
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from expzoo.science import wording
from expzoo.store import run_directory
from expzoo.system.console import STEERS

if TYPE_CHECKING:
    from expzoo.science.verdicts import Verdict

COLOURS = {"supported": "green", "not supported": "red", "inconclusive": "yellow", "withheld": "magenta"}
NARROW = 72
LINES = 2  # of what was published
_WIDEST = {"effect": 11, "published": 13}
_RIGHT = ("effect", "n")


class _Console(Console):
    """One that leaves it to the command what it means that nobody reads on."""

    def on_broken_pipe(self) -> NoReturn:
        """Called while the BrokenPipeError is handled; rich itself ends the process, with exit code 1."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def print_verdicts(
    verdicts: Iterable[Verdict | Mapping[str, object]], directory: Path | str, console: Console | None = None
) -> None:
    """Print the verdicts as a table (on a narrow terminal one below the other) and where the report of the run is.

    Raises:
        ValueError: a verdict has a field at fault.
    """
    console = console or _Console()
    claims = wording.as_verdicts(verdicts)
    if not claims:
        _print(console, Text("no verdicts: no analysis of this run judges a claim"))
    elif console.width < NARROW:
        for claim in claims:
            _print(console, _block(claim))
    else:
        console.print(_table(claims, console))
    if len(claims) > 1:
        _print(console, Text(", ".join(f"{count} {outcome}" for outcome, count in wording.tally(claims))))
    report = Path(directory) / run_directory.REPORT
    _print(console, Text(f"report: {report if report.exists() else directory}"), wrap=False)


def _table(claims: Sequence[Verdict], console: Console) -> Table:
    headings = ["claim", "effect", wording.common_level(claims), "n", "verdict", "published"]
    rows = [_cells(claim) for claim in claims]
    for row in rows:
        row[1] = re.sub("% .*", "%", row[1])  # the page has the whole unit
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    spare = max(0, console.width - 100)
    widths = [min(width, _WIDEST.get(name, width) + spare) for name, width in zip(headings, widths, strict=True)]
    widths[0] = max(16, min(widths[0], console.width - sum(widths[1:]) - 2 * len(widths)))
    headings[0], names = _shortened([row[0] for row in rows], widths[0])
    for row in rows:
        row[-1] = textwrap.shorten(row[-1], LINES * (widths[-1] - 2), placeholder=" ...")
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for heading, width in zip(headings, widths, strict=True):
        table.add_column(heading, max_width=width, overflow="fold", justify="right" if heading in _RIGHT else "left")
    for claim, name, row in zip(claims, names, rows, strict=True):
        cells = [Text(_encodable(cell, console)) for cell in [_broken(name, widths[0]), *row[1:]]]
        cells[4].stylize(COLOURS[claim.verdict])
        table.add_row(*cells)
    return table


def _shortened(names: list[str], width: int) -> tuple[str, list[str]]:
    """The heading and the names; where they are too long, what all have before the first dot is said only once."""
    family = {name.partition(".")[0] for name in names}
    if len(family) > 1 or max(map(len, names)) <= width or any("." not in name for name in names):
        return "claim", names
    return f"claim {family.pop()}.", [name.partition(".")[2] for name in names]


def _cells(claim: Verdict) -> list[str]:
    effect, interval = wording.effect(claim).replace("percentage points", "pp"), wording.interval(claim)
    return [claim.claim, effect, interval, str(claim.n), claim.verdict, wording.brief(claim.published) or "-"]


def _block(claim: Verdict) -> Text:
    name, effect, interval, n, outcome, published = _cells(claim)
    block = Text(name + "\n  ")
    block.append(outcome, COLOURS[outcome])
    block.append(f": {effect} {interval}, n = {n}\n" if effect != "none" else f": no effect measured, n = {n}\n")
    return block.append(f"  published: {published}\n") if claim.published else block


def _broken(name: str, width: int) -> str:
    """The name on lines of at most `width`, broken after a dot or an underscore where it has one."""
    lines = [""]
    for part in re.findall(r"[^._]*[._]|[^._]+", name):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _print(console: Console, text: Text, *, wrap: bool = True) -> None:
    safe = Text(_encodable(text.plain, console))
    safe.spans = text.spans
    console.print(safe, soft_wrap=not wrap)


def _encodable(text: str, console: Console) -> str:
    """The text as the terminal can show it: nothing that steers it, nothing its encoding lacks."""
    return STEERS.sub("?", text).encode(console.encoding, "replace").decode(console.encoding)
