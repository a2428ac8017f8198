"""Worlds of claims that compare arms, in pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from expzoo.plugins.analyses import (
    iterative_pruning,
    periodic_behaviour,
    reparametrisation,
    temperature_calibration,
    ticket_adjacency,
    ticket_transfer,
    two_patterns,
)
from tests.worlds.making import Draw, Made, World, filled, row, table

from expzoo.science.claims import Claim


def rates_world(draw: Draw) -> Made:
    """Arms before the first drop and at the end, on two splits."""
    chance, strong = 10.0, draw.strong
    before = {"small": 70.0 + strong, "large": 70.0, "small_again": 70.0 + strong}
    end = {"small": 80.0, "large": 80.0, "annealed": 80.0 + strong, "small_again": 80.0}
    patch_before = {"small": 90.0, "large": 20.0, "small_again": 90.0}
    patch_end = {"small": 95.0, "large": 20.0, "annealed": 90.0, "small_again": 95.0}
    name = draw.claim.name
    if name == two_patterns.CLEAN.name:
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
        for arm, mean in (("weight decay", 1 + draw.effect), ("none", 1.0), ("weight decay again", 1 + draw.effect))
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
        for again in ("", "_again"):
            after = level * (1 - removed[error] / 100) + draw.normal(0.4, draw.seeds)
            for arm, values in (("before", level), ("after", after)):
                rows += [row(s, arm=arm + again, metric=error, value=values[s]) for s in range(draw.seeds)]
    means = {"before": 1.5, "after": 1.5 - nll, "before_again": 1.5, "after_again": 1.5 - nll}
    rows += filled(draw, [({"arm": arm, "metric": "nll"}, mean) for arm, mean in means.items()], 0.05, 0.1)
    fit = {"arm": "fit", "split": "validation"}
    rows += [row(s, **fit, metric="likelihoods_apart", value=0.0) for s in range(draw.seeds)]
    hot = draw.normal(0.02, draw.seeds)
    rows += [row(s, **fit, metric="log_temperature_of_own_labels", value=hot[s]) for s in range(draw.seeds)]
    return table(rows), {}


def reparametrisation_world(draw: Draw) -> Made:
    """Powers of ten: those of a ReLU network rise by the effect, or one of the others misses its law by it."""
    relu, normalised = reparametrisation.RELU, reparametrisation.NORMALISED
    again, factor = reparametrisation.AGAIN, reparametrisation.FACTOR
    sharper = draw.claim.name == reparametrisation.SHARPER.name
    rows = []
    for seed in range(draw.seeds):
        levels = draw.normal(0.1, 3)
        own = {relu: draw.effect if sharper else 2.0, relu + again: draw.normal(0.1, 1)[0]}
        for arm, at in ((relu, 1.0), (relu, factor), (relu + again, 1.0)):
            rise = own[arm] * (at != 1.0 or arm != relu) + draw.normal(0.02, 1)[0]
            rows.append(row(seed, arm=arm, factor=at, metric="sharpness", value=levels[0] + rise))
            rows.append(row(seed, arm=arm, factor=at, metric="moved", value=1e-12))
        smallest = min(reparametrisation.SCALES)
        for arm, at in ((normalised, 1.0), (normalised, factor), (normalised, smallest), (normalised + again, 1.0)):
            for (name, power), level in zip(reparametrisation.LAWS.items(), levels, strict=True):
                missed = draw.effect * (name == "gradient") if at == factor and not sharper else -float(at == smallest)
                noise = draw.normal(0.1 if arm.endswith(again) else 0.002, 1)[0]
                value = level - power * np.log10(at) + missed + noise
                rows.append(row(seed, arm=arm, factor=at, metric=name, value=value))
    return table(rows), {}


def _each(
    analysis: str, module: Any, make: Callable[[Draw], Made], scales: dict[str, float], **more: Any
) -> Iterator[World]:
    for claim, scale in scales.items():
        found = getattr(module, claim)
        assert isinstance(found, Claim)
        yield World(analysis, found, make, scale, **more)


WORLDS = [
    *_each("two_patterns", two_patterns, rates_world, {"CLEAN": 4.0, "ORDER": 5.0}),
    *_each("iterative_pruning", iterative_pruning, pruning_world,
           {"BEATS_DENSE": 4.0, "BEATS_RANDOM": 4.0, "BEATS_REINIT": 4.0}, seeds=6),
    *_each("iterative_pruning", iterative_pruning, pruning_world, {"LEARNS_FASTER": 40.0}, seeds=6),
    *_each("ticket_transfer", ticket_transfer, transfer_world,
           {"TRANSFERS": 4.0, "MASK_ALONE": 4.0, "SPATIAL_PRIOR": 6.0, "CHUNKS": 6.0, "FLIP": 4.0}, seeds=6),
    *_each("ticket_adjacency", ticket_adjacency, adjacency_world, {"LOCAL": 10.0}, seeds=6,
           options={"permutations": 99}),
    *_each("reparametrisation", reparametrisation, reparametrisation_world, {"SHARPER": 0.5}),
    *_each("reparametrisation", reparametrisation, reparametrisation_world, {"INVARIANT": 0.01}),
    *_each("periodic_behaviour", periodic_behaviour, periodic_world, {"PERIODIC": 2.5}),
    *_each("temperature_calibration", temperature_calibration, temperature_world,
           {"HALVES_ECE": 25.0, "HOWEVER_BINNED": 25.0}, seeds=12),
    *_each("temperature_calibration", temperature_calibration, temperature_world,
           {"LOWERS_NLL": 0.2}, seeds=12),
]  # fmt: skip
