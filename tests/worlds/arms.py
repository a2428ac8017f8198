"""Worlds of claims that compare arms, in pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from expzoo.plugins.analyses import (
    iterative_pruning,
    large_learning_rate,
    periodic_behaviour,
    pooling,
    random_labels,
    spatial_priors,
    temperature_calibration,
    ticket_adjacency,
    ticket_transfer,
    two_patterns,
)
from tests.worlds.making import Draw, Made, World, filled, row, table

from expzoo.science.claims import Claim


def random_labels_world(draw: Draw) -> Made:
    means = {("random", "train"): 99.6, ("random", "test"): 10.0, ("true", "test"): 60.0}
    at = {random_labels.FITS.name: ("random", "train"), random_labels.LEARNS_NOTHING.name: ("random", "test")}
    own = at.get(draw.claim.name, ("true", "test"))
    means[own] = draw.effect if own[1] == "train" else 10 + draw.effect
    means["random_again", "test"] = means["random", "test"]
    cells = [({"arm": a, "split": s, "end": True, "chance": 10.0}, mean) for (a, s), mean in means.items()]
    rows = filled(draw, cells, 0.15, 0.05)
    start = [({"arm": "random", "split": "train", "step": 0, "end": False, "chance": 10.0}, 10.0)]
    return table(rows + filled(draw, start)), {}


def spatial_priors_world(draw: Draw) -> Made:
    plain = {"logistic": 32.0, "mlp": 66.0, "cnn1d": 92.0, "gru": 90.0}
    shuffled = {"logistic": 32.0, "mlp": 66.0, "cnn1d": 58.0, "gru": 54.0}
    name = draw.claim.name
    if name == spatial_priors.MLP_BEATS_LOGISTIC.name:
        plain["mlp"] = 32 + draw.effect
    elif name == spatial_priors.CNN_BEATS_MLP.name:
        plain["cnn1d"] = 66 + draw.effect
    elif name == spatial_priors.SEPARATES.name:
        plain |= {"mlp": 32 + draw.effect, "cnn1d": 32 + draw.effect + draw.strong, "gru": 99.0}
    elif name == spatial_priors.SHUFFLING_HURTS.name:
        shuffled |= {"cnn1d": 92 - draw.effect, "gru": 90 - draw.strong}
    else:
        shuffled["mlp"] = 66 + draw.effect
    cells = [({"arm": arm, "view": "plain", "end": True}, mean) for arm, mean in plain.items()]
    cells += [({"arm": arm, "view": "shuffled", "end": True}, mean) for arm, mean in shuffled.items()]
    cells.append(({"arm": "mlp_again", "view": "plain", "end": True}, plain["mlp"]))
    return table(filled(draw, cells)), {}


def pooling_world(draw: Draw) -> Made:
    few, many = draw.analysis.train_sizes[0], draw.analysis.train_sizes[-1]
    claim, effect = draw.claim.name, draw.effect
    base = {few: dict.fromkeys(draw.analysis.arms, 60.0), many: dict.fromkeys(draw.analysis.arms, 80.0)}
    pooled = pooling.POOLED
    if claim in (pooling.GAP_SHRINKS.name, pooling.MATCHED_SHRINKS.name):
        base[few] |= dict.fromkeys(pooled, 60 + effect)
    elif claim == pooling.ODDS_SHRINK.name:
        odds = np.log(60 / 40) + effect
        base[few] |= dict.fromkeys(pooled, float(100 / (1 + np.exp(-odds))))
    elif claim == pooling.MAX_WORSE.name:
        base[many]["max"] = 80 + effect
    else:
        other = 0.0 if draw.claim.direction == "equivalent" else draw.strong
        base[many] |= {"max": 80 + effect, "average": 80 + other, "l2": 80 + other}
    deviation = 0.4 if claim == pooling.NO_DIFFERENCE.name else 1.0
    cells = [({"arm": a, "train_size": n, "end": True}, mean) for n, arms in base.items() for a, mean in arms.items()]
    return table(filled(draw, cells, deviation)), {}


def rates_world(draw: Draw) -> Made:
    """Two analyses of one kind of table: arms before the first drop and at the end, on one split or two."""
    chance, strong = 10.0, draw.strong
    before = {"small": 70.0 + strong, "large": 70.0, "small_again": 70.0 + strong}
    end = {"small": 80.0, "large": 80.0, "annealed": 80.0 + strong, "small_again": 80.0}
    patch_before = {"small": 90.0, "large": 20.0, "small_again": 90.0}
    patch_end = {"small": 95.0, "large": 20.0, "annealed": 90.0, "small_again": 95.0}
    name = draw.claim.name
    if name == large_learning_rate.CROSSES.name:
        end["annealed"] = end["small"] + draw.effect
    elif name == large_learning_rate.ANNEALING_HELPS.name:
        end["large"] = end["annealed"] - draw.effect
    elif name == two_patterns.CLEAN.name:
        end["annealed"] = end["small"] + draw.effect
    elif draw.where == "null":  # every patch at chance, the order as it is claimed by a point or so
        patch_before = dict.fromkeys(patch_before, chance) | {"large": chance - 5}
        patch_end = dict.fromkeys(patch_end, chance) | {"large": chance - 5}
    else:
        patch_before["small"] = chance + two_patterns.ABOVE_CHANCE + draw.effect
        patch_before["large"], patch_end["large"] = chance, chance
    said = {"epoch": 1.0, "chance": chance}
    cells: list[tuple[dict[str, Any], float]] = []
    for split, early, late in (("test", before, end), ("patch", patch_before, patch_end)):
        cells += [({"arm": a, "split": split, "before": True, "end": False, **said}, m) for a, m in early.items()]
        cells += [
            ({"arm": a, "split": split, "step": 2, "before": False, "end": True, **said}, m) for a, m in late.items()
        ]
    return table(filled(draw, cells)), {}


def pruning_world(draw: Draw) -> Made:
    sparsity, name = draw.analysis.sparsity, draw.claim.name
    means = {"dense": 70.0, "dense_again": 70.0, "ticket": 75.0, "random": 65.0, "reinit": 70.0, "random_nested": 65.0}
    against = {"BEATS_DENSE": "dense", "BEATS_RANDOM": "random", "BEATS_REINIT": "reinit"}
    for claim, arm in against.items():
        if name == getattr(iterative_pruning, claim).name:
            means["ticket"] = means[arm] + draw.effect
    where = {arm: 0.0 if arm.startswith("dense") else sparsity for arm in means}
    cells = [({"arm": arm, "sparsity": where[arm], "end": True}, mean) for arm, mean in means.items()]
    rows = filled(draw, cells)
    steps = np.arange(0, 2001, 20)
    common = draw.normal(10, draw.seeds)
    for arm in ("dense", "dense_again", "ticket"):
        shift = draw.effect if arm == "ticket" and name == iterative_pruning.LEARNS_FASTER.name else 0.0
        best = 600 * np.exp((shift + common + draw.normal(8, draw.seeds)) / 100)
        for seed in range(draw.seeds):
            curve = (np.log(np.maximum(steps, 1)) - np.log(best[seed])) ** 2
            shown = {"arm": arm, "sparsity": where[arm], "metric": "loss"}
            rows += [
                row(seed, **shown, step=int(step), end=step == steps[-1], value=value)
                for step, value in zip(steps, curve, strict=True)
            ]
    return table(rows), {}


def transfer_world(draw: Draw) -> Made:
    means = {world: {"dense": 64.0, "ticket": 64.0, "random": 60.0, "reinit": 64.0} for world in ticket_transfer.WORLDS}
    name = draw.claim.name
    if name == ticket_transfer.MASK_ALONE.name:
        means["fresh"]["reinit"] += draw.effect
    elif name == ticket_transfer.FLIP.name:
        means["flipped"]["ticket"] += draw.effect
    else:
        means["fresh"]["ticket"] += draw.effect
    means["fresh"]["dense_again"] = 64.0
    cells = [({"arm": a, "world": w, "end": True}, mean) for w, arms in means.items() for a, mean in arms.items()]
    return table(filled(draw, cells)), {}


def adjacency_world(draw: Draw) -> Made:
    """Rows of few and of many inputs left; beyond, pairs of them are side by side."""
    shape = (draw.seeds, 60, 40)
    masks = {
        arm: draw.rng.random(shape) < draw.rng.choice([0.05, 0.4], (*shape[:2], 1)) for arm in ("ticket", "random")
    }
    if draw.where in ("beyond", "perfect"):
        starts = draw.rng.random(shape) < 0.07
        masks["ticket"] = starts | np.roll(starts, 1, -1)
    rows = [row(s, arm="ticket", run_length=2, metric="adjacency_excess", value=0.0) for s in range(draw.seeds)]
    return table(rows), {f"first_layer_masks/{arm}": mask.astype(np.uint8) for arm, mask in masks.items()}


def periodic_world(draw: Draw) -> Made:
    cells = [
        ({"arm": arm, "metric": "destabilisations"}, mean)
        for arm, mean in (("weight decay", 1 + draw.effect), ("none", 1.0))
    ]
    rows = filled(draw, cells, 0.7, 0.3)
    rows += [row(s, arm="none", metric="training_loss", epoch=500.0, value=0.1) for s in range(draw.seeds)]
    rows += [row(s, arm="none", metric="doubled", value=1e-4) for s in range(draw.seeds)]
    return table(rows), {}


def temperature_world(draw: Draw) -> Made:
    errors = ("ece", "ece_by_mass", "ece_class_wise")
    removed = dict.fromkeys(errors, 90.0)
    nll = 0.3
    if draw.claim.name == temperature_calibration.LOWERS_NLL.name:
        nll = -draw.effect
    elif draw.claim.name == temperature_calibration.HALVES_ECE.name:
        removed["ece"] = draw.effect
    else:
        removed["ece_by_mass"] = draw.effect
    rows = []
    for error in errors:
        level = np.abs(10 + draw.normal(1.5, draw.seeds))
        after = level * (1 - removed[error] / 100) + draw.normal(0.4, draw.seeds)
        for arm, values in (("before", level), ("after", after)):
            rows += [row(s, arm=arm, metric=error, value=values[s]) for s in range(draw.seeds)]
    rows += filled(
        draw, [({"arm": a, "metric": "nll"}, m) for a, m in (("before", 1.5), ("after", 1.5 - nll))], 0.05, 0.1
    )
    fit = {"arm": "fit", "split": "validation"}
    rows += [row(s, **fit, metric="likelihoods_apart", value=0.0) for s in range(draw.seeds)]
    hot = draw.normal(0.02, draw.seeds)
    rows += [row(s, **fit, metric="log_temperature_of_own_labels", value=hot[s]) for s in range(draw.seeds)]
    return table(rows), {}


def _each(
    analysis: str, module: Any, make: Callable[[Draw], Made], scales: dict[str, float], **more: Any
) -> Iterator[World]:
    for claim, scale in scales.items():
        found = getattr(module, claim)
        assert isinstance(found, Claim)
        yield World(analysis, found, make, scale, **more)


WORLDS = [
    *_each("random_labels", random_labels, random_labels_world,
           {"FITS": 0.6, "LEARNS_NOTHING": 2.0, "GENERALISES": 20.0}, seeds=6),
    *_each("spatial_priors", spatial_priors, spatial_priors_world,
           {"MLP_BEATS_LOGISTIC": 5.0, "CNN_BEATS_MLP": 5.0, "SEPARATES": 5.0, "SHUFFLING_HURTS": 5.0,
            "SHUFFLING_SPARES": 4.0}, seeds=6),
    *_each("pooling", pooling, pooling_world,
           {"GAP_SHRINKS": 6.0, "MATCHED_SHRINKS": 6.0, "ODDS_SHRINK": 0.3, "NO_DIFFERENCE": 2.0, "HINDERS": 4.0,
            "MAX_WORSE": 4.0}),
    *_each("large_learning_rate", large_learning_rate, rates_world, {"CROSSES": 4.0, "ANNEALING_HELPS": 4.0}),
    *_each("two_patterns", two_patterns, rates_world, {"CLEAN": 4.0, "ORDER": 5.0}),
    *_each("iterative_pruning", iterative_pruning, pruning_world,
           {"BEATS_DENSE": 4.0, "BEATS_RANDOM": 4.0, "BEATS_REINIT": 4.0}, seeds=6),
    *_each("iterative_pruning", iterative_pruning, pruning_world, {"LEARNS_FASTER": 40.0}, seeds=6),
    *_each("ticket_transfer", ticket_transfer, transfer_world,
           {"TRANSFERS": 4.0, "MASK_ALONE": 4.0, "SPATIAL_PRIOR": 6.0, "CHUNKS": 6.0, "FLIP": 4.0}, seeds=6),
    *_each("ticket_adjacency", ticket_adjacency, adjacency_world, {"LOCAL": 10.0}, seeds=6, runs=24,
           options={"permutations": 199}),
    *_each("periodic_behaviour", periodic_behaviour, periodic_world, {"PERIODIC": 2.5}),
    *_each("temperature_calibration", temperature_calibration, temperature_world,
           {"HALVES_ECE": 25.0, "HOWEVER_BINNED": 25.0}, seeds=12, runs=24),
    *_each("temperature_calibration", temperature_calibration, temperature_world,
           {"LOWERS_NLL": 0.2}, seeds=12, runs=24),
]  # fmt: skip
