"""The jobs of a multirun, advancing together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from omegaconf import open_dict

from expzoo.plugin import SweepLoader, jobs, register

if TYPE_CHECKING:
    from hydra.types import HydraContext
    from omegaconf import DictConfig

    from expzoo.plugin import Task


@register
class Fused(Launcher):
    """All jobs advance together in this process and share populations, with the same bits as alone.

    Every job has its own config, directory, results and end.
    """

    hydra_context: HydraContext
    task_function: Task  # type: ignore[assignment]  it is always expzoo's own
    config: DictConfig

    def setup(self, *, hydra_context: HydraContext, task_function: Task, config: DictConfig) -> None:  # type: ignore[override]
        """Called by Hydra; the sweeper, which tries every config before, has the same context."""
        hydra_context.config_loader = SweepLoader(hydra_context.config_loader)  # type: ignore[assignment]
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Run these jobs to their ends; one that fails fails alone."""
        from expzoo.plugin import fused_jobs

        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        configs = [self._compose(number, list(job)) for number, job in enumerate(job_overrides, initial_job_idx)]
        outcomes = fused_jobs.run(configs)
        self.task_function.outcomes += outcomes
        return [jobs.job_return(outcome, config) for config, outcome in zip(configs, outcomes, strict=True)]

    def _compose(self, number: int, overrides: list[str]) -> DictConfig:
        config = self.hydra_context.config_loader.load_sweep_config(self.config, overrides)
        directory = jobs.number(config, number)
        with open_dict(config):
            config.hydra.runtime.output_dir = str(directory)
        return config
