"""From arms to networks: the spec of each cell of a contrast, for each seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from expzoo.analysis.studies.contrast.arms import CHANGED, PREVIOUS, Arm, Cell, Level
from expzoo.config import registry
from expzoo.config.registry import NOTHING
from expzoo.spec.component import Component
from expzoo.spec.spec import (
    FINAL,
    Fresh,
    Init,
    Known,
    Magnitude,
    Mask,
    Permuted,
    RandomMask,
    Rewind,
    SignFlip,
    Spec,
    Step,
)
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from expzoo.analysis.studies.contrast.reading import Reader


class Builder:
    """Makes the spec of a cell for a seed; BadInput for settings that the base does not have.

    `fits` says of a model whether it reads these data: of a list of models an arm has the first that does.
    """

    def __init__(
        self,
        arms: Mapping[str, Arm],
        factors: Mapping[str, Mapping[Level, Mapping[str, Any]]],
        budget: str,
        fits: Callable[[str], bool],
    ) -> None:
        self.arms, self.factors, self.budget, self.fits = arms, factors, budget, fits
        self.tuned: dict[Cell, Mapping[str, Any]] = {}

    def spec(self, base: Spec, cell: Cell) -> Spec:
        """The network of a cell made from `base`, whose seed it keeps."""
        arm = self.arms[cell.arm]
        crossed: dict[str, Any] = {}
        for factor, level in cell.levels:
            crossed |= self.factors[factor][level]
        plain = self.changed(base, {**arm.settings, **crossed, **self.tuned.get(self.root(cell), {})})
        made = plain
        for number in range(1, arm.times + 1):
            previous = made if number > 1 else None

            def of(name: str, previous: Spec | None = previous) -> Spec:
                if name == PREVIOUS:
                    return previous or self.spec(base, Cell(arm.chain_from, cell.levels))
                return self.spec(base, Cell(name, cell.levels))

            recipes: dict[str, Any] = {}
            if arm.init:
                recipes["init"] = _init(arm.init, of)
            if arm.mask:
                recipes["mask"] = _mask(arm.mask, of, number)
            made = plain.replace(**recipes)
        return made.replace(init=Fresh(draw=1)) if cell.again else made

    def maker(self, cell: Cell) -> Callable[[Spec, Mapping[str, Any]], Spec]:
        """What makes the network of a root cell at settings that are tried."""

        def make(base: Spec, settings: Mapping[str, Any]) -> Spec:
            self.tuned = {cell: settings}
            return self.spec(base, cell)

        return make

    def root(self, cell: Cell) -> Cell:
        """The cell whose tuning holds for this one: an arm made from another has the settings found for that."""
        name = cell.arm
        while sources := self.arms[name].sources():
            name = min(sources, key=[*self.arms].index)
        return Cell(name, cell.levels)

    def changed(self, base: Spec, settings: Mapping[str, Any]) -> Spec:
        """The base with these settings: components first, then their options."""
        chosen: dict[str, Any] = {k: self._component(k, settings[k]) for k in settings if k in CHANGED}
        if "dtype" in settings:
            chosen["dtype"] = settings["dtype"]
        base = base.replace(**chosen)
        options: dict[str, Any] = {}
        for key, value in settings.items():
            kind, _, option = key.partition(".")
            if option:
                options.setdefault(kind, {})[option] = self._value(base, kind, option, value)
        return base.replace(**options)

    def _component(self, kind: str, wanted: Any) -> Component[Any] | None:
        if kind == "model" and isinstance(wanted, list | tuple):
            fitting = [name for name in wanted if self.fits(name)]
            if not fitting:
                raise BadInput(f"none of model={', '.join(map(str, wanted))} reads these data")
            wanted = fitting[0]
        if kind in NOTHING and wanted == NOTHING[kind]:
            return None
        return preset(kind, str(wanted), self.budget)

    @staticmethod
    def _value(base: Spec, kind: str, option: str, value: Any) -> Any:
        """The value of an option; `x0.5` is half of what the base has."""
        if not (isinstance(value, str) and value.startswith("x") and _is_number(value[1:])):
            return value
        component = getattr(base, kind)
        return component.option(option, float) * float(value[1:])


@cache
def preset(kind: str, name: str, budget: str) -> Component[Any]:
    """The component that `kind=name` chooses on a command line: a plugin at its defaults, or a preset."""
    if name in registry.available(kind):
        return Component.of(kind, name)
    from expzoo.config.check import resolved

    return Component.from_config(kind, resolved([f"{kind}={name}", f"budget={budget}"])[kind])


def _init(reader: Reader, of: Callable[[str], Spec]) -> Init:
    [(name, options)] = reader.mapping().items()
    match name:
        case "rewind":
            return Rewind(of(options.at("of").text()), _step(options, 0))
        case "known":
            return Known(options.at("name").text(), tuple(options.at("layers").node or ()))
        case "sign_flip":
            source, k = of(options.at("of").text()), options.at("k").whole(1)
            return SignFlip(source, k, options.at("seed").whole(0))
    return Fresh(options.at("draw").whole(0))


def _mask(reader: Reader, of: Callable[[str], Spec], number: int) -> Mask | None:
    [(name, options)] = reader.mapping().items()
    biases = options.at("biases").node is not False
    sparsity = options.at("sparsity").number(0.0)
    if options.has("keep"):
        sparsity = round(1 - options.at("keep").number(0.8) ** number, 6)
    match name:
        case "magnitude":
            scope = "global" if options.at("scope").text() == "global" else "layer"
            return Magnitude(of(options.at("of").text()), sparsity, scope, biases, _step(options, FINAL))
        case "random":
            return RandomMask(sparsity, options.at("draw").whole(0), biases)
        case "permuted":
            like = of(options.at("of").text()).mask
            if not isinstance(like, Magnitude):
                raise BadInput(f"{reader.where}: the arm {options.at('of').text()} has no mask by magnitude")
            return Permuted(like, options.at("draw").whole(0))
    return of(options.at("of").text()).mask


def _step(options: Reader, default: Step) -> Step:
    step = options.at("step").node
    return default if step is None else step


def _is_number(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False
