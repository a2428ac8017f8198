"""What fits what is chosen: which models, losses, analyses and experiments go with a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from expzoo.components.feasibility import fitting_losses, model_faults, split_faults
from expzoo.config import registry
from expzoo.config.check import resolved
from expzoo.config.presets import options
from expzoo.runs.plan import plan, why_not
from expzoo.spec.score import nature
from expzoo.spec.spec import Spec
from expzoo.system.errors import BadInput, PluginError


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
    found = {"model": list(_models(overrides, dataset)), "loss": fitting_losses(base, dataset)}
    chosen = [
        f"{kind}={_usual(config[kind]['name'], found[kind])}" for kind in found if kind not in typed and found[kind]
    ]
    setting = plan(resolved([*overrides, *chosen, "analysis=[learning_curves]"])).setting
    found["analysis"] = [name for name in registry.available("analysis") if not _fails(why_not, name, setting)]
    found["experiment"] = [name for name in options("experiment") if not _fails(_begun, name, overrides)]
    return found


def _models(overrides: Sequence[str], dataset: Any) -> Iterator[str]:
    """The models that read such data, at their defaults."""
    for name in registry.available("model"):
        try:
            reads = registry.load("model", name).READS
            base = Spec.from_config(resolved([*_without(overrides, "model"), f"model={name}"]))
            if reads and nature(base.dataset, dataset).inputs not in reads:
                continue
            if not model_faults(base, dataset) and not split_faults(base, dataset):
                yield name
        except (BadInput, PluginError):
            continue


def _without(overrides: Sequence[str], kind: str) -> list[str]:
    """The words that say nothing of a kind."""
    return [word for word in overrides if not word.startswith((f"{kind}=", f"{kind}."))]


def _usual(name: str, fitting: Sequence[str]) -> str:
    return name if name in fitting else fitting[0]


def _begun(name: str, overrides: Sequence[str]) -> str:
    """Why an experiment cannot be typed with these choices; empty if it can."""
    plan(resolved([f"+experiment={name}", *overrides])).begin()
    return ""


def _fails(asked: Any, *arguments: Any) -> bool:
    """Whether what is asked has a reason why not, or is refused."""
    try:
        return bool(asked(*arguments))
    except (BadInput, PluginError):
        return True
