"""Arms whose activation function is learned first, by gradients through inner trainings of settings of their own."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from expzoo.analysis.studies.contrast.building import Placed
from expzoo.components.learned_activations import names_of
from expzoo.lab.lesson import Lessons
from expzoo.system.errors import BadInput, Unfit
from expzoo.system.randomness import stable_hash

if TYPE_CHECKING:
    from expzoo.analysis.contract import Setting
    from expzoo.analysis.studies.contrast.arms import Arm
    from expzoo.analysis.studies.contrast.building import Builder
    from expzoo.analysis.studies.contrast.possible import Possible
    from expzoo.analysis.studies.metalearning.activation import LearnActivation
    from expzoo.lab.lesson import Learned

Functions = dict[tuple[str, int], str]
"""(arm, seed) -> the whole name of the activation that was learned."""


def lessons(arms: Mapping[str, Arm], builder: Builder, setting: Setting) -> dict[tuple[str, int], LearnActivation]:
    """What is to be learned for each arm and seed, from networks and data whose seeds no arm is trained with.

    BadInput or Unfit with the place of what cannot be learned.
    """
    return {
        (arm.name, seed): _lesson(arm, builder, setting, seed)
        for arm in arms.values()
        if arm.learn
        for seed in setting.seeds
    }


def _lesson(arm: Arm, builder: Builder, setting: Setting, seed: int) -> LearnActivation:
    from expzoo.analysis.studies.metalearning.activation import LearnActivation

    where = f"arms.{arm.name}.learn.activation"
    base = setting.base.replace(seed=stable_hash("learned activation", seed))
    inner = builder.changed(base, {key: Placed(value, f"{where}.from.{key}") for key, value in arm.inner.items()})
    try:
        return LearnActivation(inner=inner, outer_lr=0.3, **arm.learn)
    except Unfit as error:
        raise Unfit(f"{where}: {error}") from error
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error


def faults(arms: Mapping[str, Arm], builder: Builder, setting: Setting, possible: Possible) -> list[str]:
    """Why something cannot be learned, one line each, before anything is trained."""
    found: list[str] = []
    for arm in arms.values():
        if arm.learn:
            try:
                inner = _lesson(arm, builder, setting, setting.seeds[0]).inner
                found += [f"arms.{arm.name}.learn.activation.from: {line}" for line in possible.faults(inner)]
            except BadInput as error:
                found += str(error).splitlines()
    return found


def learn(
    arms: Mapping[str, Arm], builder: Builder, setting: Setting
) -> Generator[Any, Sequence[Learned], dict[tuple[str, int], str]]:
    """The short name of what was learned for each arm and seed; from now on the builder's arms have it.

    Where an outer loop diverged it is the function before that.
    """
    asked = lessons(arms, builder, setting)
    results = yield Lessons(tuple(asked.values()))
    builder.learned({where: names_of(own.key, own.row())[""] for where, own in zip(asked, results, strict=True)})
    return {where: f"learned:{lesson.alias()}" for where, lesson in asked.items()}
