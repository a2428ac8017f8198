"""What sweepers share: jobs in batches, each told from the others, and the record that a sweep leaves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from expzoo.config.identity import plain, run_id
from expzoo.runs import jobs
from expzoo.runs.submitit import attended
from expzoo.store.sweep_record import SweptJob, finish, is_done
from expzoo.system.errors import BadInput
from expzoo.system.exit_codes import Outcome

if TYPE_CHECKING:
    from hydra.types import HydraContext
    from omegaconf import DictConfig

    from expzoo.runs.jobs import Task

Batch = Sequence[Sequence[str]]


class GridSweeper(Sweeper):
    """Hydra's own sweep, but one job's failure, or a launcher's, hides no other job's end."""

    max_batch_size: int | None = None  # all jobs

    def setup(self, *, hydra_context: HydraContext, task_function: Task, config: DictConfig) -> None:  # type: ignore[override]
        """Called by Hydra."""
        self._task, self._master = task_function, config
        self._runs: dict[Path, str] = {}  # directory -> the run that has it
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context,
            task_function=task_function,  # type: ignore[arg-type]
            config=config,
        )
        self._launcher = attended(launcher)
        self._loader = hydra_context.config_loader  # which the launcher may have replaced by a quicker one

    def sweep(self, arguments: list[str]) -> list[SweptJob]:
        """Run all jobs; how each ended is the task's to tell, and is written into the record of the sweep."""
        overrides = OverridesParser.create(config_loader=self._loader).parse_overrides(arguments)
        batches = BasicSweeper.split_arguments(overrides, self.max_batch_size)
        if not self._own_directories():  # before the first is trained
            self.places([job for batch in batches for job in batch], 0)
        ended: list[SweptJob] = []
        for batch in batches:
            ended += self.run(batch, len(ended))
        self._task.outcomes = [job.outcome for job in ended]
        finish(ended)
        return ended

    def combinations(self, arguments: list[str]) -> list[list[str]]:
        """The overrides of every job that the swept values give."""
        overrides = OverridesParser.create(config_loader=self._loader).parse_overrides(arguments)
        [every] = BasicSweeper.split_arguments(overrides, None)
        return [list(job) for job in every]

    def run(self, batch: Batch, first: int) -> list[SweptJob]:
        """The ends of one batch's jobs, the first of which has this number. All are composed before one is launched."""
        places = self.places(batch, first)
        try:
            returned = self._launcher.launch(batch, initial_job_idx=first)
            outcomes = [_outcome(one) for one in returned]
            places = [_directory(one, place) for one, place in zip(returned, places, strict=True)]
        except Exception as error:  # noqa: BLE001 - a launcher that broke: what its jobs have finished is there
            broken = jobs.outcome_of(error, "the launcher")
            jobs.print_outcome(broken)
            outcomes = [Outcome(jobs.DONE) if is_done(place) else broken for place in places]
        return [SweptJob(tuple(o), p, end) for o, p, end in zip(batch, places, outcomes, strict=True)]

    def job_config(self, overrides: list[str]) -> DictConfig:
        """The config of the job with these overrides."""
        return self._loader.load_sweep_config(self._master, overrides)

    def places(self, batch: Batch, first: int) -> list[Path]:
        """The directories of these jobs; BadInput if two jobs that are not the same would write into one."""
        places = list[Path]()
        for job, overrides in enumerate(batch, first):
            config, place = self._composed(overrides, job)
            places.append(place)
            run = _run_of(config)
            if self._runs.setdefault(place, run) != run:
                subdir = self._subdir()
                raise BadInput(
                    f"hydra.sweep.subdir={subdir} gives jobs that differ one directory, {os.path.relpath(place)}: "
                    "leave it away, or write hydra.sweep.subdir='${hydra.job.num}'"
                )
        return places

    def _composed(self, overrides: Sequence[str], job: int) -> tuple[DictConfig, Path]:
        config = self._loader.load_sweep_config(self._master, list(overrides))
        return config, jobs.number(config, job)

    def _place(self, overrides: Sequence[str]) -> Path:
        """Where a job with these overrides would be, if it were the first one."""
        return self._composed(overrides, 0)[1]

    def _subdir(self) -> str:
        return str(OmegaConf.to_container(self._master.hydra.sweep, resolve=False)["subdir"])  # type: ignore[index,call-overload]

    def _own_directories(self) -> bool:
        """Whether no two jobs can have the same directory without being the same."""
        return "${run_id:}" in self._subdir()


def _run_of(config: DictConfig) -> str:
    """Which run a job is, empty if its config is not complete, as the job itself says."""
    try:
        return run_id(plain(config))
    except (OmegaConfBaseException, TypeError):
        return ""


def _directory(returned: JobReturn, planned: Path) -> Path:
    """Where a job was run: some launchers know only then what hydra.job.id is."""
    return planned if returned.working_dir is None else Path(returned.working_dir).absolute()


def _outcome(returned: JobReturn) -> Outcome:
    value: Any = returned._return_value  # reading the property would print and raise
    if returned.status == JobStatus.COMPLETED:
        return value if isinstance(value, Outcome) else Outcome(jobs.DONE)
    return jobs.outcome_of(value) if isinstance(value, Exception) else Outcome(jobs.FAILED, str(value))
