"""Jobs that the published submitit launcher sends to SLURM, or to processes, and that are waited for one by one.

The launcher itself gives up all jobs at the first one that is lost, and waits forever for a lost
one on a SLURM that keeps no accounts. So it only describes the jobs here: submitit is driven
directly.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from expzoo.runs.jobs import job_return
from expzoo.system.errors import first_line
from expzoo.system.exit_codes import FAILED, Outcome

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from hydra.plugins.launcher import Launcher

LOOK_SECONDS = 1.0  # between two looks for results
ASK_SECONDS = 10.0  # between two questions to SLURM
LATE_SECONDS = 30.0  # that a result may come after its job has left the queue, over a network's file system
ENDED = ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")


def attended(launcher: Launcher) -> Launcher | Attended:
    """The launcher; one of submitit's as one that loses no job for another."""
    return Attended(launcher) if type(launcher).__module__.startswith("hydra_plugins.hydra_submitit") else launcher


class Attended:
    """What a sweeper sees of a launcher: `launch`."""

    def __init__(self, launcher: Any) -> None:
        self.launcher, self.cluster = launcher, launcher._EXECUTOR

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Submit these jobs and wait for all; how each ended, the lost ones included."""
        from submitit.core.utils import FailedJobError

        try:
            submitted = self._submit(job_overrides, initial_job_idx)
        except FailedJobError as error:
            lines = str(error).strip().splitlines()
            why = next((line for line in reversed(lines) if "error:" in line), lines[0])
            refused = Outcome(FAILED, f"the queue refuses the jobs: {why}", "the queue refuses the jobs")
            return [job_return(refused) for _ in job_overrides]
        self._wait(submitted)
        return [self._result(job) for job in submitted]

    def _submit(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[Any]:
        """The jobs as the launcher describes them."""
        import submitit
        from hydra.core.singleton import Singleton
        from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf
        from omegaconf import OmegaConf

        given = dict(self.launcher.params)
        common, folder = set(OmegaConf.structured(BaseQueueConf)), given.pop("submitit_folder")
        own = {key if key in common else f"{self.cluster}_{key}": value for key, value in given.items()}
        at_start = {key: own.pop(key) for key in [f"{self.cluster}_max_num_timeout"] if key in own}
        executor = submitit.AutoExecutor(cluster=self.cluster, folder=folder, **at_start)
        executor.update_parameters(**own)
        state = Singleton.get_state()
        numbered = enumerate(job_overrides, first)
        tasks = [(list(words), "hydra.sweep.dir", number, f"job_id_for_{number}", state) for number, words in numbered]
        return executor.map_array(self.launcher, *zip(*tasks, strict=True))

    def _wait(self, submitted: Sequence[Any]) -> None:
        """Until every job has left a result, or has left the queue without one."""
        pending, asked, absent = {job.job_id: job for job in submitted}, time.monotonic(), dict[str, float]()
        while pending:
            now = time.monotonic()
            if self.cluster == "slurm" and now - asked > ASK_SECONDS:
                asked, queue = now, queued(pending)
                if queue is not None:
                    absent = {key: absent.get(key, now) for key in pending if key not in queue}
            late = {key for key, since in absent.items() if now - since > LATE_SECONDS}
            pending = {key: job for key, job in pending.items() if key not in late and not self._is_done(job)}
            time.sleep(LOOK_SECONDS if pending else 0)

    def _is_done(self, job: Any) -> bool:
        return job.paths.result_pickle.exists() or (self.cluster != "slurm" and job.done())

    def _result(self, job: Any) -> JobReturn:
        from submitit.core.utils import FailedJobError, UncompletedJobError

        if self.cluster == "slurm" and not job.paths.result_pickle.exists():
            return job_return(lost(f"SLURM's job {job.job_id} was lost: {fate(job.job_id)}", job))
        try:
            return job.results()[0]
        except (FailedJobError, UncompletedJobError) as error:
            return job_return(lost(f"job {job.job_id} was lost: {first_line(error)}", job))


def lost(what: str, job: Any) -> Outcome:
    """The outcome of a job that left none: the terminal has why, and where its last words are."""
    return Outcome(FAILED, f"{what}; {job.paths.stderr}", what.partition(":")[0])


def queued(jobs: Iterable[str]) -> set[str] | None:
    """Those of these jobs that SLURM has in its queue, running ones included; None if it does not answer."""
    ids = ",".join(sorted({job.partition("_")[0] for job in jobs}))
    command = ["squeue", "--noheader", "--array", "--states=all", f"--jobs={ids}", "--format=%i %T"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode and "Invalid job id" not in told.stderr:
        return None
    pairs = [line.split(maxsplit=1) for line in told.stdout.splitlines()]
    return {job for job, state in pairs if not state.startswith(ENDED)}


def fate(job: str) -> str:
    """What SLURM still knows of a job that is not in its queue."""
    command = ["scontrol", "--oneliner", "show", "job", job]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    facts = dict(word.split("=", 1) for word in told.split() if "=" in word)
    known = [facts[key] for key in ("JobState", "Reason") if facts.get(key, "None") != "None"]
    return ", ".join(known) or "it is not in the queue and has left no result"
