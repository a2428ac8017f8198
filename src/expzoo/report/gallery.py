"""The gallery: every claim of many runs on one page, by the document that it is from, and a small file for each run.

`entry` makes the small file from a run's directory: verdicts, what was asked and what it took, and one
picture. The index is rendered from small files alone, so a repository that holds them holds the gallery.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from expzoo.report import page, ranges
from expzoo.report.model import MAX_BYTES, Picture, Report
from expzoo.science import wording
from expzoo.science.verdicts import Verdict
from expzoo.store import run_directory
from expzoo.system import untrusted
from expzoo.system.errors import BadInput
from expzoo.system.files import write_atomically

if TYPE_CHECKING:
    from PIL import Image

DATA = "data"  # the folder of the small files
INDEX = "index.html"
MAX_PICTURE = 60_000  # bytes of the one picture of an experiment
OURS = "Ours: no document claims it"
_WIDTHS = (900, 760, 640, 520, 400, 300)  # pixels, until the picture is small enough
_COLOURS = 64
_NAME = re.compile(r"[a-z0-9_]{1,80}")
_YEAR = re.compile(r"^(?!control of ours).*?\b(?:19|20)\d\d\b\)?")


@dataclass(frozen=True)
class Entry:
    """One experiment in small: what it asks, how it was decided, what it took. `failed` says why there is no result."""

    name: str
    title: str
    question: str = ""
    source: str = ""
    budget: str = ""
    run: str = ""
    command: str = ""
    seconds: float = 0.0
    traps: tuple[str, ...] = ()
    picture: str = ""
    verdicts: tuple[Verdict, ...] = ()
    failed: str = ""

    def to_json(self) -> dict[str, object]:
        """Plain data, which `of_json` reads."""
        return {**asdict(replace(self, verdicts=())), "verdicts": [verdict.to_json() for verdict in self.verdicts]}

    @classmethod
    def of_json(cls, data: Mapping[str, object]) -> Entry:
        """The inverse, for data that nobody has checked; ValueError if a field is missing or at fault."""
        texts = {name: data[name] for name in _TEXTS}
        seconds, traps, verdicts = data["seconds"], data["traps"], data["verdicts"]
        if not all(isinstance(text, str) for text in texts.values()) or not _NAME.fullmatch(str(texts["name"])):
            raise ValueError(f"one of {', '.join(_TEXTS)} is no text, or the name is none")
        if not isinstance(seconds, int | float) or not isinstance(traps, list) or not isinstance(verdicts, list):
            raise ValueError("seconds are no number, or traps or verdicts no list")
        whole = {name: str(text) for name, text in texts.items()}
        judged = tuple(Verdict.from_json(verdict) for verdict in verdicts)
        return cls(**whole, seconds=float(seconds), traps=tuple(map(str, traps)), verdicts=judged)


_TEXTS = ("name", "title", "question", "source", "budget", "run", "command", "picture", "failed")


@dataclass
class _Group:
    source: str
    rows: list[tuple[Entry, Verdict, Markup]] = field(default_factory=list)


def prepare(folder: Path) -> None:
    """Make the folder; BadInput or OSError, before anything is run, if no gallery can be written there."""
    (folder / DATA).mkdir(parents=True, exist_ok=True)
    read_entries(folder)


def entry(directory: Path, budget: str) -> tuple[Entry, Report]:
    """The small file of a finished run, and the report that it is made of."""
    sealed = run_directory.require(directory)
    report = Report.from_directory(directory, sealed)
    seconds = sealed.get("seconds")
    made = Entry(
        name=report.experiment,
        title=report.title,
        question=report.question,
        source=report.source,
        budget=budget,
        run=report.run,
        command=report.command,
        seconds=float(seconds) if isinstance(seconds, int | float) else 0.0,
        traps=report.traps,
        picture=main_picture(report.pictures).title if report.pictures else "",
        verdicts=report.verdicts,
    )
    return made, report


def main_picture(pictures: Sequence[Picture]) -> Picture:
    """The picture that stands for a run: the first that is not the one of all verdicts."""
    return next((picture for picture in pictures if picture.name != "verdicts"), pictures[0])


def small(png: bytes) -> bytes:
    """The picture in at most 60 kB: narrower and of few colours."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as opened:
        picture = opened.convert("RGB")
    packed = (_packed(picture, min(width, picture.width)) for width in _WIDTHS)
    return next((content for content in packed if len(content) <= MAX_PICTURE), b"")  # noise is left out


