"""What fits what is chosen: which models, losses, analyses and experiments go with a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from expzoo.analysis import needs
from expzoo.components.feasibility import fitting_losses, model_faults, split_faults
from expzoo.config import registry
from expzoo.config.check import parse_requests, resolved
from expzoo.config.homes import looked_at_once
from expzoo.config.presets import options
from expzoo.runs.plan import plan, why_not
from expzoo.spec.component import Component
from expzoo.spec.score import nature
from expzoo.spec.spec import Spec
from expzoo.system.errors import BadInput, PluginError


@looked_at_once()
def fitting(overrides: Sequence[str]) -> dict[str, list[str]]:
    """Group -> the names that fit these choices, a dataset among them; BadInput if they are at fault by themselves.

    Where no model or loss is chosen, analyses are asked with the usual one if it fits, and with the
    first that does otherwise. Experiments are those that can be typed with these choices. Nothing
    is trained.
    """
    typed = {word.partition("=")[0] for word in overrides}
    config = resolved([*overrides, "analysis=[learning_curves]"])
    base = Spec.from_config(config)
    dataset = base.dataset.build()
    found = {"model": list(_models(base, dataset)), "loss": fitting_losses(base, dataset)}
    chosen = [
        f"{kind}={_usual(config[kind]['name'], found[kind])}" for kind in found if kind not in typed and found[kind]
    ]
    setting = plan(resolved([*overrides, *chosen, "analysis=[learning_curves]"])).setting
    found["analysis"] = [name for name in registry.available("analysis") if not _fails(why_not, name, setting)]
    asked = ((name, [f"+experiment={name}", *overrides]) for name in options("experiment"))
    found["experiment"] = [
        name for name, words in asked if not _fails(_lacks, words, base, dataset) and not _fails(_begun, words)
    ]
    return found


def _models(base: Spec, dataset: Any) -> Iterator[str]:
    """The models that read such data, at their defaults."""
    for name in registry.available("model"):
        try:
            reads = registry.load("model", name).READS
            other = replace(base, model=Component.of("model", name))
            if reads and nature(base.dataset, dataset).inputs not in reads:
                continue
            if not model_faults(other, dataset) and not split_faults(other, dataset):
                yield name
        except (BadInput, PluginError):
            continue


def _lacks(words: Sequence[str], base: Spec, dataset: Any) -> bool:
    """Whether these data lack what every analysis of an experiment needs of them, as is seen without composing it."""
    [request] = parse_requests([*words], multirun=False)
    if any(value.where and value.key.startswith("dataset.") for value in request.values):
        return False  # the experiment would say more of the data
    analyses = request.choices.get("analysis", [])
    asked = (needs.of_data(registry.load("analysis", name).NEEDS) for name in analyses)
    return bool(analyses) and all(needs.unmet(words, base, dataset) for words in asked)


def _usual(name: str, fitting: Sequence[str]) -> str:
    return name if name in fitting else fitting[0]


def _begun(words: Sequence[str]) -> str:
    """Why this cannot be typed; empty if it can."""
    plan(resolved([*words])).begin()
    return ""


def _fails(asked: Any, *arguments: Any) -> bool:
    """Whether what is asked has a reason why not, or is refused."""
    try:
        return bool(asked(*arguments))
    except (BadInput, PluginError):
        return True
