"""The report model: what a run asked, found and took, apart from how it is told.

A run directory may come from anybody: every file has a size limit and a schema, names cannot leave
the directory, and nothing in it is run. What the files say is text until a renderer has escaped it.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from expzoo.science.verdicts import Verdict, load_verdicts
from expzoo.store import run_directory

MAX_BYTES = 16 * 2**20
MAX_FIGURES = 200
MAX_SETTINGS = 100_000
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

    @property
    def table(self) -> tuple[list[str], list[list[str]]]:
        """The column names and the rows of the numbers, as text."""
        rows = list(csv.reader(io.StringIO(self.csv)))
        return (rows[0], rows[1:]) if rows else ([], [])


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
    pictures: tuple[Picture, ...] = ()
    config: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, object] = field(default_factory=dict)
    networks: Networks = field(default_factory=Networks)
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @classmethod
    def from_directory(cls, directory: Path | str) -> Report:
        """The report of a run directory. Only verdicts.json must be there; what else is absent is left out.

        What the experiment is about is taken from manifest.json, else from the node `about` of config.yaml.

        Raises:
            ValueError: a file is missing, too large or damaged; the message names the file.
        """
        directory = Path(directory).resolve()
        config, manifest = _yaml(directory / run_directory.CONFIG), _json(directory / run_directory.MANIFEST)
        verdicts = directory / run_directory.VERDICTS
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
            verdicts=tuple(load_verdicts(_read(verdicts).decode(errors="replace"), str(verdicts))),
            pictures=tuple(pictures(directory / run_directory.FIGURES)),
            config=config,
            environment=_json(directory / run_directory.ENVIRONMENT),
            networks=_networks(manifest.get("networks")),
            notes=tuple(_text(note) for note in _items(manifest.get("notes"))),
            files=tuple(name for name in _DOWNLOADS if (directory / name).is_file()),
        )


_DOWNLOADS = (
    run_directory.VERDICTS,
    run_directory.RECORDS,
    run_directory.ARRAYS,
    run_directory.CONFIG,
    run_directory.ENVIRONMENT,
    run_directory.MANIFEST,
)


def _read(path: Path) -> bytes:
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise ValueError(f"{path} has {size:,} bytes; it can have at most {MAX_BYTES:,}")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from error


def _json(path: Path) -> dict[str, object]:
    """The object in a JSON file; empty if there is no file."""
    if not path.exists():
        return {}
    try:
        content = json.loads(_read(path))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds {type(content).__name__}, not an object")
    return content


def _yaml(path: Path) -> dict[str, object]:
    if not path.exists():
        return {}
    try:
        content = yaml.safe_load(_read(path))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds {type(content).__name__}, not settings")
    if _size(content, {}) > MAX_SETTINGS:
        raise ValueError(f"{path} stands for more than {MAX_SETTINGS:,} settings")
    return {str(name): value for name, value in content.items()}


def _size(value: object, sizes: dict[int, float]) -> float:
    """How many values are written out where YAML's aliases stand; infinite if one holds itself."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in sizes:
        sizes[id(value)] = math.inf
        parts = value.values() if isinstance(value, dict) else value
        sizes[id(value)] = 1 + sum(_size(part, sizes) for part in parts)
    return sizes[id(value)]


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


def pictures(folder: Path) -> Iterator[Picture]:
    """The figures that figures.json lists, in its order."""
    path = folder / "figures.json"
    if not path.exists():
        return
    try:
        index = json.loads(_read(path))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(index, list) or len(index) > MAX_FIGURES:
        raise ValueError(f"{path} is not a list of at most {MAX_FIGURES} figures")
    for number, entry in enumerate(index):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"{path}: figure {number} has the name {name!r}; it must be a plain file name")
        parts = {ending: _read_if_there(folder / f"{name}.{ending}") for ending in ("svg", "png", "csv")}
        yield Picture(
            name=name,
            title=_text(entry.get("title")) or name,
            caption=_text(entry.get("caption")),
            svg=parts["svg"].decode(errors="replace"),
            png=parts["png"],
            csv=parts["csv"].decode(errors="replace"),
            animation=(folder / f"{name}.gif").is_file(),
        )


def _read_if_there(path: Path) -> bytes:
    return _read(path) if path.exists() else b""
