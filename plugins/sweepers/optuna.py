"""A search for the best hyperparameters.

The published sweeper pins Optuna 2 and fails beside today's OmegaConf, so this one drives Optuna itself.
"""

from __future__ import annotations

import hashlib
import math
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import RangeSweep

from expzoo.plugin import (
    BadInput,
    Count,
    GridSweeper,
    Natural,
    Range,
    SweptJob,
    distribution,
    jobs,
    objectives,
    register,
    say,
    some_value,
    sweep_record,
    sweeps,
)

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution


@register
class Optuna(GridSweeper):
    """Optuna's samplers over what is swept; each batch of trials is trained as one population.

    The study is an SQLite file that the same command goes on with. Needs Optuna: pip install 'expzoo[optuna]'.

    Args:
        trials: of the whole search, those of an earlier command included.
        batch: how many are asked for at once.
        objectives: metric/split at the end of training, arm/metric/split, or the name of a claim; none is the
            dataset's score on validation data.
        directions: one for each objective; none is the one in which its metric is better.
        sampler: Optuna's.
        seed: of the sampler.
        rungs: of successive halving, each longer than the one before; 1 is none.
        reduction: the best of how many go on to the next rung, which is as many times longer.
        resource: the key that rungs shorten.
    """

    PACKAGES = (("optuna", "pip install 'expzoo[optuna]'"), ("sqlalchemy", "pip install 'expzoo[optuna]'"))

    def __init__(
        self,
        *,
        trials: Annotated[int, Range(1, 10_000)] = 64,
        batch: Annotated[int, Range(1, 10_000)] = 16,
        objectives: tuple[str, ...] = (),
        directions: tuple[Literal["maximize", "minimize"], ...] = (),
        sampler: Literal["tpe", "random", "nsga2"] = "tpe",
        seed: Natural = 0,
        rungs: Count = 1,
        reduction: Annotated[int, Range(2)] = 3,
        resource: str = "stop.steps",
    ) -> None:
        self.trials, self.batch = trials, batch
        self.objectives, self.sampler, self.seed = [*objectives], sampler, seed
        self.directions: list[Any] = [*directions]
        self.rungs, self.reduction, self.resource = rungs, reduction, resource

    def sweep(self, arguments: list[str]) -> list[SweptJob]:
        """Search until there are as many trials as were asked for, those of an earlier command included."""
        self._refuse_impossible()
        overrides = OverridesParser.create(config_loader=self._loader).parse_overrides(arguments)
        swept = {override.get_key_element(): override for override in overrides if override.is_sweep_override()}
        space = {key: distribution(override) for key, override in swept.items()}
        self._ranges = {key: value for key, one in swept.items() if isinstance(value := one.value(), RangeSweep)}
        fixed = [str(override.input_line) for override in overrides if not override.is_sweep_override()]
        if not space:
            raise BadInput("hydra/sweeper=optuna has nothing to search: sweep over key=a,b or key=interval(0.001,0.1)")
        self._choose_objectives(fixed, space)
        if not self._path(fixed, space).exists():  # else it was asked before
            objectives.require_data(self._goals, self.job_config(self._first_job(fixed, space)))
        study, path = self._open(fixed, space)
        ended: dict[Path, SweptJob] = {}
        while (left := self.trials - _finished(study)) > 0:
            first = len(study.trials) * self.rungs  # no number is given twice, by an earlier command neither
            asked = [study.ask(space) for _ in range(min(left, self.batch))]
            for job in self._run(study, asked, fixed, first):
                ended[job.directory] = job
            if all(job.outcome.code for job in ended.values()):
                break  # nothing can be learned from jobs that all fail
        self._task.outcomes = [job.outcome for job in ended.values()]
        sweep_record.finish(list(ended.values()), objectives.warnings(self._goals))
        self._say_best(study, path)
        return list(ended.values())

    def _refuse_impossible(self) -> None:
        """BadInput if there can be no such search; Hydra would wrap what the constructor raises."""
        if self.rungs > 1 and len(self.objectives) > 1:
            raise BadInput("hydra.sweeper.rungs: only a search for one objective can be pruned")

    def _choose_objectives(self, fixed: list[str], space: dict[str, BaseDistribution]) -> None:
        """What the search goes by; what is to be said of it is said before anything is trained."""
        dataset = space.get("dataset")
        given = [{"dataset": name} for name in dataset.choices] if dataset else [{}]  # type: ignore[attr-defined]
        configs = [self.job_config(self._first_job(fixed, space, **one)) for one in given]
        self._goals = objectives.chosen(self.objectives, self.directions, configs)
        self.objectives, self.directions = map(list, zip(*((g.name, g.direction) for g in self._goals), strict=True))
        objectives.warn(self._goals)

    def _first_job(self, fixed: list[str], space: dict[str, BaseDistribution], **given: str) -> list[str]:
        """The overrides of some job of the search, with these values."""
        values = {key: some_value(value) for key, value in space.items()} | given
        return [*fixed, *(f"{key}={value}" for key, value in values.items())]

    def _path(self, fixed: list[str], space: dict[str, BaseDistribution]) -> Path:
        """The file of the study of this search, whose name depends on all that is searched and how."""
        words = [*sorted(fixed), *(f"{key} {value}" for key, value in sorted(space.items())), *self.objectives]
        words += [*self.directions, self.sampler, str(self.seed), str((self.rungs, self.reduction, self.resource))]
        name = hashlib.sha256("\n".join(words).encode()).hexdigest()[:12]
        return self._place(self._first_job(fixed, space)).parent / f"search-{name}.sqlite"

    def _open(self, fixed: list[str], space: dict[str, BaseDistribution]) -> tuple[Study, Path]:
        """The study of this search, which has a file of its own; trials that a kill has left are asked for again."""
        import optuna
        from optuna.storages import RDBStorage

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path = self._path(fixed, space)
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = partial(sqlite3.connect, path, check_same_thread=False)
        with _readable(path):
            study = optuna.create_study(
                storage=RDBStorage("sqlite:///study", engine_kwargs={"creator": opened}),  # no path is read as a URL
                study_name="search",
                directions=self.directions,
                load_if_exists=True,
            )
            if [direction.name.lower() for direction in study.directions] != self.directions:
                raise ValueError("it searches in other directions")
            study.sampler = self._sampler(len(study.trials))
            for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
                study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
                study.enqueue_trial(trial.params)
        return study, path

    def _sampler(self, done: int) -> Any:
        """Seeded by how much was asked before, so that a search that goes on does not ask the same again."""
        from optuna import samplers

        seed = self.seed + done
        match self.sampler:
            case "random":
                return samplers.RandomSampler(seed=seed)
            case "nsga2":
                return samplers.NSGAIISampler(seed=seed, population_size=self.batch)
        return samplers.TPESampler(seed=seed, constant_liar=True, n_startup_trials=min(10, self.batch))

    def _run(self, study: Study, asked: list[Trial], fixed: list[str], first: int) -> list[SweptJob]:
        """Train one batch, in rungs of growing length of which only the best go on to the next."""
        ended: list[SweptJob] = []
        alive = asked
        for rung in range(self.rungs):
            words = [[*fixed, *self._words(trial.params)] for trial in alive]
            if last := rung == self.rungs - 1:
                done = self.run(words, first + len(ended))
            else:
                done = self.run([[*own, self._shortened(own, rung)] for own in words], first + len(ended))
            ended += done
            values = [self._values(job) for job in done]
            good: list[tuple[float, Trial, SweptJob]] = []
            for trial, job, value in zip(alive, done, values, strict=True):
                if value is None or not all(map(math.isfinite, value)):
                    self._give_up(study, trial, job, diverged=value is not None)
                elif last:
                    _tell(study, trial, job, value)
                else:
                    trial.report(value[0], self.reduction**rung)
                    good.append((value[0], trial, job))
            if not last:
                alive = self._halved(study, good, max(len(alive) // self.reduction, 1))
        return ended

    def _halved(self, study: Study, good: list[tuple[float, Trial, SweptJob]], kept: int) -> list[Trial]:
        """The best of a rung, which go on; the others are told to the study. Jamieson & Talwalkar 2016, algorithm 1.

        Optuna's own pruner judges each trial by those before it alone, so that the first always goes on.
        """
        from optuna.trial import TrialState

        ranked = sorted(good, key=lambda one: one[0], reverse=self.directions[0] == "maximize")
        for _, trial, job in ranked[kept:]:
            _tell(study, trial, job, state=TrialState.PRUNED)
        return [trial for _, trial, _ in ranked[:kept]]

    def _give_up(self, study: Study, trial: Trial, job: SweptJob, *, diverged: bool) -> None:
        """A network that diverged is as bad as can be, which is worth knowing; a job that failed says nothing."""
        from optuna.trial import TrialState

        known = diverged and len(self.objectives) == 1
        _tell(study, trial, job, state=TrialState.PRUNED if known else TrialState.FAIL)

    def _words(self, params: dict[str, Any]) -> list[str]:
        """The overrides of a trial: of a range the very numbers that Hydra finds in it."""
        own = {key: sweeps.meant(self._ranges[key], value) for key, value in params.items() if key in self._ranges}
        return [f"{key}={value}" for key, value in (params | own).items()]

    def _shortened(self, words: list[str], rung: int) -> str:
        """The override that makes the jobs of a rung shorter."""
        from omegaconf import OmegaConf

        whole = OmegaConf.select(self.job_config(words), self.resource)
        if not isinstance(whole, int):
            raise BadInput(f"hydra.sweeper.resource={self.resource} has the value {whole!r}: it must be a number")
        return f"{self.resource}={max(whole // self.reduction ** (self.rungs - 1 - rung), 1)}"

    def _values(self, job: SweptJob) -> list[float] | None:
        """What a job gives for each objective, None if it has not ended well."""
        if job.outcome.code != jobs.DONE or not sweep_record.is_done(job.directory):
            return None
        return [objectives.value(job.directory, name) for name in self.objectives]

    def _say_best(self, study: Study, path: Path) -> None:
        counts = f"{_finished(study)} trials, study in {path}"
        best = study.best_trials if _completed(study) else []
        say(f"best of {counts}" if best else f"no trial was finished: {counts}")
        different = {tuple(self._words(trial.params)): trial for trial in reversed(best)}  # a trial may be drawn twice
        for words, trial in reversed(different.items()):
            told = ", ".join(
                f"{name} {value:.6g}" for name, value in zip(self.objectives, trial.values or (), strict=True)
            )
            say(f"  {told}: {' '.join(words)}")
            if job := trial.user_attrs.get("job"):
                say(f"    expzoo report {os.path.relpath(job)}")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """BadInput, in one line, if the file is no study that can be read and written."""
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (OptunaError, SQLAlchemyError, ValueError, RuntimeError, KeyError) as error:
        cause = error.__cause__ or error
        why = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
        kept = "the runs are kept, so a new study costs little: move it away"
        raise BadInput(f"{path} is not the study of this search: {why}; {kept}") from error


def _tell(study: Study, trial: Trial, job: SweptJob, values: Sequence[float] | None = None, **told: Any) -> None:
    trial.set_user_attr("job", str(job.directory))
    study.tell(trial, values, **told)


def _finished(study: Study) -> int:
    """How many trials count: those that were told something about, not those that a kill has left."""
    from optuna.trial import TrialState

    told = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    return sum(trial.state != TrialState.FAIL or "job" in trial.user_attrs for trial in told)


def _completed(study: Study) -> int:
    from optuna.trial import TrialState

    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
