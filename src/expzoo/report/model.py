"""The report model: what a run asked, found and took, apart from how it is told.

A run directory may come from anybody: every file has a size limit and a schema, names cannot leave
the directory, and nothing in it is run. What the files say is text until a renderer has escaped it.
"""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from expzoo.science.verdicts import Verdict, read_verdicts
from expzoo.store import run_directory
from expzoo.system import untrusted

MAX_BYTES = 16 * 2**20
MAX_TOTAL = 256 * 2**20  # bytes of all pictures of a page
MAX_FIGURES = 200
MAX_COLUMNS = 1000  # of the numbers of a figure
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")


@dataclass(frozen=True)
class Networks:
    """How many networks the run needed, and the times of training them and of looking at them."""

    trained: int = 0
    cached: int = 0
    diverged: int = 0
    seconds: float = 0.0
    looking_seconds: float = 0.0


@dataclass(frozen=True)
class Picture:
    """One figure of the run: its picture as SVG text and PNG bytes (empty if there is none), and its numbers.

    `animation` says whether there is an animated GIF beside them.
    """

    name: str
    title: str
    caption: str
    svg: str = ""
    png: bytes = b""
    csv: str = ""
    animation: bool = False

    def table(self, most: int) -> tuple[list[str], list[list[str]], int]:
        """The column names, the first `most` rows of the numbers, as text, and how many there are.

        ValueError for what is no table.
        """
        rows: list[list[str]] = []
        count = 0
        try:
            for row in csv.reader(io.StringIO(self.csv)):
                if len(row) > MAX_COLUMNS:
                    raise ValueError(f"{len(row):,} columns; there can be at most {MAX_COLUMNS:,}")
                count += 1
                rows += [row] if count <= most + 1 else []
        except (csv.Error, ValueError) as error:
            raise ValueError(f"the numbers of the figure {self.name} cannot be read: {error}") from None
        return (rows[0], rows[1:], count - 1) if rows else ([], [], 0)


@dataclass(frozen=True)
class Report:
    """Everything a renderer needs. `config` and `environment` are plain nested dicts, lists, text and numbers."""

    title: str
    question: str
    source: str
    experiment: str
    run: str
    command: str
    verdicts: tuple[Verdict, ...]
    one_setting: str = ""
    cost: str = ""
    cut: str = ""
    differences: str = ""
    pictures: tuple[Picture, ...] = ()
    config: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, object] = field(default_factory=dict)
    networks: Networks = field(default_factory=Networks)
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def traps(self) -> tuple[str, ...]:
        """What may mislead a reader of the verdicts: how it is cut, where nobody looked, what failed or lies out."""
        own = [f"Smaller than what was published: {self.cut}."] if self.cut else []
        own += (
            [f"Known differences from what was published: {self.differences.rstrip('.')}."] if self.differences else []
        )
        own += [f"Looked at in one setting: {self.one_setting.rstrip('.')}."] if self.one_setting else []
        noted = [f"{v.claim}: {v.note}." for v in self.verdicts if v.note]
        return (*own, *self.notes, *noted)

    @classmethod
    def from_directory(cls, directory: Path | str, manifest: Mapping[str, object] | None = None) -> Report:
        """The report of a run directory. Only verdicts.json must be there; what else is absent is left out.

        What the experiment is about is taken from `manifest`, or from manifest.json, else from the node
        `about` of config.yaml. If the manifest names files, no other one is looked at.

        Raises:
            ValueError: a file is missing, too large or damaged; the message names the file.
        """
        directory = Path(directory).resolve()
        own = _Files(directory)
        manifest = own.json(run_directory.MANIFEST) if manifest is None else manifest
        named = manifest.get("files")
        own.names = named if isinstance(named, dict) else None
        config = own.config()
        about = config.get("about")
        said = {**(about if isinstance(about, dict) else {}), **manifest}
        experiment = _text(said.get("experiment")) or directory.parent.name
        return cls(
            title=_text(said.get("title")) or experiment.replace("_", " ").capitalize(),
            question=_text(said.get("question")),
            source=_text(said.get("source")),
            experiment=experiment,
            run=_text(manifest.get("run")) or directory.name,
            command=_command(manifest.get("command")) or f"python -m expzoo +experiment={shlex.quote(experiment)}",
            verdicts=tuple(read_verdicts(directory / run_directory.VERDICTS)),
            one_setting=_text(said.get("one_setting")),
            cost=_text(said.get("cost")),
            cut=_text(said.get("cut")),
            differences=_text(said.get("differences")),
            pictures=tuple(pictures(directory, own.names)),
            config=config,
            environment=own.json(run_directory.ENVIRONMENT),
            networks=_networks(manifest.get("networks")),
            notes=tuple(_text(note) for note in _items(manifest.get("notes"))),
            files=tuple(name for name in _DOWNLOADS if name == run_directory.MANIFEST or own.has(name)),
        )


