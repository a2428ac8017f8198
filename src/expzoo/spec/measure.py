"""What is measured of a network, by name: metrics see its outputs on a split, probes its weights.

`accuracy`, `calibration_error(bins=30)` and `sharpness(examples=500)` are names; the plugins are in
plugins/metrics and plugins/probes.
"""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from expzoo.config import registry
from expzoo.config.registry import LOOKED_UP, Home, homes, index, path
from expzoo.spec.component import Component
from expzoo.spec.when import END, When
from expzoo.system.canonical import Option, canonical_json
from expzoo.system.errors import BadInput, nearest

if TYPE_CHECKING:
    from expzoo.spec.spec import Spec

LOSS = "loss"  # the one metric that is no plugin: the training loss of the spec itself
TRAINED_WITH = ("train", "validation")  # splits that the key determines: options that only look leave them alone


@dataclass(frozen=True)
class Measure:
    """A metric on a split, at some steps besides the end; or a probe, see `probe`.

    The metric "loss" is the training loss of the spec; every other is named as `metrics.component`
    takes it, such as "accuracy" or "calibration_error(bins=30)". BadInput if there is none of this
    name or if the split does not suit it.
    """

    metric: str = "accuracy"
    split: str = "test"
    when: When = END

    def __post_init__(self) -> None:
        if self.on_split and not self.split:
            raise BadInput(f"{self.metric} is measured on a split: name one")
        if self.split and not self.on_split:
            raise BadInput(f"{self.metric} sees the weights alone: its split is '', not {self.split!r}")

    @cached_property
    def plugin(self) -> Component | None:
        """The metric or probe, None for the training loss."""
        return None if self.metric == LOSS else component(self.metric)

    @cached_property
    def _full_name(self) -> str:
        return full_name(self.plugin) if self.plugin else LOSS

    @property
    def on_split(self) -> bool:
        """Whether it looks at data."""
        if self.plugin is None or self.plugin.kind == "metric":
            return True
        return registry.load("probe", self.plugin.name).on_split

    def label(self, spec: Spec) -> str:
        """Where the values are kept. On test data, options that only look, as the test set's size, are part of it."""
        if not self.split or self.split in TRAINED_WITH:
            return f"{self._full_name}/{self.split}"
        looking = hashlib.sha256(canonical_json(spec.dataset.looking).encode()).hexdigest()[:8]
        return f"{self._full_name}/{self.split}/{looking}"


def probe(name: str, split: str = "", when: When = END, **options: Option) -> Measure:
    """The measure of a probe: `probe("norm", when=every(50))`, `probe("sharpness", "train", examples=500)`.

    Its values are found by its metric and split, as those of every measure. BadInput if there is no
    such probe, or if it has no such options.
    """
    given = ", ".join(f"{key}={value!r}" for key, value in options.items())
    return Measure(f"{name}({given})" if options else name, split, when)


def component(name: str) -> Component:
    """The metric or probe that a name such as `accuracy` or `calibration_error(bins=30)` stands for.

    Raises BadInput if it is written otherwise, if there is none or more than one, or if it has no such options.
    """
    return _component(name, homes())


@cache
def _component(name: str, places: tuple[Home, ...]) -> Component:
    plugin, options = _parsed(name)
    kinds = [kind for kind in LOOKED_UP if plugin in index()[kind]]
    if not kinds:
        known = {LOSS, *(known for kind in LOOKED_UP for known in index()[kind])}
        raise BadInput(f"there is no metric or probe called {plugin}: {nearest(plugin, known)}")
    if len(kinds) > 1:
        raise BadInput(
            f"a metric and a probe are called {plugin}: {path('metric', plugin)} and {path('probe', plugin)}"
        )
    return Component.of(kinds[0], plugin, **options)


def _parsed(name: str) -> tuple[str, dict[str, Option]]:
    try:
        match ast.parse(name, mode="eval").body:
            case ast.Name(id=plugin):
                return plugin, {}
            case ast.Call(func=ast.Name(id=plugin), args=[], keywords=keywords):
                return plugin, {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in keywords}
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        pass
    raise BadInput(f"{name!r} is no name of a metric or probe: write it like accuracy or calibration_error(bins=30)")


def full_name(plugin: Component) -> str:
    """One text for each meaning: the name, its options, its CACHE_VERSION unless that is 1, or its source.

    An option that it gained later is left out at its default, so that what was measured before is found.
    """
    canonical = plugin.canonical()
    said = canonical["options"] if isinstance(canonical.get("options"), dict) else {}
    options = ", ".join(f"{key}={value!r}" for key, value in plugin.options if key in said)
    version = f":v{canonical['version']}" if canonical["version"] != 1 else ""
    source = f":{canonical['source']}" if "source" in canonical else ""
    return plugin.name + (f"({options})" if options else "") + version + source
