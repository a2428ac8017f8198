"""What a run leaves in its directory, and the manifest that says it is complete: written last, read first."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

from expzoo.system.errors import BadInput
from expzoo.system.files import sha256, write_atomically

if TYPE_CHECKING:
    from expzoo.system.canonical import JSON

MANIFEST = "manifest.json"
CONFIG = "config.yaml"
EXPERIMENT = "experiment.yaml"
ENVIRONMENT = "environment.json"
RECORDS = "records.parquet"
ARRAYS = "arrays.safetensors"
VERDICTS = "verdicts.json"
REPORT = "report.html"
SUMMARY = "summary.csv"
FIGURES = "figures"
FORMAT = 1
MAX_BYTES = 2**20


class Manifest(TypedDict):
    """What a finished run says of itself: what `seal` was told, too, whatever else that is."""

    format: int
    files: dict[str, JSON]
    rendered: NotRequired[bool]
    learned: NotRequired[JSON]


def json_bytes(content: object) -> bytes:
    """Plain data as readable JSON; ValueError for NaN."""
    return (json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def seal(directory: Path, about: Mapping[str, object]) -> None:
    """Write the manifest: what the run is, and the sha256 and size of each of its files but the report's.

    The report is rendered from the others, and from this, so it comes after; `is_page` looks at it.
    """
    own = [directory / name for name in (CONFIG, EXPERIMENT, ENVIRONMENT, RECORDS, ARRAYS, VERDICTS, SUMMARY)]
    files = {
        str(path.relative_to(directory)): {"sha256": sha256(path), "bytes": path.stat().st_size}
        for path in [*own, *sorted((directory / FIGURES).glob("*"))]
        if path.is_file() and not path.name.startswith(".")
    }
    write_atomically(directory / MANIFEST, json_bytes({"format": FORMAT, **about, "files": files}))


def is_page(path: Path) -> bool:
    """Whether a report is there and ends as a page does."""
    try:
        with path.open("rb") as file:
            file.seek(-min(64, path.stat().st_size), 2)
            return file.read().rstrip().endswith(b"</html>")
    except OSError:
        return False


def manifest(directory: Path) -> Manifest | None:
    """The manifest of a finished run, None if there is none or it cannot be read as one."""
    path = directory / MANIFEST
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_BYTES:
            return None
        with path.open("rb") as file:
            found = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    whole = isinstance(found, dict) and found.get("format") == FORMAT and isinstance(found.get("files"), dict)
    return found if whole else None


def damaged(directory: Path, sealed: Manifest) -> list[str]:
    """The files of a finished run that are missing or not as they were written, one line each."""
    needed = (CONFIG, RECORDS, VERDICTS)
    faults = [f"{directory / MANIFEST} does not name {name}" for name in needed if name not in sealed["files"]]
    for name, facts in sealed["files"].items():
        path = directory / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            faults.append(f"{name} leads out of the run's directory")
        elif not path.is_file():
            faults.append(f"{path} is missing")
        elif not isinstance(facts, dict) or sha256(path) != facts.get("sha256"):
            faults.append(f"{path} is not as it was written: its checksum does not fit")
    return faults


def require(directory: Path) -> Manifest:
    """The manifest of a finished run; BadInput if there is none."""
    found = manifest(directory)
    if found is None:
        raise BadInput(f"{directory} holds no finished run: it has no {MANIFEST} that can be read")
    return found


def is_rendered(sealed: Manifest) -> bool:
    """Whether a run with this manifest has its pictures."""
    return sealed.get("rendered", True)


def config_of(directory: Path) -> dict[str, JSON]:
    """The config that a run was made with; BadInput if its file is damaged, too large or no config."""
    import yaml  # the terminal's summary needs no parser

    if faults := damaged(directory, require(directory)):
        raise BadInput("\n".join(faults))
    path = directory / CONFIG
    if path.stat().st_size > MAX_BYTES:
        raise BadInput(f"{path} has more than {MAX_BYTES} bytes")
    found = yaml.safe_load(path.read_bytes())
    if not isinstance(found, dict):
        raise BadInput(f"{path} holds no config")
    return found