_DOWNLOADS = (
    run_directory.VERDICTS,
    run_directory.RECORDS,
    run_directory.ARRAYS,
    run_directory.CONFIG,
    run_directory.ENVIRONMENT,
    run_directory.MANIFEST,
)


@dataclass
class _Files:
    """The files of a folder that may be looked at: those of `names`, or whatever is there."""

    folder: Path
    names: Collection[str] | None = None

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return untrusted.is_there(self.folder / name) and (self.names is None or name in self.names)

    def read(self, name: str) -> bytes:
        """Its bytes, none if there is no such file; ValueError if it is large, or no file of this folder."""
        path = self.folder / name
        try:
            return untrusted.read(path, MAX_BYTES, self.folder) if self.has(name) else b""
        except OSError as error:
            raise ValueError(f"{untrusted.quoted(path)} cannot be read: {error.strerror or error}") from error

    def json(self, name: str) -> dict[str, object]:
        """The object in a JSON file; empty if there is no such file."""
        found = self.parsed(name) if self.has(name) else {}
        if not isinstance(found, dict):
            raise ValueError(f"{untrusted.quoted(self.folder / name)} holds {type(found).__name__}, not an object")
        return found

    def parsed(self, name: str) -> object:
        """What a JSON file holds."""
        try:
            return untrusted.json_of(self.read(name))
        except untrusted.Refused:
            raise
        except ValueError as error:
            raise ValueError(f"{untrusted.quoted(self.folder / name)} is not JSON: {error}") from error

    def config(self) -> dict[str, object]:
        """The settings of the run; empty if there are none."""
        return run_directory.read_config(self.folder) if self.has(run_directory.CONFIG) else {}


def _text(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _command(value: object) -> str:
    """The command as one line, from text or a list of words."""
    return _text(value) or shlex.join(str(word) for word in _items(value))


def _networks(value: object) -> Networks:
    counts = value if isinstance(value, dict) else {}
    whole = {name: counts.get(name) for name in ("trained", "cached", "diverged")}
    training, looking = (counts.get(name) for name in ("seconds", "looking_seconds"))
    return Networks(
        **{name: count for name, count in whole.items() if isinstance(count, int)},
        seconds=float(training) if isinstance(training, int | float) else 0.0,
        looking_seconds=float(looking) if isinstance(looking, int | float) else 0.0,
    )


def pictures(directory: Path, names: Collection[str] | None = None) -> Iterator[Picture]:
    """The figures that figures.json of a run or a sweep lists, in its order, from the files of `names`, if given."""
    own, folder = _Files(directory, names), run_directory.FIGURES
    index = f"{folder}/figures.json"
    path = untrusted.quoted(directory / index)
    if not own.has(index):
        return
    entries = own.parsed(index)
    if not isinstance(entries, list) or len(entries) > MAX_FIGURES:
        raise ValueError(f"{path} is not a list of at most {MAX_FIGURES} figures")
    total = 0
    for number, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            shown = untrusted.quoted(name, 100)
            raise ValueError(f"{path}: figure {number} has the name {shown}; it must be a plain file name")
        parts = {ending: own.read(f"{folder}/{name}.{ending}") for ending in ("svg", "png", "csv")}
        total += sum(map(len, parts.values()))
        if total > MAX_TOTAL:
            raise ValueError(f"{path}: the figures have more than {MAX_TOTAL:,} bytes together")
        yield Picture(
            name=name,
            title=_text(entry.get("title")) or name,
            caption=_text(entry.get("caption")),
            svg=parts["svg"].decode(errors="replace"),
            png=parts["png"],
            csv=parts["csv"].decode(errors="replace"),
            animation=own.has(f"{folder}/{name}.gif"),
        )
