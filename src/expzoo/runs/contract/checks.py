"""What holds for plugins of every kind, and which checks a kind has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from expzoo.config import registry
from expzoo.config.options import storable
from expzoo.runs.contract import data, multiruns, networks, outcomes, training
from expzoo.runs.contract.require import require
from expzoo.spec.component import Component
from expzoo.spec.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKS: dict[str, Callable[[Component, Spec], None]] = {
    "dataset": data.check_dataset,
    "model": networks.check_model,
    "optimizer": training.check_optimizer,
    "schedule": training.check_schedule,
    "loss": training.check_loss,
    "stop": training.check_stop,
    "constraint": networks.check_constraint,
    "parametrisation": networks.check_parametrisation,
    "metric": outcomes.check_metric,
    "probe": outcomes.check_probe,
    "logger": outcomes.check_logger,
    "trainer": training.check_trainer,
    "analysis": outcomes.check_analysis,
    "launcher": multiruns.check_launcher,
    "sweeper": multiruns.check_sweeper,
}


def check(kind: str, name: str, base: Spec | None, options: dict[str, Any]) -> None:
    """Everything that applies to this plugin; AssertionError, or what the plugin raised."""
    component = check_declaration(kind, name, options)
    CHECKS[kind](component, base or small_base())


def small_base() -> Spec:
    """A network of 8 hidden units on 80 signals of MNIST-1D, 20 more for validation, trained for 6 steps."""
    part = Component.of
    return Spec(
        dataset=part("dataset", "mnist1d", num_samples=125, validation_size=20, test_size=40, batch_size=25),
        model=part("model", "mlp", width=8),
        optimizer=part("optimizer", "adam"),
        schedule=part("schedule", "constant"),
        loss=part("loss", "cross_entropy"),
        stop=part("stop", "steps", steps=6),
        seed=1,
    )


def check_declaration(kind: str, name: str, options: dict[str, Any]) -> Component:
    """The component, whose signature is readable, whose options survive a YAML file, and which can be constructed."""
    declared = registry.declared(kind, name)
    require(declared.summary, f"the class {declared.class_name} needs a docstring: `expzoo list` shows its first line")
    registry.load(kind, name)  # compares the signature that is read with the one that runs
    component = Component.of(kind, name, **options)
    written = yaml.safe_dump({key: storable(value) for key, value in component.options})
    again = Component.from_config(kind, {"name": name, **yaml.safe_load(written)})
    require(again == component, f"its options are others after a YAML file: {again.options}, not {component.options}")
    if kind not in registry.GIVEN:
        component.build()
    return component
