"""Worlds of claims about the Game of Life: rates of success, and what networks answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tests.worlds.making import Draw, Made, World, row, table

from expzoo.analysis.studies.life import claims
from expzoo.analysis.studies.life.networks import ALIVE, BOARDS, CELLS, KNOWN, SUCCESS

if TYPE_CHECKING:
    from expzoo.analysis.studies.life.claims import Claim

CELL = {"arm": "smooth", "game_steps": 1, "m": 1}
NO_GROWTH = 3.0  # the width at which half succeed, for both numbers of steps


def _known() -> dict[str, Any]:
    return row(0, **CELL | {"arm": KNOWN}, metric=SUCCESS, step=0, end=False, value=100.0)


def _cell(draw: Draw, rate: float, **columns: Any) -> list[dict[str, Any]]:
    """Successes of one cell."""
    won = 100 * draw.succeeds(rate, draw.seeds)
    return [row(s, **CELL | columns, metric=SUCCESS, end=True, value=won[s]) for s in range(draw.seeds)]


def success_world(draw: Draw) -> Made:
    """Every network of the grid that the analysis was built with."""
    name, effect = draw.claim.name, draw.effect
    base_rates = np.array([[n, 60.0, 10.0] for n in (1, 2, 3, 5, 10, 20)])
    rows = [_known()]
    for cell in draw.analysis.cells:
        columns = {"arm": cell.arm, "game_steps": cell.steps, "m": cell.m}
        rows += _cell(draw, _rate(draw, **columns), **columns)
    if name == claims.CELLS_HIDE.name:
        rows += _failures(draw, [one for one in rows if one.get("game_steps") == 2], effect)
    else:
        rows += _failures(draw, [one for one in rows if one.get("game_steps") == 2], 70.0)
    return table(rows), {"base_rates": base_rates}


def _rate(draw: Draw, *, arm: str, game_steps: int, m: int) -> float:
    """The success rate of a cell in per cent."""
    name, effect = draw.claim.name, draw.effect
    if name == claims.WIDTH_GROWS.name:
        half = NO_GROWTH / effect**0.5 * effect ** (game_steps - 1)
        sharp = 40 if draw.where == "perfect" else 3
        return float(100 / (1 + np.exp(np.clip(-sharp * (np.log(m) - np.log(half)), -50, 50))))
    at = {claims.MINIMAL.name: ("plain", 1), claims.SMOOTH.name: ("smooth", 1)}
    if at.get(name) == (arm, m) and game_steps == 1:
        return max(0.0, min(100.0, effect))
    if name == claims.MANY_STEPS.name and game_steps >= 5:
        return max(0.0, effect)
    return 0.0 if game_steps > 1 else 50.0


def _failures(draw: Draw, networks: list[dict[str, Any]], cells: float) -> list[dict[str, Any]]:
    """How many cells and boards the failed networks for two steps have right."""
    shared = {seed: float(draw.normal(1.0)) for seed in range(draw.seeds)}
    return [
        one | {"metric": metric, "value": min(100.0, mean + shared[one["seed"]] + float(draw.normal(0.3)))}
        for one in networks
        for metric, mean in ((CELLS, cells), (BOARDS, 20.0))
    ]


def plateau_world(draw: Draw) -> Made:
    rows, name = [_known()], draw.claim.name
    for cell in draw.analysis.cells:
        columns = {"arm": "smooth", "game_steps": cell.steps, "m": cell.m}
        won = 100 * draw.succeeds(max(0.0, draw.effect) if name == claims.MANY_STEPS.name else 0.0, draw.seeds)
        dead = draw.succeeds(min(100.0, draw.effect) if name == claims.ANSWERS_DEAD.name else 100.0, draw.seeds)
        apart = draw.effect if name == claims.PLATEAU.name else 0.0
        noise = draw.normal(2.5, draw.seeds)
        for seed in range(draw.seeds):
            found = {SUCCESS: won[seed], BOARDS: 52 + apart + noise[seed], ALIVE: 0.0 if dead[seed] else 12.0}
            rows += [row(seed, **CELL | columns, metric=m, end=True, value=value) for m, value in found.items()]
            rows.append(row(seed, **CELL | columns, metric="dead_boards", step=0, end=False, value=52.0))
    return table(rows), {}


def path_world(draw: Draw) -> Made:
    rows = []
    for m in draw.analysis.widths:
        own = {"m": m, "end": True}
        risen = draw.succeeds(min(100.0, draw.effect), draw.seeds)
        for seed in range(draw.seeds):
            first = 2.0 if draw.claim.name != claims.BARRIER.name or risen[seed] else 0.0
            after = first * (0.5 if risen[seed] else 1.5)
            lines = {("as_found", "barrier"): first, ("as_found", "turns"): 1.0, ("aligned", "barrier"): after}
            rows += [row(seed, arm=arm, metric=metric, value=v, **own) for (arm, metric), v in lines.items()]
            rows.append(row(seed, arm="trained", metric=SUCCESS, value=100.0, **own))
        rows.append(row(0, arm="permuted", metric="barrier", value=0.0, **own))
    return table(rows), {}


def flips_world(draw: Draw) -> Made:
    """Starts that differ in how much they stand."""
    rows: list[dict[str, Any]] = []
    starts, flips = draw.analysis.lucky, draw.analysis.flips
    spread = draw.normal(10, starts)
    for start in range(starts):
        own = {"of": f"start {start}", "end": True}
        for k in draw.analysis.ks:
            rate = 95.0 if k == 0 else draw.effect + spread[start] if k == 6 else 70.0
            won = draw.succeeds(float(np.clip(rate, 0, 100)), flips)
            rows += [
                row(start, arm="flipped", k=k, trial=t, metric=SUCCESS, value=100 * won[t], **own) for t in range(flips)
            ]
        rows.append(row(start, arm="again", k=0, trial=0, metric=SUCCESS, value=100.0, **own))
    return table(rows), {}


def exact_world(draw: Draw) -> Made:
    wrong = {"all": 0.0 if draw.where in ("beyond", "perfect") else 1.0, "test": 0.0}
    rows = []
    for split, cases in (("all", 512.0), ("test", 1000.0)):
        known = {"arm": KNOWN, "split": split, "game_steps": 1}
        rows += [
            row(0, **known, metric="boards", value=cases),
            row(0, **known, metric="wrong_boards", value=wrong[split]),
        ]
        rows.append(row(0, **known | {"arm": "shaken"}, metric="wrong_boards", value=100.0))
    rows.append(row(0, arm=KNOWN, split="train", game_steps=1, metric="largest_loss", value=0.0))
    return table(rows), {}


def _grid(claim: Claim, scale: float, seeds: int, **options: Any) -> World:
    return World("life_success", claim, success_world, scale, seeds=seeds, options=options)


WORLDS = [
    _grid(claims.MINIMAL, 4.0, 200, arms=("plain", "smooth")),
    _grid(claims.SMOOTH, 30.0, 40),
    _grid(claims.WIDTH_GROWS, 3.0, 20, steps=(1, 2), widths=(1, 2, 5, 10)),
    _grid(claims.MANY_STEPS, 5.0, 20, steps=(5,), widths=(1, 2, 5, 10)),
    _grid(claims.CELLS_HIDE, 3.0, 20, steps=(2,), widths=(1, 2)),
    World("life_plateau", claims.PLATEAU, plateau_world, 4.0, seeds=20),
    World("life_plateau", claims.ANSWERS_DEAD, plateau_world, 10.0, seeds=40),
    World("life_plateau", claims.MANY_STEPS, plateau_world, 5.0, seeds=40),
    World("life_path", claims.BARRIER, path_world, 10.0, seeds=60),
    World("life_path", claims.BARRIER_ALIGNED, path_world, 40.0, seeds=40),
    World("life_sign_flips", claims.SIGNS, flips_world, 30.0, seeds=1),
    World("life_exact", claims.EXACT, exact_world, 1.0, seeds=1),
]
