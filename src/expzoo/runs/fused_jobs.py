"""The jobs of a fused multirun: all advance in lock-step, each fails alone, and their networks share populations."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.config.identity import typed
from expzoo.config.plugin_errors import plugins_are_blamed
from expzoo.runs import finished, jobs, rerender
from expzoo.system.console import say
from expzoo.system.exit_codes import DONE, INTERRUPTED, Outcome
from expzoo.system.garbage import no_collection

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from expzoo.lab.lab import Lab
    from expzoo.lab.lesson import Lessons
    from expzoo.lab.lockstep import Asking
    from expzoo.lab.request import Request

AT_ONCE_BYTES = 2 * 2**30  # of rows that are kept in memory: beyond, jobs wait for those before them
OF_THE_SYSTEM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # nobody's own fault, and nobody is spared


@dataclass
class FusedJob:
    """One job in progress: what it asks, or how it ended."""

    cfg: DictConfig  # with the node `hydra`, in which its directory is
    hydra: Any = None  # Hydra's view of it
    config: dict[str, Any] = field(default_factory=dict)
    lab: Lab | None = None
    asking: Asking[int] | None = None
    asked: list[Request | Lessons] = field(default_factory=list)
    outcome: Outcome | None = None

    @property
    def directory(self) -> Path:
        """Where its results go."""
        return Path(self.cfg.hydra.runtime.output_dir)

    def start(self, labs: Labs) -> None:
        """Go to the first question, or to the end if there is none."""
        with self._speaking():
            self.config = jobs.plain_config(self.cfg)
            if not self.config["dry_run"] and rerender.is_finished(self.directory, self.config):
                self._end(DONE)
                return
            if self.config["dry_run"]:
                say(" ".join(typed(self.cfg.hydra)))
            with no_collection():
                self.lab = labs.of(self.config)
                from expzoo.runs import experiment

            self.asking = experiment.conduct(self.config, self.directory, self.lab, render=False)
            self._step(None)

    def resume(self, answers: list[list[Any]] | Exception) -> None:
        """Go on to the next question, with answers or with what went wrong while they were sought."""
        with self._speaking():
            if isinstance(answers, Exception):
                raise answers
            self._step(answers)

    def _step(self, answers: Any) -> None:
        assert self.asking is not None
        try:
            self.asked = self.asking.send(answers)
        except StopIteration as stop:
            self._end(stop.value)

    def _end(self, code: int) -> None:
        self.outcome = Outcome(code)
        words = " ".join(typed(self.cfg.hydra))
        if self.config["dry_run"] or code != DONE:
            return
        if finished.verdicts(self.directory):
            say(words)
            finished.show(self.directory)
        else:
            say(f"{words}: {self.directory}")

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Inside, Hydra's config is this job's; what is raised is said and is the job's end."""
        from hydra.core.hydra_config import HydraConfig

        current = HydraConfig.instance()
        outer = current.cfg
        if self.hydra is None:
            current.set_config(self.cfg)
            self.hydra = current.cfg
        current.cfg = self.hydra
        try:
            with plugins_are_blamed():
                yield
        except Exception as error:  # noqa: BLE001 - the boundary of a job: whatever it is, the others go on
            self.outcome = jobs.outcome_of(error, self.directory)
            jobs.print_outcome(self.outcome)
        finally:
            current.cfg = outer


class Labs:
    """One lab for all jobs that share a store and a trainer."""

    def __init__(self) -> None:
        self._labs: list[tuple[Any, Lab]] = []

    def of(self, config: dict[str, Any]) -> Lab:
        """The lab of a job; BadInput if its trainer cannot be had here."""
        from expzoo.lab.open import open_lab

        wanted = config["store"], config["trainer"]
        for known, lab in self._labs:
            if known == wanted:
                return lab
        self._labs.append((wanted, open_lab(config)))
        return self._labs[-1][1]

    def close(self) -> None:
        """End the processes that work for them."""
        for _, lab in self._labs:
            lab.close()


def run(cfgs: Sequence[DictConfig]) -> list[Outcome]:
    """Run jobs to their ends, as many together as there is memory for; SystemExit if a signal asked to stop."""
    with jobs.environment(HYDRA_FULL_ERROR=None):
        started, labs = [FusedJob(cfg) for cfg in cfgs], Labs()
        try:
            for job in started:
                job.start(labs)
            for _, share in groupby(started, _shares()):
                _drive(list(share))
        finally:
            labs.close()
    return [job.outcome or Outcome(DONE) for job in started]


def _shares() -> Any:
    """A key that grows whenever the jobs before would fill the memory with the rows that they ask for."""
    total = 0

    def share(job: FusedJob) -> int:
        nonlocal total
        total += _bytes(job)
        return total // AT_ONCE_BYTES

    return share


def _bytes(job: FusedJob) -> int:
    """About how much the rows take that a job's first question is answered with."""
    if job.outcome or job.lab is None:
        return 0
    from expzoo.lab.request import Request, expand

    wants = expand(request for request in job.asked if isinstance(request, Request)).values()
    return sum(
        (2 + len(want.steps) + len(want.events)) * 8 * job.lab.assembler.blueprints.row_size(want.spec)
        for want in wants
    )


def _drive(live: list[FusedJob]) -> None:
    """Answer all open questions at once, until nobody has any."""
    while live := [job for job in live if job.outcome is None]:
        for lab in {id(job.lab): job.lab for job in live}.values():
            asking = [job for job in live if job.lab is lab]
            assert lab is not None
            for job, answers in zip(asking, _answers(lab, [job.asked for job in asking]), strict=True):
                job.resume(answers)


def _answers(lab: Lab, asked: list[list[Request | Lessons]]) -> list[list[list[Any]] | Exception]:
    """What each job is answered; if somebody's networks cannot be trained, halves find out whose, and spare the rest.

    Nothing is trained twice for that: what was finished before is in the store.
    """
    from expzoo.system.signals import Interrupted

    try:
        flat = lab.answer([request for requests in asked for request in requests])
    except Interrupted:
        say("interrupted: what was done is kept; the same command goes on from here", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - it is handed to the job whose networks it came from
        if len(asked) == 1 or (isinstance(error, OSError) and error.errno in OF_THE_SYSTEM):
            return [error] * len(asked)
        flat = None
    if flat is None:  # not where the error is caught, or it would be the context of every later one
        half = len(asked) // 2
        return _answers(lab, asked[:half]) + _answers(lab, asked[half:])
    answers = iter(flat)
    return [[next(answers) for _ in requests] for requests in asked]
