"""The record of a multirun: which jobs it had, where their results are and how each ended."""

from __future__ import annotations

import hashlib
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expzoo.store import run_directory
from expzoo.system import untrusted
from expzoo.system.console import say
from expzoo.system.errors import BadInput
from expzoo.system.exit_codes import BAD_INPUT, DONE, INTERRUPTED, Outcome
from expzoo.system.untrusted import quoted

RECORD = "sweep.json"
FOLDER = "sweeps"
FORMAT = 1
MAX_BYTES = 64 * 2**20
MAX_JOBS = 100_000

_ENDS = {DONE: "done", BAD_INPUT: "bad input", INTERRUPTED: "interrupted"}


@dataclass(frozen=True)
class SweptJob:
    """One job of a sweep: its overrides, its directory and its end."""

    overrides: tuple[str, ...]
    directory: Path
    outcome: Outcome


def finish(ended: Sequence[SweptJob], warnings: Sequence[str] = ()) -> None:
    """Say how a sweep of several jobs ended, which of them failed and why, and keep it with these warnings."""
    if len(ended) < 2:
        return
    counts = Counter(_ENDS.get(job.outcome.code, "failed") for job in ended)
    told = ", ".join(f"{count} {end}" for end, count in counts.items())
    line = f"{len(ended)} jobs: {told}"
    if count := sum(is_done(job.directory) for job in ended):
        kept = os.path.relpath(_keep(ended, warnings))
        line += f"; to compare them: expzoo report {kept}" if count > 1 else ""
    say(line)
    if failed := [job for job in ended if job.outcome.code != DONE]:
        heading = f"{len(failed)} of {len(ended)} jobs did not end well:"
        say(heading, *(_failure(job, common(ended)) for job in failed), sep="\n", file=sys.stderr)


def common(jobs: Sequence[SweptJob]) -> set[str]:
    """The overrides that all of these jobs have."""
    return set.intersection(*(set(job.overrides) for job in jobs)) if jobs else set()


def is_done(directory: Path) -> bool:
    """Whether a run has left its results there."""
    return run_directory.manifest(directory) is not None


def is_sweep(folder: Path) -> bool:
    """Whether a folder holds the record of a sweep, or runs and is none itself."""
    return not is_done(folder) and (untrusted.is_there(folder / RECORD) or any(runs_in(folder)))


def runs_in(folder: Path) -> Iterator[Path]:
    """The folders in a folder that may be runs."""
    return (path.parent for path in folder.glob(f"*/{run_directory.MANIFEST}"))


def _failure(job: SweptJob, shared: set[str]) -> str:
    why = reason(job.outcome.said)
    own = " ".join(override for override in job.overrides if override not in shared)
    return f"  {own or job.directory}: exit code {job.outcome.code}" + (f": {why}" if why else "")


def reason(said: str) -> str:
    """In one line, what was said: of a traceback the exception, and whose it was."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if not any(line.startswith("Traceback") for line in lines):
        return next(iter(lines), "")
    return f"{lines[-2]} ({lines[-1]})" if " raised while it was " in lines[-1] else lines[-1]


def _keep(ended: Sequence[SweptJob], warnings: Sequence[str]) -> Path:
    """Write the record of the sweep, whose name depends on its jobs alone, unless it is there already."""
    from expzoo.system.files import write_atomically

    above = Path(os.path.commonpath([job.directory.parent for job in ended]))
    ordered = sorted(ended, key=lambda job: str(job.directory))
    text = "\n".join(str(job.directory.relative_to(above)) for job in ordered)
    folder = above / FOLDER / hashlib.sha256(text.encode()).hexdigest()[:12]
    content = {
        "format": FORMAT,
        "jobs": [
            {
                "overrides": sorted(job.overrides),
                "directory": os.path.relpath(job.directory, folder),
                "code": job.outcome.code,
                "reason": job.outcome.kept,
            }
            for job in ordered
        ],
    } | ({"warnings": [*warnings]} if warnings else {})
    written = run_directory.json_bytes(content)
    path = folder / RECORD
    if not _holds(path, written):
        write_atomically(path, written)
    return folder


def _holds(path: Path, content: bytes) -> bool:
    try:
        return untrusted.read(path, MAX_BYTES, path.parent) == content
    except (OSError, untrusted.Refused):
        return False


def read(folder: Path) -> list[SweptJob]:
    """The jobs of a recorded sweep; BadInput if the record cannot be read as one."""
    return _read(folder)[0]


def warnings(folder: Path) -> list[str]:
    """What the reader of a recorded sweep is to know; none if there is no record. BadInput as `read`."""
    return _read(folder)[1] if (folder / RECORD).is_file() else []


def _read(folder: Path) -> tuple[list[SweptJob], list[str]]:
    path, above = folder / RECORD, folder.resolve().parents[1]
    try:
        found: Any = untrusted.json_of(untrusted.read(path, MAX_BYTES, folder))
        if found["format"] != FORMAT:
            raise ValueError(f"its format is {quoted(found['format'], 40)}, this version reads {FORMAT}")
        if len(found["jobs"]) > MAX_JOBS:
            raise ValueError(f"it has {len(found['jobs']):,} jobs, and can have at most {MAX_JOBS:,}")
        jobs = [
            SweptJob(
                tuple(map(str, job["overrides"])),
                _beside(folder, str(job["directory"]), above),
                Outcome(_exit_code(job["code"]), kept=str(job["reason"])),
            )
            for job in found["jobs"]
        ]
        return jobs, [str(line) for line in found.get("warnings", [])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{quoted(path)} holds no record of a sweep: {quoted(error, 400)}") from None


def _exit_code(code: object) -> int:
    if not isinstance(code, int) or abs(code) > 255:
        raise ValueError(f"{quoted(code, 40)} is no exit code")
    return code


def _beside(folder: Path, name: str, above: Path) -> Path:
    """The directory of a job, which lies where `_keep` finds it: below the folder that the sweeps are in."""
    place = (folder / name).resolve()
    if not place.is_relative_to(above):
        raise ValueError(f"its job {quoted(name, 100)} leads out of {quoted(above)}")
    return place
