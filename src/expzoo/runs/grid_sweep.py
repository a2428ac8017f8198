"""What sweepers share: jobs in batches, each told from the others, and the record that a sweep leaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper

from expzoo.runs import jobs
from expzoo.runs.submitit import attended
from expzoo.store.sweep_record import SweptJob, finish, is_done
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
        ended: list[SweptJob] = []
        for batch in BasicSweeper.split_arguments(overrides, self.max_batch_size):
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
        """The ends of one batch's jobs. All are composed before the first is launched."""
        places = [self._place(list(overrides)) for overrides in batch]
        try:
            returned = self._launcher.launch(batch, initial_job_idx=first)
            outcomes = [_outcome(one) for one in returned]
        except Exception as error:  # noqa: BLE001 - a launcher that broke: what its jobs have finished is there
            broken = jobs.outcome_of(error, "the launcher")
            jobs.print_outcome(broken)
            outcomes = [Outcome(jobs.DONE) if is_done(place) else broken for place in places]
        return [SweptJob(tuple(o), p, end) for o, p, end in zip(batch, places, outcomes, strict=True)]

    def job_config(self, overrides: list[str]) -> DictConfig:
        """The config of the job with these overrides."""
        return self._loader.load_sweep_config(self._master, overrides)

    def _place(self, overrides: list[str]) -> Path:
        """The directory of the job with these overrides."""
        config = self.job_config(overrides)
        return (Path(config.hydra.sweep.dir) / config.hydra.sweep.subdir).absolute()


def _outcome(returned: JobReturn) -> Outcome:
    value: Any = returned._return_value  # reading the property would print and raise
    if returned.status == JobStatus.COMPLETED:
        return value if isinstance(value, Outcome) else Outcome(jobs.DONE)
    return jobs.outcome_of(value) if isinstance(value, Exception) else Outcome(jobs.FAILED, str(value))
