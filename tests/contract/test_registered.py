"""Every registered plugin keeps the contract of its kind: a new one is tested without a new test."""

from __future__ import annotations

import pytest

from expzoo.registry import declared
from expzoo.spec import Component, Spec
from expzoo.testing import check_plugin, plugin_cases

SMALL = {"levels": 3, "decide_at": 0.45, "every": 3, "width": 8, "hidden": 4, "channels": 5}
SMALL |= {"searched": 3, "lucky": 2, "flips": 2, "training": 3, "settling": 3, "points": 5}
SMALL |= {"widths": (2, 3, 4, 5, 6), "filters": (), "sizes": (30, 60), "classes": (2, 10), "rounds": 1}
SMALL |= {"train_sizes": (50, 100), "outer_steps": 2, "inner_networks": 2, "inner_width": 8, "inner_steps": 6}
SMALL |= {
    "baselines": ("relu", "elu", "tanh"),
    "inner_samples": 150,
    "last_losses": 3,
    "grid": 3,
    "rates": (0.01,),
    "tune_seeds": 1,
    "evaluation_seeds": 1,
}
"""Options that make little work, for the analyses and models that have them."""


def life() -> Spec:
    """The smallest network for the Game of Life, trained for 4 steps on 5 boards each."""
    parts = {"dataset": ("life", {"batch_size": 5}), "model": ("life_net", {"output": "sigmoid"})}
    parts |= {"optimizer": ("adam", {}), "schedule": ("constant", {}), "loss": ("bce_of_probabilities", {})}
    parts |= {"stop": ("steps", {"steps": 4})}
    return Spec(seed=1, **{kind: Component.of(kind, name, **options) for kind, (name, options) in parts.items()})


@pytest.mark.parametrize(("kind", "name"), plugin_cases())
def test_a_registered_plugin_keeps_the_contract(kind: str, name: str) -> None:
    known = declared(kind, name).options if kind in ("model", "analysis") else ()
    plays_life = kind == "analysis" and name.startswith("life_")
    small = SMALL | {"steps": (1,), "widths": (1,)} if plays_life else SMALL
    base = life() if plays_life else None
    check_plugin(kind, name, base, **{option: value for option, value in small.items() if option in known})
