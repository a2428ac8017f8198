"""Jobs of a command line, alone or many together: how each ended, with what went wrong said in plain words."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.lab.progress import shown
from expzoo.system.console import say
from expzoo.system.errors import BadInput, PluginError
from expzoo.system.exit_codes import BAD_INPUT, DONE, FAILED, INTERRUPTED, PARTIAL, Outcome
from expzoo.system.garbage import no_collection
from expzoo.system.machine import PROCESSORS
from expzoo.system.signals import ignore

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from omegaconf import DictConfig

GRACE_SECONDS = 900.0  # the longest that a scheduler may take to kill what it has asked to stop


class JobFailed(RuntimeError):
    """A job in a process of a launcher did not end well; only an exception gets home from there."""

    def __init__(self, code: int, said: str, kept: str = "") -> None:
        super().__init__(code, said, kept)
        self.outcome = Outcome(code, said, kept)


def outcome_of(error: Exception, place: Path | str = "the system") -> Outcome:
    """The outcome that an exception means; a defect keeps its traceback."""
    from expzoo.config.plugin_errors import own_traceback, type_and_place

    kept = type_and_place(error)
    match error:
        case JobFailed():
            return error.outcome
        case BadInput():
            return Outcome(BAD_INPUT, str(error), kept)
        case PluginError():
            return Outcome(FAILED, f"{own_traceback(error)}\n{error}".lstrip(), kept)
        case MemoryError():
            return Outcome(FAILED, f"there is not enough memory: {error}", kept)
        case OSError():
            return Outcome(FAILED, f"{error.filename or place}: {error.strerror or error}", kept)
        case _:
            lines = traceback.format_exception(error)
            return Outcome(FAILED, "".join(lines).rstrip(), kept)


def print_outcome(outcome: Outcome) -> int:
    """Print what is to be said, and return the exit code."""
    if outcome.said:
        say(outcome.said, file=sys.stderr)
    return outcome.code


def combined_exit_code(codes: Sequence[int]) -> int:
    """One exit code for all jobs: their own if they agree, else partial."""
    return codes[0] if len(set(codes)) == 1 else PARTIAL if codes else DONE


class Task:
    """What Hydra runs once a job, and what remembers how each ended. Copies in other processes send home exceptions."""

    def __init__(self) -> None:
        self.home = os.getpid()
        self.outcomes: list[Outcome] = []

    def __call__(self, cfg: DictConfig) -> Outcome:
        """Run one job by itself and say what went wrong, so that the other jobs of a multirun go on."""
        with environment(**self._share()):
            outcome = run_job(cfg)
        self.outcomes.append(outcome)
        if outcome.code == INTERRUPTED:
            if os.getpid() != self.home:
                _wait_for_scheduler()
            ignore()
            sys.exit(outcome.code)  # the jobs that remain are not to be started
        if outcome.code != DONE and os.getpid() != self.home:
            raise JobFailed(outcome.code, outcome.said, outcome.kept)
        return outcome

    def _share(self) -> dict[str, str]:
        """What a job is told that runs beside others on one machine: each takes one processor, if nobody said more.

        SLURM gives its jobs processors of their own.
        """
        if os.getpid() == self.home or "SLURM_JOB_ID" in os.environ or PROCESSORS in os.environ:
            return {}
        return {PROCESSORS: "1"}


def _wait_for_scheduler() -> None:
    """SLURM puts a job that it preempts into the queue again only if the job has not ended by itself before."""
    if "SLURM_JOB_ID" in os.environ:
        time.sleep(GRACE_SECONDS)


def run_job(cfg: DictConfig) -> Outcome:
    """Run one job; how it ended is said already."""
    from hydra.core.hydra_config import HydraConfig

    directory = Path(HydraConfig.get().runtime.output_dir)
    try:
        with environment(HYDRA_FULL_ERROR=None):  # not for what the job itself starts
            code = _results(cfg, directory)
            sys.stdout.flush()
            return Outcome(code)
    except BrokenPipeError:  # the reader of our output has seen enough
        raise
    except Exception as error:  # noqa: BLE001 - the boundary of a job: whatever it is, it is printed and the next job runs
        outcome = outcome_of(error, directory)
        print_outcome(outcome)
        return outcome
    finally:
        remove_empty(directory)


def _results(cfg: DictConfig, directory: Path) -> int:
    from expzoo.runs import rerender

    config = plain_config(cfg)
    if rerender.show_if_finished(directory, config):
        return DONE
    with shown("starting"), no_collection():
        from expzoo.lab.open import open_lab

        lab = open_lab(config)  # first, since its processes import what this one imports next
        from expzoo.runs import experiment
    return experiment.run(config, directory, lab=lab)


def plain_config(cfg: DictConfig) -> dict[str, Any]:
    """The plain config of a job that Hydra has composed; BadInput if something in it has no value."""
    from hydra.core.hydra_config import HydraConfig

    from expzoo.config import explanations, identity

    typed = identity.typed(HydraConfig.get())
    if found := [*explanations.typed_for_nothing(cfg, typed), *explanations.incomplete(cfg)]:
        raise BadInput("\n".join(found))
    config = identity.plain(cfg)
    config["about"]["experiment"] = identity.experiment_name(typed)
    return config


def number(config: DictConfig, job: int) -> Path:
    """Tell the config of a swept job which of the jobs it is, counted from 0; its directory."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import open_dict

    current = HydraConfig.instance()
    outer = current.cfg
    with open_dict(config):
        config.hydra.job.id = config.hydra.job.num = job
        try:
            current.cfg = config  # type: ignore[assignment]  # for ${hydra:job.num}; `set_config` would close it
            return (Path(config.hydra.sweep.dir) / str(config.hydra.sweep.subdir)).absolute()
        finally:
            current.cfg = outer


def job_return(outcome: Outcome, config: DictConfig | None = None) -> JobReturn:
    """What a launcher gives Hydra for a job that has ended in this way; `config` is the job's, if it is here."""
    from hydra.core.utils import JobReturn, JobStatus

    from expzoo.config import identity

    done = JobReturn(status=JobStatus.COMPLETED)
    if config is not None:
        done.overrides, done.cfg, done.hydra_cfg = identity.typed(config.hydra), config, config
    done.return_value = outcome
    return done


def run_plain(
    config: dict[str, Any], directory: str, overrides: list[str], processors: int = 1
) -> tuple[int, str, str]:
    """Run one job from plain data, as on a node of a cluster, by so many processors: the fields of its outcome."""
    from expzoo.runs import experiment, rerender

    place = Path(directory)
    try:
        if rerender.show_if_finished(place, config):
            return DONE, "", ""
        with environment(**{PROCESSORS: str(processors)}):
            return experiment.run(config, place, overrides), "", ""
    except Exception as error:  # noqa: BLE001 - the boundary of a job
        outcome = outcome_of(error, place)
        print_outcome(outcome)
        remove_empty(place)
        return outcome.code, outcome.said, outcome.kept


def remove_empty(directory: Path) -> None:
    """Take away the directories that Hydra made, up to the working directory, if nothing was kept in them."""
    here = Path.cwd()
    try:
        for folder in (directory, *directory.parents):
            if folder == here or not (folder == directory or folder.is_relative_to(here)):
                return
            folder.rmdir()
    except OSError:
        return


@contextmanager
def environment(**variables: str | None) -> Iterator[None]:
    """The environment with these variables, None for absent, and afterwards as it was."""
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
