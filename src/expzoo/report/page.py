"""The report as one web page: offline, in one file, every text escaped, readable on a phone, in the dark and on paper.

The page's content security policy allows its own script by hash and nothing else: even a text that
escaped the escaping could neither run nor fetch.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from expzoo.report import ranges, svg
from expzoo.report.model import Report
from expzoo.science import wording
from expzoo.store import run_directory
from expzoo.system.canonical import leaves
from expzoo.system.console import STEERS
from expzoo.system.files import write_atomically

if TYPE_CHECKING:
    from expzoo.report.model import Picture
    from expzoo.science.verdicts import Verdict

MAX_ROWS = 300
_FOLDER = Path(__file__).parent
MAX_INLINE = 400_000
_MINUS = re.compile(r"(?<!\w)-(?=[\d.])")


@dataclass(frozen=True)
class _Claim:
    verdict: Verdict
    effect: str
    interval: str
    level: str
    decision: str
    settle: str
    robustness: str
    range: Markup


@dataclass(frozen=True)
class _Figure:
    picture: Picture
    svg: Markup
    readings: str
    png: str
    columns: list[str]
    rows: list[list[str]]
    row_count: int
    downloads: list[tuple[str, str]]


def render(report: Report, home: str = "") -> str:
    """The whole page; equal reports give equal text. `home` is where the page of all claims is, if there is one."""
    return (
        environment()
        .get_template("page.html.jinja")
        .render(
            **shell(),
            report=report,
            home=home,
            mark=ranges.mark,
            tally=wording.tally(report.verdicts),
            preview=_preview(report),
            claims=list(_claims(report)),
            guide=ranges.guide(),
            figures=[figure(number, picture) for number, picture in enumerate(report.pictures)],
            facts=_facts(report),
            environment=[(name, _listed(value)) for name, value in leaves(report.environment)],
            config=yaml.safe_dump(dict(report.config), sort_keys=False, allow_unicode=True) if report.config else "",
            downloads=[(name, name) for name in report.files],
        )
    )


def environment() -> Environment:
    """What pages are made from: everything that is filled in is escaped, and nothing in it turns what is read."""
    made = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_readable,
    )
    made.filters["minus"] = lambda text: _MINUS.sub("\N{MINUS SIGN}", str(text))
    return made


def _readable(value: Any) -> Any:
    """What is filled in, with a mark for each character that no text of a result has."""
    plain = isinstance(value, str) and not isinstance(value, Markup)
    return STEERS.sub("\N{REPLACEMENT CHARACTER}", value) if plain else value


def shell() -> dict[str, str]:
    """The style and the script that every page has, and the script's hash, by which a page allows it."""
    script = "\n" + (_FOLDER / "page.js").read_text(encoding="utf-8")
    return {
        "css": Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),
        "script": Markup(script[1:]),
        "script_hash": "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }


def write(directory: Path | str, manifest: Mapping[str, object] | None = None) -> Path:
    """Render the report of a run directory into it; ValueError names a file of it that is missing or damaged."""
    path = Path(directory) / run_directory.REPORT
    write_atomically(path, render(Report.from_directory(directory, manifest)).encode())
    return path


def _preview(report: Report) -> str:
    """What a link to the page says beside its title."""
    told = ", ".join(f"{count} {outcome}" for outcome, count in wording.tally(report.verdicts))
    return " ".join(filter(None, [report.question, f"{told}." if told else ""]))


def _claims(report: Report) -> Iterator[_Claim]:
    units: dict[str, list[Verdict]] = {}
    for verdict in report.verdicts:
        units.setdefault(verdict.unit, []).append(verdict)
    scales = {unit: ranges.span(verdicts) for unit, verdicts in units.items()}
    for verdict in report.verdicts:
        needed = verdict.n_needed if verdict.verdict == "inconclusive" else None
        yield _Claim(
            verdict=verdict,
            effect=wording.effect(verdict),
            interval=wording.interval(verdict),
            level=wording.level(verdict),
            decision=wording.decision(verdict),
            robustness=wording.robustness(verdict) or (report.one_setting and f"not looked at: {report.one_setting}"),
            settle=wording.settling_command(report.command, needed) if needed else "",
            range=ranges.draw(verdict, scales[verdict.unit]),
        )


def figure(number: int, picture: Picture) -> _Figure:
    """One picture as a page shows it."""
    # not escaped, but built anew by `svg.adopt` from what is allowed; where it cannot be, the png stands in
    drawing, readings = Markup(""), ""
    label = f"{picture.title}. {picture.caption}".strip()
    try:
        text, panels = svg.adopt(picture.svg, f"f{number}-", label)
        drawing = Markup(text)
        readings = json.dumps(panels, ensure_ascii=False, separators=(",", ":")) if panels else ""
    except ValueError:
        pass
    columns, rows, count = picture.table(MAX_ROWS)
    return _Figure(
        picture=picture,
        svg=drawing,
        readings=readings,
        png=_address("image/png", picture.png) if svg.is_png(picture.png) and not drawing else "",
        columns=columns,
        rows=rows,
        row_count=count,
        downloads=list(_downloads(picture)),
    )


def _downloads(picture: Picture) -> Iterator[tuple[str, str]]:
    """The kinds and addresses of a figure's files; the numbers travel inside the page unless they are many."""
    shown = {"png": svg.is_png(picture.png), "svg": svg.only_draws(picture.svg), "gif": picture.animation}
    for ending, safe in shown.items():
        if safe:
            yield ending, f"{run_directory.FIGURES}/{picture.name}.{ending}"
    numbers = picture.csv.encode()
    if numbers:
        inline = len(numbers) <= MAX_INLINE
        yield (
            "csv",
            _address("text/csv;charset=utf-8", numbers) if inline else f"{run_directory.FIGURES}/{picture.name}.csv",
        )


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _facts(report: Report) -> list[tuple[str, str]]:
    networks = report.networks
    return [
        ("trained", f"{networks.trained:,}"),
        ("from the store", f"{networks.cached:,}"),
        ("diverged", f"{networks.diverged:,}"),
        ("time of training", duration(networks.seconds)),
        ("time of looking at networks", duration(networks.looking_seconds)),
    ]


def duration(seconds: float) -> str:
    """A time as it is read: 3.2 s, 4 min 5 s, 2 h 10 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
