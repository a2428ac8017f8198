"""What a search may try: the words of a sweep as distributions of Optuna."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep

from expzoo.config.sweeps import length, number
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def distribution(override: Override) -> BaseDistribution:
    """What to search for an override such as lr=interval(0.001,0.1), lr=tag(log,interval(...)), width=range(8,65,8)."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    value: Any = override.value()
    log = "log" in getattr(value, "tags", ())
    match value:
        case RangeSweep():
            first, last = sorted((number(value, 0), number(value, length(value) - 1)))
            if isinstance(value.range(), range):
                return IntDistribution(first, last, step=abs(value.step))  # type: ignore[arg-type]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that the last one is where the steps end, which is what is wanted
                return FloatDistribution(first, last + abs(value.step) / 2, step=abs(value.step))
        case IntervalSweep():
            whole = isinstance(value.start, int) and isinstance(value.end, int)
            made: Any = IntDistribution if whole else FloatDistribution
            return made(value.start, value.end, log=log)
        case ChoiceSweep():
            parts = [part.partition("=")[2] for part in _spelled(override)]
            return CategoricalDistribution(parts)
    raise BadInput(f"{override.input_line} cannot be searched: give values, a range or an interval")


def _spelled(override: Override) -> list[str]:
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


def some_value(value: Any) -> Any:
    """Some value of a distribution."""
    return value.choices[0] if hasattr(value, "choices") else value.low
