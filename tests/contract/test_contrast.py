"""The contract of an analysis, kept by a contrast whatever its options are."""

from __future__ import annotations

from typing import Any

import pytest

from expzoo.testing import check_plugin

LEARNED = {
    **{"from": {"optimizer": "rmsprop", "dataset": "mnist1d"}, "noise": 0},
    **{"outer_steps": 2, "inner_networks": 2, "hidden": 4, "last_losses": 2},
}

OPTIONS: dict[str, dict[str, Any]] = {
    "arms and claims": {
        "arms": {"a": {}, "b": {"model.width": 5}},
        "claims": {"zoo.claim": {"greater": ["a", "b"]}, "zoo.equal": {"equal": ["a", "b"], "within": 3}},
        "every": 2,
    },
    "sweeps and trends": {
        "sweep": {"model.width": [3, 5, 8]},
        "measure": {"score": "score/test", "wait": "steps to loss/train <= 1", "norm": "norm at start"},
        "claims": {
            "zoo.slope": {"slope_of": "base", "over": "model.width", "less": 0},
            "zoo.peak": {"peak_of": "base", "over": "model.width", "of": "norm"},
            "zoo.rate": {"rate_of": "8", "success": "score/test >= 20", "greater": 5},
            "zoo.ratio": {"ratio": ["8", "3"], "of": "wait", "less": 0.5},
        },
    },
    "tickets, crossed and tuned": {
        "arms": {"a": {}, "b": {"mask": {"magnitude": {"of": "a", "sparsity": 0.5}}}},
        "cross": {"view": {"plain": {}, "shuffled": {"dataset.view": "shuffled"}}},
        "tune": {"optimizer.lr": [0.01, "x2"]},
        "claims": {"zoo.claim": {"less": ["a", "b"], "for_all": "view"}},
    },
    "a learned activation": {
        "arms": {"relu": {}, "learned": {"learn": {"activation": LEARNED}}},
        "claims": {"zoo.claim": {"greater": ["learned", "relu"]}},
    },
    "ensembles": {"measure": {"nll": "calibrated nll/test of ensemble(2)"}, "diverged": "drop"},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_contrast_keeps_the_contract(name: str) -> None:
    check_plugin("analysis", "contrast", **OPTIONS[name])
