"""The jobs of a multirun as tasks of Ray.

The published launcher for Hydra 1.3 needs cloudpickle below 3, which Ray and others have left
behind, so Ray is driven directly. A task gets the frozen config as plain data; one whose node is
lost is run again and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, setup_globals
from hydra.plugins.launcher import Launcher

from expzoo.plugin import FAILED, BadInput, Natural, NonNegative, Outcome, jobs, register

if TYPE_CHECKING:
    from hydra.types import HydraContext
    from omegaconf import DictConfig

    from expzoo.plugin import Task


@register
class Ray(Launcher):
    """Every job is a task of a Ray cluster, or of one that is started on this machine.

    All write to one store, on a folder that every node sees. Needs Ray: pip install 'expzoo[ray]'.

    Args:
        address: of the cluster; null starts one here.
        num_cpus: that a job needs.
        num_gpus: that a job needs.
        max_retries: how often a job whose node is lost is begun again.
    """

    PACKAGES = (("ray", "pip install 'expzoo[ray]'"),)

    def __init__(
        self,
        *,
        address: str | None = None,
        num_cpus: NonNegative = 1.0,
        num_gpus: NonNegative = 0.0,
        max_retries: Natural = 3,
    ) -> None:
        self.address = address
        self.resources = {"num_cpus": num_cpus, "num_gpus": num_gpus, "max_retries": max_retries}

    def setup(self, *, hydra_context: HydraContext, task_function: Task, config: DictConfig) -> None:  # type: ignore[override]
        """Called by Hydra."""
        self._loader, self._task, self._master = hydra_context.config_loader, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Run these jobs; how each ended, the lost ones included."""
        setup_globals()
        composed = [self._compose(number, list(job)) for number, job in enumerate(job_overrides, initial_job_idx)]
        ray = self._connect()
        remote: Any = ray.remote(jobs.run_plain)
        try:
            processors = max(int(self.resources["num_cpus"]), 1)
            pending = [remote.options(**self.resources).remote(*job, processors) for job in composed]
            outcomes = [self._outcome(ray, one) for one in pending]
        finally:
            ray.shutdown()
        self._task.outcomes += outcomes
        return [jobs.job_return(outcome) for outcome in outcomes]

    def _compose(self, number: int, overrides: list[str]) -> tuple[dict[str, Any], str, list[str]]:
        """A job as plain data: its config, its directory and its overrides."""
        from hydra.core.hydra_config import HydraConfig

        config = self._loader.load_sweep_config(self._master, overrides)
        directory = jobs.number(config, number)
        current = HydraConfig.instance()
        outer = current.cfg
        current.set_config(config)
        try:
            return (
                jobs.plain_config(config) | {"store": str(Path(config.store).expanduser().absolute())},
                str(directory),
                overrides,
            )
        finally:
            current.cfg = outer

    def _connect(self) -> Any:
        import ray

        try:
            ray.init(address=self.address, log_to_driver=True, include_dashboard=False, configure_logging=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise BadInput(f"hydra.launcher.address={self.address}: {error}") from error
        self._refuse_absent(ray.cluster_resources())
        return ray

    def _refuse_absent(self, there: Mapping[str, float]) -> None:
        """BadInput for what no node of the cluster has: Ray would wait for it forever."""
        for name, kind in (("num_cpus", "CPU"), ("num_gpus", "GPU")):
            if self.resources[name] > there.get(kind, 0):
                raise BadInput(f"hydra.launcher.{name}={self.resources[name]}: the cluster has {there.get(kind, 0):g}")

    def _outcome(self, ray: Any, pending: Any) -> Outcome:
        try:
            return Outcome(*ray.get(pending))
        except ray.exceptions.RayError as error:
            kind = type(error).__name__
            outcome = Outcome(FAILED, f"{kind}: {str(error).strip().splitlines()[0]}", kind)
            jobs.print_outcome(outcome)
            return outcome
