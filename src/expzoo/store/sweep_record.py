"""The record of a multirun: which jobs it had, where their results are and how each ended."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expzoo.store import run_directory
from expzoo.system.console import say
from expzoo.system.errors import BadInput
from expzoo.system.exit_codes import BAD_INPUT, DONE, INTERRUPTED, Outcome

RECORD = "sweep.json"
FOLDER = "sweeps"
FORMAT = 1
MAX_BYTES = 64 * 2**20

_ENDS = {DONE: "done", BAD_INPUT: "bad input", INTERRUPTED: "interrupted"}


@dataclass(frozen=True)
class SweptJob:
    """One job of a sweep: its overrides, its directory and its end."""

    overrides: tuple[str, ...]
    directory: Path
    outcome: Outcome


def finish(ended: Sequence[SweptJob]) -> None:
    """Say how a sweep of several jobs ended, which of them failed and why, and keep it."""
    if len(ended) < 2:
        return
    counts = Counter(_ENDS.get(job.outcome.code, "failed") for job in ended)
    told = ", ".join(f"{count} {end}" for end, count in counts.items())
    line = f"{len(ended)} jobs: {told}"
    if count := sum(is_done(job.directory) for job in ended):
        kept = os.path.relpath(_keep(ended))
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
    return not is_done(folder) and ((folder / RECORD).is_file() or any(folder.glob(f"*/{run_directory.MANIFEST}")))


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


def _keep(ended: Sequence[SweptJob]) -> Path:
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
                "reason": reason(job.outcome.said),
            }
            for job in ordered
        ],
    }
    written = run_directory.json_bytes(content)
    path = folder / RECORD
    if not path.is_file() or path.read_bytes() != written:
        write_atomically(path, written)
    return folder


def read(folder: Path) -> list[SweptJob]:
    """The jobs of a recorded sweep; BadInput if the record cannot be read as one."""
    path = folder / RECORD
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES} bytes")
        found: Any = json.loads(path.read_bytes())
        if found["format"] != FORMAT:
            raise ValueError(f"its format is {found['format']!r}, this version reads {FORMAT}")
        return [
            SweptJob(
                tuple(map(str, job["overrides"])),
                (folder / str(job["directory"])).resolve(),
                Outcome(int(job["code"]), str(job["reason"])),
            )
            for job in found["jobs"]
        ]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(f"{path} holds no record of a sweep: {error}") from None
