"""Worlds of claims about what outer loops learn."""

from __future__ import annotations

import numpy as np
from expzoo.plugins.analyses import (
    activation_transfer,
    metalearn_activation,
    metalearn_learning_rate,
    metalearn_weight_decay,
)
from tests.worlds.making import Draw, Made, World, filled, row, table


def learning_rate_world(draw: Draw) -> Made:
    one = draw.claim.name == metalearn_learning_rate.ONE_OPTIMUM.name
    middle = 0.62 if one else draw.effect
    apart = draw.effect if one else 0.0
    common, rows = draw.normal(0.03, draw.seeds), []
    for arm, shift in (("from a high start", apart / 2), ("from a low start", -apart / 2)):
        rates = middle + shift + common + draw.normal(0.01, draw.seeds)
        at = {"arm": arm, "split": "train", "step": draw.analysis.outer_steps}
        cost = {"arm": arm, "split": "train", "metric": "mean_training_loss", "outer_step": draw.analysis.outer_steps}
        for seed in range(draw.seeds):
            rows += [row(seed, **at, metric="learning_rate", value=rates[seed]), row(seed, **cost, value=1.0, lr=0.6)]
    for seed in range(draw.seeds):
        grid = {"arm": "grid", "split": "train", "metric": "mean_training_loss"}
        rows += [row(seed, **grid, lr=lr, value=1.01 + abs(lr - 0.6)) for lr in (0.3, 0.6, 1.0)]
    return table(rows), {}


def activation_world(draw: Draw) -> Made:
    claims, arms = metalearn_activation, draw.analysis.baselines
    gains = dict.fromkeys(arms, draw.strong if draw.claim.direction == "greater" else 10.0)
    losses = dict.fromkeys(arms, 1.0)
    pieces = 0.0
    if draw.claim.name == claims.MORE_ACCURATE.name:
        gains[arms[0]] = draw.effect
    elif draw.claim.name == claims.LOWER_LOSS.name:
        losses = dict.fromkeys(arms, -draw.strong) | {arms[0]: -draw.effect}
    else:
        pieces = draw.effect
    means = {"learned": 70.0, "learned, linear pieces": 70 + pieces} | {arm: 70 - gain for arm, gain in gains.items()}
    means["relu_again"] = means["relu"]
    rows = [
        one | {"meta": one["seed"]}
        for one in filled(draw, [({"arm": arm}, mean) for arm, mean in means.items()])
        + filled(
            draw,
            [({"arm": arm, "metric": "training_loss"}, 1 + losses.get(arm, 0.0)) for arm in means],
            0.05,
            0.05,
        )
    ]
    rows += [row(s, arm="learned", metric="activation", x=0.0, value=0.0) for s in range(draw.seeds)]
    return table(rows), {}


def transfer_world(draw: Draw) -> Made:
    arms = draw.analysis.baselines
    ranked = {arm: 1.0 + index for index, arm in enumerate(arms)}
    wanted = 1 + len(arms) / 2 + (draw.effect if draw.claim.direction == "equivalent" else 0.0)
    rows = []
    for dataset in draw.analysis.datasets:
        for unit in range(draw.seeds):
            even = 0.5 * (unit % 2 == 0) if draw.where == "perfect" else float(draw.rng.random())
            below = int(np.floor(wanted - 1 + even)) if wanted % 1 else round(wanted) - 1
            shift = float(draw.normal(0.1))
            middle = float(np.median(list(ranked.values())))
            own = {"dataset": dataset, "unit": unit, "end": True}
            for arm, level in ranked.items():
                rows += [
                    row(unit, arm=arm, metric="loss", value=level, **own),
                    row(unit, arm=arm, metric="first_epoch_loss", split="train", value=level + shift, **own),
                ]
            early = middle + shift + (draw.effect if draw.claim.direction == "less" else 0.0) + float(draw.normal(0.2))
            rows += [
                row(unit, arm="learned", metric="loss", value=min(max(below, 0), len(arms)) + 0.5, **own),
                row(unit, arm="learned", metric="first_epoch_loss", split="train", value=early, **own),
            ]
            again = {"loss": "test", "first_epoch_loss": "train"}
            for metric, split in again.items():
                value = ranked["relu"] + (shift if split == "train" else 0.0) + float(draw.normal(0.1))
                rows.append(row(unit, arm="relu_again", metric=metric, split=split, value=value, **own))
    return table(rows), {}


def weight_decay_world(draw: Draw) -> Made:
    claims = metalearn_weight_decay
    shift = draw.effect
    of_grid = draw.claim.name == claims.AS_GOOD_AS_GRID.name
    means = {claims.PAIR: 1 + shift, claims.AGAIN: 1 + shift, claims.ALONE: 1.0 if not of_grid else 2.0}
    cells = [({"arm": arm, "metric": "nll"}, mean) for arm, mean in means.items()]
    for rate, mean in ((0.3, 1.0), (3.0, 9.0)):
        where = {"arm": claims.GRID, "metric": "nll", "learning_rate": rate, "weight_decay": 0.01}
        cells += [(where, mean), (where | {"split": "validation"}, mean)]
    return table(filled(draw, cells, 0.01, 0.05)), {}


WORLDS = [
    World("metalearn_weight_decay", metalearn_weight_decay.BEATS_RATE, weight_decay_world, 0.06, seeds=8),
    World("metalearn_weight_decay", metalearn_weight_decay.AS_GOOD_AS_GRID, weight_decay_world, 0.06, seeds=8),
    World("metalearn_learning_rate", metalearn_learning_rate.ONE_OPTIMUM, learning_rate_world, 0.06, seeds=20),
    World("metalearn_learning_rate", metalearn_learning_rate.AS_PUBLISHED, learning_rate_world, 0.2, seeds=20),
    World("metalearn_activation", metalearn_activation.MORE_ACCURATE, activation_world, 6.0, seeds=5),
    World("metalearn_activation", metalearn_activation.LOWER_LOSS, activation_world, 0.4, seeds=5),
    World("metalearn_activation", metalearn_activation.PIECES_SUFFICE, activation_world, 3.0, seeds=5),
    World("activation_transfer", activation_transfer.EARLY_LOSS, transfer_world, 1.0, seeds=5, suffix="_digits"),
    World("activation_transfer", activation_transfer.MIDDLE_OF_PACK, transfer_world, 1.5, seeds=5, suffix="_digits"),
]
