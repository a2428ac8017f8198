"""Every registered plugin keeps the contract of its kind: a new one is tested without a new test."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.image_archives import DOWNLOADED, stand_in

from expzoo.config.registry import declared
from expzoo.runs.contract.checks import small_base
from expzoo.spec.component import Component
from expzoo.spec.spec import Spec
from expzoo.testing import check_plugin, plugin_cases

SMALL = {"levels": 3, "decide_at": 0.45, "every": 3, "width": 8, "hidden": 4, "channels": 5, "widths": (4, 8)}
SMALL |= {"searched": 3, "lucky": 2, "flips": 2, "training": 3, "settling": 3, "points": 5}
SMALL |= {"resamples": 9, "budgets": (200, 300, 400, 500, 600), "parts": (1, 2)}
SMALL |= {"train_sizes": (50, 100), "outer_steps": 2, "inner_networks": 2, "inner_width": 8, "inner_steps": 6}
SMALL |= {
    "filters": (),
    "classes": (2, 10),
    "rounds": 1,
    "last_losses": 3,
    "grid": 3,
    "rates": (0.01,),
    "grid_rates": 2,
    "grid_decays": 2,
}
SMALL |= {"baselines": ("relu", "elu", "tanh"), "inner_samples": 150, "evaluation_seeds": 1}
"""Options that make little work, for the analyses and models that have them."""
SMALL_OF = {
    "deep_ensembles": {"sizes": (1,)},
    "double_descent": {"widths": (2, 3, 4, 5, 6)},
    "double_descent_rff": {"widths": (2, 3, 4, 5, 6)},
    "heavy_tails": {"minibatches": 16, "surrogates": 5},
    "langevin": {"steps": 60, "walkers": 2, "samples": 20, "sgld_steps": 4, "wall_steps": 80},
    "minefield": {"steps": 4, "starts": 2, "poison": 10},
    "noise_scale": {"batch_sizes": (5, 10, 20, 40), "learning_rates": (0.1,), "updates": 4, "examples": 20},
    "three_regimes": {"rates": (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)},
    "interpolation_threshold": {"sizes": (30, 60), "widths": (2, 3, 4, 5, 6)},
    "jamming": {"points": (20, 40), "widths": (2, 4, 6), "around": (1.0,)},
}
"""The same for one of them, where an option's name means something else."""


SLOW = {("model", "resnet"), ("model", "wide_resnet"), ("analysis", "rerun_training")}
"""Of many layers, each of which is traced; in many processes, each of which imports torch."""
CASES = [pytest.param(*case, marks=[pytest.mark.slow] if case in SLOW else []) for case in plugin_cases()]


def life() -> Spec:
    """The smallest network for the Game of Life, trained for 4 steps on 5 boards each."""
    parts = {"dataset": ("life", {"batch_size": 5}), "model": ("life_net", {"output": "sigmoid"})}
    parts |= {"optimizer": ("adam", {}), "schedule": ("constant", {}), "loss": ("bce_of_probabilities", {})}
    parts |= {"stop": ("steps", {"steps": 4})}
    return Spec(seed=1, **{kind: Component.of(kind, name, **options) for kind, (name, options) in parts.items()})


def patched() -> Spec:
    """A small network on two patterns."""
    return small_base().replace(
        dataset=Component.of("dataset", "two_patterns", train_size=80, test_size=40, batch_size=25)
    )


def decayed() -> Spec:
    """A small network whose weights decay."""
    return small_base().replace(optimizer=Component.of("optimizer", "sgd", lr=0.1, weight_decay=0.01))


def on_spirals() -> Spec:
    """A small network on points of two spirals."""
    return small_base().replace(dataset=Component.of("dataset", "two_spirals", train_size=20, batch_size=10))


def until_fitted() -> Spec:
    """A small network that is trained until it fits, or not for long."""
    stop = Component.of("stop", "fitted", loss=100.0, every=2, at_most=4)
    return small_base().replace(optimizer=Component.of("optimizer", "sgd", lr=0.1), stop=stop)


def on_a_sphere() -> Spec:
    """A small network whose weights stay on a sphere."""
    return decayed().replace(constraint=Component.of("constraint", "sphere"))


def imaged() -> Spec:
    """A small network on images of 8 x 8."""
    return small_base().replace(dataset=Component.of("dataset", "digits", train_size=80, test_size=40, batch_size=25))


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_registered_plugin_keeps_the_contract(
    kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = declared(kind, name).options if kind in ("model", "analysis") else ()
    small, base = SMALL | SMALL_OF.get(name, {}), None
    if kind == "analysis" and name.startswith("life_"):
        small, base = small | {"steps": (1,), "widths": (1,)}, life()
    if (kind, name) == ("analysis", "two_patterns"):
        base = patched()
    bases = {"periodic_behaviour": decayed, "reparametrisation": imaged}
    bases |= {"minefield": on_spirals, "three_regimes": on_a_sphere, "noise_scale": until_fitted}
    if kind == "analysis" and name in bases:
        base = bases[name]()
    options = {option: value for option, value in small.items() if option in known}
    if kind == "dataset" and name in DOWNLOADED:
        stand_in(name, tmp_path, monkeypatch)
        options = {"batch_size": 7}
    check_plugin(kind, name, base, **options)
