"""Every experiment, run as a person would type it, several side by side; then the gallery of what they found."""

from __future__ import annotations

import fnmatch
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from expzoo.config import identity, presets
from expzoo.config.check import resolved
from expzoo.lab.progress import EVERY
from expzoo.report import gallery
from expzoo.runs import rerender
from expzoo.science import wording
from expzoo.system.console import say
from expzoo.system.errors import BadInput, nearest
from expzoo.system.exit_codes import DONE, INTERRUPTED, PARTIAL
from expzoo.system.machine import PROCESSORS, processors

POLL = 0.05  # seconds between looks at the processes
GRACE = 60.0  # seconds for a process to keep what it has


@dataclass
class _Job:
    """One experiment: its words, its config, where its results are, and the process that makes them."""

    name: str
    words: list[str]
    config: dict[str, Any]
    directory: Path
    process: subprocess.Popen[bytes] | None = None
    said: IO[bytes] | None = None  # on its standard error; a pipe that nobody reads would stop it when it is full
    failed: str = ""


def names(pattern: str) -> list[str]:
    """The experiments that a pattern such as `life_*` means; BadInput with the nearest if there is none."""
    known = presets.options("experiment")
    found = fnmatch.filter(known, pattern)
    if not found:
        raise BadInput(f"--only {pattern}: no experiment is called so; {nearest(pattern, known)}")
    return found


def make(budget: str, pattern: str, folder: Path, *, pages: bool, processes: int) -> int:
    """Run what the pattern means, what is finished excepted, and write the gallery into `folder`; the exit code.

    The index is written after each, so that there is one however this ends.
    """
    jobs = [_job(name, budget) for name in names(pattern)]
    gallery.prepare(folder)
    index = folder / gallery.INDEX
    try:
        with closing(_ended(jobs, min(processes, len(jobs)))) as ended:
            for done, job in enumerate(ended, 1):
                made, report = _entry(job, budget)
                gallery.write_entry(folder, made, report, pages=pages)
                index = gallery.write_index(folder)
                say(f"[{done}/{len(jobs)}] {job.name}: {_told(made)}")
    except KeyboardInterrupt:
        say("interrupted: what was done is kept; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    say(index)
    return PARTIAL if any(job.failed for job in jobs) else DONE


def _told(made: gallery.Entry) -> str:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in wording.tally(made.verdicts))
    return made.failed or counts or "no claims"


def _job(name: str, budget: str) -> _Job:
    words = [f"+experiment={name}", f"budget={budget}"]
    config = resolved(words)
    config["about"]["experiment"] = name
    return _Job(name, words, config, Path("outputs") / name / identity.run_id(config))


def _ended(jobs: Sequence[_Job], processes: int) -> Generator[_Job]:
    """The jobs as they end, `processes` at a time; all of them are asked to stop if this ends early."""
    waiting, running, share = [*jobs], list[_Job](), max(processors() // processes, 1)
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                job = waiting.pop(0)
                if rerender.is_finished(job.directory, job.config):
                    yield job
                else:
                    _start(job, share)
                    running.append(job)
            time.sleep(POLL if running else 0)
            for job in [job for job in running if job.process and job.process.poll() is not None]:
                running.remove(job)
                yield _seen(job)
    finally:
        _stop([job.process for job in running if job.process])


def _start(job: _Job, share: int) -> None:
    """Run the experiment in a process that takes no more than its share of the processors."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", EVERY: "0", PROCESSORS: str(share)}
    job.said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it has been read
    command = [sys.executable, "-m", "expzoo", *job.words]
    job.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=job.said)


def _seen(job: _Job) -> _Job:
    """The job, with the reason if it did not end well."""
    assert job.process is not None
    assert job.said is not None
    with job.said as said:
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
    code = job.process.returncode
    if code != DONE:
        silent = f"it was killed by {signal.Signals(-code).name}" if code < 0 else f"it ended with exit code {code}"
        job.failed = " ".join(lines[-1].split())[:300] if lines and code > 0 else silent
    return job


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask each to keep what it has, and wait for it."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(timeout=GRACE)
        except subprocess.TimeoutExpired:
            process.kill()


def _entry(job: _Job, budget: str) -> tuple[gallery.Entry, Any]:
    """What there is to show of a job that has ended, and its report; one that cannot be shown has failed, no other."""
    try:
        if not job.failed:
            rerender.draw(job.directory, job.config)
            return gallery.entry(job.directory, budget)
    except ValueError as error:  # of a file that is not what a run writes
        job.failed = " ".join(str(error).split())[:300]
    told = {key: job.config["about"][key] for key in ("title", "question", "source")}
    command = f"python -m expzoo {' '.join(job.words)}"
    return gallery.Entry(job.name, **told, budget=budget, command=command, failed=job.failed), None
