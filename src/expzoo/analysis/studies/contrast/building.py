"""From arms to networks: the spec of each cell of a contrast, for each seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from expzoo.analysis.studies.contrast import recipes
from expzoo.analysis.studies.contrast.arms import PREVIOUS, Arm, Cell, Level
from expzoo.analysis.studies.contrast.recipes import SHARE
from expzoo.config import registry
from expzoo.config.presets import options
from expzoo.config.registry import NOTHING
from expzoo.spec.component import Component
from expzoo.spec.score import reads
from expzoo.spec.spec import COMPONENTS, DType, Fresh, Spec
from expzoo.system.errors import BadInput, nearest

RATE = "optimizer.lr"


class Builder:
    """Makes the spec of a cell for a seed; BadInput for settings that the base does not have.

    Of a list of models an arm has the first that reads its data.
    """

    def __init__(
        self,
        arms: Mapping[str, Arm],
        factors: Mapping[str, Mapping[Level, Mapping[str, Any]]],
        budget: str = "",
        rate: float = 1.0,
    ) -> None:
        self.arms, self.factors, self.budget, self.rate = arms, factors, budget, rate
        self._tuned: Mapping[Cell, Mapping[str, Any]] = {}
        self._made: dict[tuple[Spec, Cell], Spec] = {}
        self._learned: Mapping[str, Mapping[int, str]] = {}

    def tune(self, settings: Mapping[Cell, Mapping[str, Any]]) -> None:
        """From now on these cells, and those made from them, have these settings."""
        self._tuned, self._made = settings, {}

    def learned(self, functions: Mapping[tuple[str, int], str]) -> None:
        """From now on these arms have these activations, by arm and seed; other seeds have one of them."""
        self._learned = {arm: {s: f for (a, s), f in functions.items() if a == arm} for arm, _ in functions}
        self._made = {}

    def spec(self, base: Spec, cell: Cell) -> Spec:
        """The network of a cell made from `base`, whose seed it keeps."""
        if (base, cell) in self._made:
            return self._made[base, cell]
        arm = self.arms[cell.arm]
        plain = made = self._activated(arm, self.changed(base, _merged(*self._layers(cell))))
        for number in range(1, arm.times + 1):
            previous = made if number > 1 else None

            def of(name: str, previous: Spec | None = previous) -> Spec:
                if name == PREVIOUS and previous:
                    return previous
                return self.spec(base, Cell(arm.chain_from if name == PREVIOUS else name, cell.levels))

            changes: dict[str, Any] = {}
            if arm.init:
                changes["init"] = recipes.init(arm.init, of, _share(cell))
            if arm.mask:
                changes["mask"] = recipes.mask(arm.mask, of, number)
            made = plain.replace(**changes)
        self._made[base, cell] = made.replace(init=Fresh(draw=1)) if cell.again else made
        return self._made[base, cell]

    def _activated(self, arm: Arm, spec: Spec) -> Spec:
        """The spec with the activation that its arm has learned, if it learns one."""
        if arm.learn and "activation" not in dict(spec.model.options):
            raise BadInput(f"arms.{arm.name}.learn: model={spec.model.name} has no activation that could be learned")
        if not (own := self._learned.get(arm.name)):
            return spec
        seeds = [*own]
        seed = spec.seed if spec.seed in own else seeds[spec.seed % len(seeds)]
        return spec.replace(model={"activation": own[seed]})

    def maker(self, cell: Cell) -> Callable[[Spec, Mapping[str, Any]], Spec]:
        """What makes the network of a root cell at settings that are tried."""

        def make(base: Spec, settings: Mapping[str, Any]) -> Spec:
            self.tune({cell: settings})
            return self.spec(base, cell)

        return make

    def root(self, cell: Cell) -> Cell:
        """The cell whose tuning holds for this one: an arm made from another has the settings found for that."""
        name = cell.arm
        while sources := self.arms[name].sources():
            name = min(sources, key=[*self.arms].index)
        return Cell(name, cell.levels)

    def _layers(self, cell: Cell) -> Iterator[dict[str, Placed]]:
        """The settings of an arm, then those of its levels, then those that it was tuned to, each with its place.

        Learning rates of its own are `rate` times what they say; the base's and those tuned to are so already.
        """
        yield self._at_rate(
            {key: Placed(value, f"arms.{cell.arm}.{key}") for key, value in self.arms[cell.arm].settings.items()}
        )
        for factor, level in cell.levels:
            if factor == SHARE:
                continue
            crossed = self.factors[factor][level].items()
            yield self._at_rate(
                {
                    key: Placed(value, f"sweep.{key}" if key == factor else f"cross.{factor}.{level}.{key}")
                    for key, value in crossed
                }
            )
        tuned = self._tuned.get(self.root(cell), {}).items()
        yield {key: Placed(value, f"tune.{key}") for key, value in tuned}

    def _at_rate(self, settings: dict[str, Placed]) -> dict[str, Placed]:
        own = settings.get(RATE)
        if own is None or own.factor is not None or not isinstance(own.value, int | float):
            return settings
        return settings | {RATE: Placed(self.rate * own.value, own.where)} if self.rate != 1 else settings

    def changed(self, base: Spec, settings: Mapping[str, Placed]) -> Spec:
        """The base with these settings: components first, then their options.

        BadInput with every fault and its place.
        """
        faults: list[str] = []
        order = [*COMPONENTS, *NOTHING, "dtype"]
        for key in sorted(settings, key=lambda key: ("." in key, order.index(key.partition(".")[0]))):
            kind, _, option = key.partition(".")
            setting = settings[key]
            try:
                change = _option(base, kind, option, setting) if option else self._chosen(base, kind, setting.value)
                changes: Any = {kind: change}
                base = base.replace(**changes)
            except BadInput as error:
                faults += [f"{setting.where}: {line}" for line in str(error).splitlines()]
        if faults:
            raise BadInput("\n".join(faults))
        return base

    def _chosen(self, base: Spec, kind: str, wanted: Any) -> Any:
        """A component by its name, or a type of numbers."""
        if kind == "dtype":
            if wanted not in get_args(DType):
                raise BadInput(f"must be one of {', '.join(get_args(DType))}, not {wanted!r}")
            return wanted
        if kind == "model" and isinstance(wanted, list | tuple):
            components = [self._chosen(base, kind, name) for name in wanted]
            fitting = [component for component in components if reads(component.name, base.dataset)]
            if not fitting:
                raise BadInput(f"none of model={', '.join(map(str, wanted))} reads these data")
            return fitting[0]
        if not isinstance(wanted, str):
            raise BadInput(f"must be the name of a {kind}, not {wanted!r}")
        if kind in NOTHING and wanted == NOTHING[kind]:
            return None
        if wanted not in (known := options(kind)):
            raise BadInput(f"there is no {kind}={wanted}: {nearest(wanted, known)}")
        return preset(kind, wanted, self.budget)


@dataclass(frozen=True)
class Placed:
    """The value of a setting and where it stands; a text such as x0.5 is a factor of the value before it."""

    value: Any
    where: str

    @property
    def factor(self) -> float | None:
        """The factor, None for a value of its own."""
        number = self.value[1:] if isinstance(self.value, str) and self.value.startswith("x") else ""
        try:
            return float(number) if 0 < float(number) < math.inf else None
        except ValueError:
            return None


def _option(base: Spec, kind: str, option: str, setting: Placed) -> dict[str, Any]:
    """An option with its value; a factor is of the value that the base has."""
    component = getattr(base, kind)
    if component is None:
        raise BadInput(f"there is no {kind} that has options: choose one")
    there = dict(component.options).get(option)
    if there is None or setting.factor is None:
        return {option: setting.value}
    return {option: _times(there, setting.factor, f"{kind}.{option}")}


def _merged(*layers: Mapping[str, Placed]) -> dict[str, Placed]:
    """One layer of settings over the other; factors are multiplied with what they are laid over."""
    found: dict[str, Placed] = {}
    for layer in layers:
        for key, setting in layer.items():
            below = found.get(key)
            if below is not None and setting.factor is not None:
                found[key] = Placed(_times(below.value, setting.factor, below.where), setting.where)
            else:
                found[key] = setting
    return found


def _times(below: Any, factor: float, where: str) -> Any:
    """A number, or a factor, times a factor; whole numbers stay whole where they can."""
    if (before := Placed(below, where).factor) is not None:
        return f"x{before * factor!r}"
    if isinstance(below, bool) or not isinstance(below, int | float):
        raise BadInput(f"{where}: a factor is of a number, not of {below!r}")
    value = below * factor
    return int(value) if isinstance(below, int) and value == int(value) else value


def _share(cell: Cell) -> float | None:
    """Where a cell lies on the line between two networks, if that is swept."""
    share = dict(cell.levels).get(SHARE)
    return None if share is None else float(share)


@cache
def preset(kind: str, name: str, budget: str) -> Component[Any]:
    """The component that `kind=name` chooses on a command line: a plugin at its defaults, or a preset."""
    if name in registry.available(kind):
        return Component.of(kind, name)
    from expzoo.config.check import resolved

    return Component.from_config(kind, resolved([f"{kind}={name}", f"budget={budget}"])[kind])