def _packed(picture: Image.Image, width: int) -> bytes:
    size = (width, max(1, round(picture.height * width / picture.width)))
    buffer = io.BytesIO()
    picture.resize(size).quantize(_COLOURS).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def write_entry(folder: Path, made: Entry, report: Report | None, *, pages: bool) -> None:
    """Write the small files of an experiment below `folder` and, with `pages`, its own page with all figures."""
    write_atomically(folder / DATA / f"{made.name}.json", _json(made))
    if report is None:
        return
    if report.pictures and (content := small(main_picture(report.pictures).png)):
        write_atomically(folder / DATA / f"{made.name}.png", content)
    if not pages:
        return
    own = folder / made.name
    for picture in report.pictures:
        for ending, content in (("png", picture.png), ("svg", picture.svg.encode()), ("csv", picture.csv.encode())):
            if content:
                write_atomically(own / run_directory.FIGURES / f"{picture.name}.{ending}", content)
    still = tuple(replace(picture, animation=False) for picture in report.pictures)
    shown = replace(report, pictures=still, files=("verdicts.json",))
    write_atomically(own / "verdicts.json", _json([verdict.to_json() for verdict in report.verdicts]))
    write_atomically(own / INDEX, page.render(shown, home=f"../{INDEX}").encode())


def _json(content: object) -> bytes:
    data = content.to_json() if isinstance(content, Entry) else content
    return (json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_entries(folder: Path) -> list[Entry]:
    """The small files below `folder`, by title; BadInput names one that is not what the gallery writes."""
    found = []
    for path in sorted((folder / DATA).glob("*.json")):
        try:
            data = untrusted.json_of(untrusted.read(path, MAX_BYTES, folder))
            found.append(Entry.of_json(data if isinstance(data, dict) else {}))
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"{untrusted.quoted(path)} is no file of a gallery: {untrusted.quoted(error, 200)}"
            ) from error
    return sorted(found, key=lambda one: one.title)


def write_index(folder: Path) -> Path:
    """Render the index from the small files below `folder`."""
    path = folder / INDEX
    entries = read_entries(folder)
    there = [one.name for one in entries if not one.failed]  # what is left of an earlier success is not shown
    pages = {name for name in there if (folder / name / INDEX).is_file()}
    pictures = {name for name in there if (folder / DATA / f"{name}.png").is_file()}
    write_atomically(path, render(entries, pages, pictures).encode())
    return path


def render(entries: Sequence[Entry], pages: set[str], pictures: set[str]) -> str:
    """The index: claims by source document, then the experiments; equal entries give equal text."""
    script = "\n" + (Path(__file__).parent / "gallery.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    verdicts = [verdict for one in entries for verdict in one.verdicts]
    return (
        page.environment()
        .get_template("gallery.html.jinja")
        .render(
            **page.shell() | {"script": Markup(script[1:]), "script_hash": f"sha256-{digest}"},
            groups=_groups(entries),
            entries=entries,
            pages=pages,
            pictures=pictures,
            mark=ranges.mark,
            tally=wording.tally(verdicts),
            outcomes=wording.OUTCOMES,
            words=wording,
            duration=page.duration,
        )
    )


def document(source: str) -> str:
    """The document that a claim is from: its source up to the year."""
    found = _YEAR.match(source)
    return found[0] if found else OURS if not source or source.startswith("control of ours") else source


def _groups(entries: Sequence[Entry]) -> list[_Group]:
    groups: dict[str, _Group] = {}
    for one in entries:
        for verdict in one.verdicts:
            source = document(verdict.source or one.source)
            picture = ranges.draw(verdict, ranges.span([verdict]))
            groups.setdefault(source, _Group(source)).rows.append((one, verdict, picture))
    return sorted(groups.values(), key=lambda group: (group.source == OURS, group.source))
