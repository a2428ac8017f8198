"""What a run leaves in its directory, and the manifest that says it is complete: written last, read first.

A directory may come from anybody, so what is read of it is a regular file within it of limited size.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from expzoo.system import untrusted
from expzoo.system.errors import BadInput
from expzoo.system.files import write_atomically
from expzoo.system.untrusted import Refused, quoted

if TYPE_CHECKING:
    from expzoo.system.canonical import JSON, Config

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
FORMAT = 2
READ = (1, 2)
"""The formats that are read; in the first a manifest has no checksum of its own, nor one of the report."""

MAX_BYTES = 2**20  # of a manifest
MAX_FILES = 1000
MAX_TOTAL = 16 * 2**30  # bytes of all files of a run
LIMITS: Mapping[str, int] = {RECORDS: 256 * 2**20, ARRAYS: 8 * 2**30, REPORT: 512 * 2**20}
"""The bytes that a file of a run can have; every other one `MAX_FIGURE`."""
MAX_FIGURE = 64 * 2**20
_OWN = (CONFIG, EXPERIMENT, ENVIRONMENT, RECORDS, ARRAYS, VERDICTS, SUMMARY, REPORT)
_BLANK = "0" * 64


class Manifest(TypedDict):
    """What a finished run says of itself: what `seal` was told, too, whatever else that is."""

    format: int
    files: dict[str, JSON]
    sha256: NotRequired[str]
    rendered: NotRequired[bool]
    learned: NotRequired[JSON]


def json_bytes(content: object) -> bytes:
    """Plain data as readable JSON; ValueError for NaN."""
    return (json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def signed(content: Mapping[str, object]) -> bytes:
    """The bytes of a manifest with this content and its own sha256, which is that of the file with the field blank."""
    digest = hashlib.sha256(json_bytes({**content, "sha256": _BLANK})).hexdigest()
    return json_bytes({**content, "sha256": digest})


def seal(directory: Path, about: Mapping[str, object]) -> None:
    """Write the manifest: what the run is, and the sha256 and size of each of its files."""
    paths = [directory / name for name in _OWN] + sorted((directory / FIGURES).glob("[!.]*"))
    absent = {REPORT} if not about.get("rendered", True) else set()  # one of earlier verdicts may lie there
    own = [path for path in paths if _is_file(path) and path.name not in absent]
    files = {name: _facts(directory, name) for name in (str(path.relative_to(directory)) for path in own)}
    write_atomically(directory / MANIFEST, signed({"format": FORMAT, **about, "files": files}))


def amend(directory: Path, sealed: Manifest, *written: str, **about: object) -> None:
    """Change what a manifest says of the run, and of the files that were `written` anew; the others are as they were.

    A file is left out that is not there.
    """
    files = {**sealed["files"], **{name: _facts(directory, name) for name in written if _is_file(directory / name)}}
    write_atomically(directory / MANIFEST, signed({**told(sealed), **about, "format": FORMAT, "files": files}))


def told(sealed: Manifest) -> dict[str, object]:
    """What `seal` was told of a run."""
    return {key: value for key, value in sealed.items() if key not in ("format", "files", "sha256")}


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def limit(name: str) -> int:
    """The bytes that a file of a run can have."""
    return LIMITS.get(name, MAX_FIGURE)


def _facts(directory: Path, name: str) -> dict[str, JSON]:
    path = directory / name
    size = untrusted.size_of(path, limit(name), directory)
    return {"sha256": untrusted.sha256(path, limit(name), directory), "bytes": size}


def manifest(directory: Path) -> Manifest | None:
    """The manifest of a finished run, None if there is none or it is not as it was written, to its last byte."""
    try:
        content = untrusted.read(directory / MANIFEST, MAX_BYTES, directory)
        found = untrusted.json_of(content)
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("format") not in READ or not isinstance(found.get("files"), dict):
        return None
    known = found["format"] > 1 or "sha256" in found
    return None if known and content != signed(found) else found  # type: ignore[return-value]


def damaged(directory: Path, sealed: Manifest, *, but: str = "") -> list[str]:
    """The files of a finished run that are missing or not as they were written, one line each; the file `but` may be.

    Sizes come first: nothing is read of a run that is larger than it can be.
    """
    sealed_page = sealed["format"] > 1
    needed = [CONFIG, RECORDS, VERDICTS] + [REPORT] * (is_rendered(sealed) and sealed_page)
    manifest = quoted(directory / MANIFEST)
    faults = [f"{manifest} does not name {name}" for name in needed if name not in sealed["files"] and name != but]
    if len(sealed["files"]) > MAX_FILES:
        return [f"{manifest} names {len(sealed['files']):,} files; a run has at most {MAX_FILES:,}"]
    entries = {name: facts for name, facts in sealed["files"].items() if name != but}
    sizes = {name: _size(directory, name, facts) for name, facts in entries.items()}
    faults += [found for found in sizes.values() if isinstance(found, str)]
    if (total := sum(found for found in sizes.values() if isinstance(found, int))) > MAX_TOTAL:
        return [*faults, f"the files of {quoted(directory)} have {total:,} bytes; a run has at most {MAX_TOTAL:,}"]
    if is_rendered(sealed) and not sealed_page and but != REPORT and not is_page(directory / REPORT):
        faults.append(f"{quoted(directory / REPORT)} is missing or cut short")
    whole = [name for name, found in sizes.items() if isinstance(found, int)]
    return faults + [fault for name in whole if (fault := _difference(directory, name, entries[name]))]


def _size(directory: Path, name: str, facts: JSON) -> int | str:
    """The bytes that a file has, or what is wrong with them in one line."""
    path = quoted(directory / name)
    if Path(name).is_absolute() or ".." in Path(name).parts or not Path(name).parts:
        return f"{quoted(name)} leads out of the run's directory"
    try:
        size = untrusted.size_of(directory / name, limit(name), directory)
    except FileNotFoundError:
        return f"{path} is missing"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    except Refused as error:
        return str(error)
    written = facts.get("bytes") if isinstance(facts, dict) else None
    if type(written) is not int:
        return f"{path} has no size and checksum in {MANIFEST}"
    return (
        size
        if size == written
        else f"{path} is not as it was written: {size:,} bytes, where its checksum is of {written:,}"
    )


def _difference(directory: Path, name: str, facts: Any) -> str:
    """What is wrong with the bytes of a file, in one line; empty if nothing is."""
    path = quoted(directory / name)
    try:
        same = untrusted.sha256(directory / name, limit(name), directory) == facts.get("sha256")
    except (OSError, Refused) as error:
        return f"{path} cannot be read: {quoted(error)}"
    return "" if same else f"{path} is not as it was written: its checksum does not fit"


def is_page(path: Path) -> bool:
    """Whether a report is there and ends as a page does, which is all that can be said of it in the first format."""
    try:
        with untrusted.opened(path, limit(REPORT), path.parent) as (file, size):
            file.seek(-min(64, size), 2)
            return file.read().rstrip().endswith(b"</html>")
    except (OSError, Refused):
        return False


def require(directory: Path) -> Manifest:
    """The manifest of a finished run; BadInput if there is none."""
    found = manifest(directory)
    if found is None:
        why = f"it has no {MANIFEST} that can be read"
        if untrusted.is_there(directory / MANIFEST):
            why = f"its {MANIFEST} is not as it was written"
        raise BadInput(f"{quoted(directory)} holds no finished run: {why}")
    return found


def whole(directory: Path, *, but: str = "") -> Manifest:
    """The manifest of a finished run whose files, except `but`, are as they were written; BadInput with every fault."""
    sealed = require(directory)
    if faults := damaged(directory, sealed, but=but):
        raise BadInput("\n".join(faults))
    return sealed


def is_rendered(sealed: Manifest) -> bool:
    """Whether a run with this manifest has its pictures."""
    return bool(sealed.get("rendered", True))


def config_of(directory: Path, *, but: str = "") -> Config:
    """The config that a run was made with; BadInput if a file of the run but `but` is damaged, or this is no config."""
    whole(directory, but=but)
    return read_config(directory)


def read_config(directory: Path) -> Config:
    """What a file of settings holds; BadInput if it is none, OSError if it is not there."""
    from expzoo.system import yaml_text  # the terminal's summary needs no parser

    path = directory / CONFIG
    try:
        text = untrusted.read(path, yaml_text.LIMITS.bytes, directory).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{quoted(path)}: byte {error.start} is not UTF-8") from None
    except Refused as error:
        raise BadInput(str(error)) from None
    found = yaml_text.load(text, source=quoted(path))
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise BadInput(f"{quoted(path)} holds no config")
    return found
