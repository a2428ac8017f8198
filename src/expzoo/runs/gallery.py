"""Every experiment, run as a person would type it, several side by side; then the gallery of what they found."""

from __future__ import annotations

import fnmatch
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.config import identity, presets
from expzoo.config.check import resolved
from expzoo.report import gallery
from expzoo.runs import rerender
from expzoo.science import wording
from expzoo.system.console import say
from expzoo.system.errors import BadInput, nearest
from expzoo.system.exit_codes import DONE, INTERRUPTED, PARTIAL
from expzoo.system.signals import NUMBERS

if TYPE_CHECKING:
    import signal

POLL = 0.05  # seconds between looks at the processes
GRACE = 60.0  # seconds for a process to keep what it has


@dataclass
class _Job:
    """One experiment: its words, its config, where its results are, and the process that makes them."""

    name: str
    words: list[str]
    config: dict[str, Any]
    directory: Path
    process: subprocess.Popen[str] | None = None
    failed: str = ""


def names(pattern: str) -> list[str]:
    """The experiments that a pattern such as `life_*` means; BadInput with the nearest if there is none."""
    known = presets.options("experiment")
    found = fnmatch.filter(known, pattern)
    if not found:
        raise BadInput(f"--only {pattern}: no experiment is called so; {nearest(pattern, known)}")
    return found


def make(budget: str, pattern: str, folder: Path, *, pages: bool, processes: int) -> int:
    """Run what the pattern means, what is finished excepted, and write the gallery into `folder`; the exit code."""
    jobs = [_job(name, budget) for name in names(pattern)]
    try:
        for done, job in enumerate(_ended(jobs, processes), 1):
            made, report = _entry(job, budget)
            gallery.write_entry(folder, made, report, pages=pages)
            say(f"[{done}/{len(jobs)}] {job.name}: {_told(made)}")
    except KeyboardInterrupt:
        say("interrupted: what was done is kept; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    say(gallery.write_index(folder))
    return PARTIAL if any(job.failed for job in jobs) else DONE


def _told(made: gallery.Entry) -> str:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in wording.tally(made.verdicts))
    return made.failed or counts or "no claims"


def _job(name: str, budget: str) -> _Job:
    words = [f"+experiment={name}", f"budget={budget}"]
    config = resolved(words)
    config["about"]["experiment"] = name
    return _Job(name, words, config, Path("outputs") / name / identity.run_id(config))


def _ended(jobs: Sequence[_Job], processes: int) -> Iterator[_Job]:
    """The jobs as they end, `processes` at a time; all of them are asked to stop if this ends early."""
    waiting, running = [*jobs], list[_Job]()
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                job = waiting.pop(0)
                if rerender.is_finished(job.directory, job.config):
                    yield job
                else:
                    job.process = _start(job.words)
                    running.append(job)
            time.sleep(POLL if running else 0)
            for job in [job for job in running if job.process and job.process.poll() is not None]:
                running.remove(job)
                yield _seen(job)
    finally:
        _stop([job.process for job in running if job.process], NUMBERS[-1])


def _start(words: Sequence[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "EXPZOO_PROGRESS": "0"}
    command = [sys.executable, "-m", "expzoo", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=pipe, text=True)


def _seen(job: _Job) -> _Job:
    """The job, with the reason if it did not end well."""
    assert job.process is not None
    _, said = job.process.communicate()
    if job.process.returncode != DONE:
        job.failed = " ".join((said.strip().splitlines() or ["it said nothing"])[-1].split())[:300]
    return job


def _stop(processes: Sequence[subprocess.Popen[str]], number: signal.Signals) -> None:
    """Ask each to keep what it has, and wait for it."""
    for process in processes:
        process.send_signal(number)
    for process in processes:
        try:
            process.communicate(timeout=GRACE)
        except subprocess.TimeoutExpired:
            process.kill()


def _entry(job: _Job, budget: str) -> tuple[gallery.Entry, Any]:
    about = job.config["about"]
    if job.failed:
        told = {key: about[key] for key in ("title", "question", "source")}
        command = f"python -m expzoo {' '.join(job.words)}"
        return gallery.Entry(job.name, **told, budget=budget, command=command, failed=job.failed), None
    rerender.draw(job.directory, job.config)
    return gallery.entry(job.directory, budget)
