"""What `expzoo show` says of what a plugin is and needs: from its syntax tree, and from a dataset itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from expzoo.config.options import REQUIRED
from expzoo.config.registry import declared
from expzoo.system.errors import BadInput, PluginError

if TYPE_CHECKING:
    from expzoo.spec.component import Component
    from expzoo.spec.contracts import Dataset
    from expzoo.spec.score import Score

_LABELS = {
    "NEEDS": ("needs", ", "),
    "HOME": ("published", ", "),
    "SIZE": ("size", ""),
    "READS": ("reads", ", "),
    "LOSS": ("loss", ""),
    "UNIT": ("unit", ""),
    "BETTER": ("better", ""),
}
"""What a class says -> its label, and what stands between several values."""


def lines(kind: str, name: str) -> Iterator[str]:
    """One line for each thing that a plugin says of itself; nothing of one that says nothing."""
    says = declared(kind, name).says
    for said, (label, between) in _LABELS.items():
        if value := says.get(said):
            yield f"{label:<10}{value if isinstance(value, str) else between.join(value)}"
    if kind == "dataset":
        yield from _dataset(name)


def _dataset(name: str) -> Iterator[str]:
    """Its sorts of inputs and targets, and its scores; of one that says nothing, by its data at their defaults."""
    from expzoo.analysis.needs import plural
    from expzoo.config import registry
    from expzoo.spec.component import Component
    from expzoo.spec.score import TARGETS, Score, nature

    if any(option.default == REQUIRED for option in declared("dataset", name).options.values()):
        return
    component = Component.of("dataset", name)
    try:
        kind, fetched = nature(component), getattr(registry.load("dataset", name), "DOWNLOADS", False)
    except (BadInput, PluginError):
        return
    yield f"{'inputs':<10}{plural(kind.inputs)}"
    yield f"{'targets':<10}{TARGETS[kind.targets]}"
    for metric in kind.scores:
        score = Score.of(metric)
        better = "higher is better" if score.higher_is_better else "lower is better"
        facts = [*filter(None, [score.unit]), better, *([] if fetched else _chance(score, component))]
        yield f"{'score':<10}{score.words} ({', '.join(facts)})"


def _chance(score: Score, dataset: Component[Dataset]) -> list[str]:
    """The score of answers that do not depend on the input, at the dataset's defaults."""
    chance = score.chance(dataset.build(), 0)
    return [f"by chance {chance:.3g}"] if chance == chance else []
