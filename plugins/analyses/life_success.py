"""How often does a network learn to play the Game of Life?"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from expzoo.analysis.studies.life import curves, pictures, reach, verdicts
from expzoo.analysis.studies.life import networks as life
from expzoo.analysis.studies.life.networks import Cell
from expzoo.analysis.studies.life.settings import check, check_fit, refuse_lists
from expzoo.study import Cohort, Count, Findings, Request, Trained, register

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    import polars as pl

    from expzoo.study import Figure, Setting, Verdict

Networks = list[tuple[Cell, Trained]]
SIDE, MOMENTS = 24, 40  # of the game that a network plays for its picture
EXAMPLES = range(128)  # boards at which the gradient before training is looked at
STRIP = 6
SET_BY = {
    "dataset.steps": "analysis.life_success.steps",
    "model.steps": "analysis.life_success.steps",
    "model.m_factor": "analysis.life_success.widths",
}


@register
class LifeSuccess:
    """Trains the network in every cell of a grid of settings and counts how often it gets every board right.

    Success is Firner's: every cell of 1000 boards of 5 x 5; boards and cells that are right stand
    beside it, with what the answer "all dead" gets. Where one block is asked for one step, all 512
    neighbourhoods are tried too, which proves that a network is right; for two von Neumann steps
    all 8192 diamonds, which does not. The plain configuration's networks are looked at before
    training: whether they answer all dead, and whether any gradient reaches their first two
    convolutions. Which claims are judged follows from the grid.

    Args:
        steps: the numbers of game steps.
        widths: multiples m of the smallest width.
        arms: smooth is the configured network, plain the script's default with half as many batches, of 32.
    """

    NEEDS = ("dataset=life", "model=life_net")
    CACHE_VERSION = 2  # 2: two steps are enumerated too
    RULES_VERSION = 2  # 2: claims about width, depth and density for one step are made elsewhere

    def __init__(
        self,
        *,
        steps: tuple[Count, ...] = (1,),
        widths: tuple[Count, ...] = (1,),
        arms: tuple[Literal["plain", "smooth"], ...] = ("smooth",),
    ) -> None:
        refuse_lists(steps=steps, widths=widths, arms=arms)
        self.cells = [Cell(*place) for place in itertools.product(arms, steps, widths)]

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """All networks in one question, with the hand-set ones that the test itself is tested on."""
        check(setting.base, SET_BY)
        widest = max(cell.m for cell in self.cells)
        check_fit(cell.spec(setting.base) for cell in self.cells if cell.m == widest)
        plan = [(cell, cell.spec(spec)) for cell in self.cells for spec in setting.specs()]
        finite = [entry for entry in plan if life.can_be_enumerated(*entry)]
        others = [entry for entry in plan if not life.can_be_enumerated(*entry)]
        first = setting.base.replace(seed=setting.seeds[0])
        solved = life.exact_networks(first, self.cells)
        networks = yield (
            Request(tuple(spec for _, spec in finite), (*life.MEASURES, life.ENUMERATED), steps=(0,))
            + Request(tuple(spec for _, spec in others), life.MEASURES, steps=(0,))
            + Request(tuple(solved.values()), life.at_start((life.SUCCESS, "test")))
        )
        trained = [(cell, network) for (cell, _), network in zip(finite + others, networks, strict=False)]
        findings = Findings(_rows(trained, len(finite)))
        for (arm, steps, m), network in zip(solved, networks[len(trained) :], strict=True):
            value = network.curve(life.SUCCESS)[0]
            columns = Cell(life.KNOWN, steps, m).columns() | {"of": arm}
            findings.rows.append(columns | _row(network, "test", life.SUCCESS, value))
        findings.rows += _starts([entry for entry in trained if entry[0].arm == "plain"])
        findings.arrays = _base_rates(trained) | _boards(trained) | _game(trained)
        findings.arrays["essay"] = np.array(life.is_essays(setting.base))
        return findings

    def out_of_reach(self, seeds: int) -> list[str]:
        """The claims that even a perfect result of so many seeds would not support."""
        return reach.out_of_reach(reach.of_grid(self.cells, seeds))

    def judge(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Sequence[Verdict]:
        """Every claim that the grid has the networks for."""
        return list(verdicts.judge(table, arrays["base_rates"]))

    def draw(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Iterator[Figure]:
        """Success, boards and cells against the width; boards with errors; a network at play."""
        base = {int(steps): (float(cells), float(boards)) for steps, cells, boards in arrays["base_rates"]}
        essay = bool(arrays.get("essay", True))
        yield curves.success(table, essay=essay)
        yield curves.correct(table, base, essay=essay)
        if "boards/before" in arrays:
            steps, m = arrays["boards/of"].tolist()
            which = f"a failed network for {steps} step{'s' * (steps > 1)}, m = {m},"
            caption = f"Test boards that {which} got wrong, as far as there are; crosses mark the wrong cells."
            before, said, truth = (arrays[f"boards/{part}"] for part in ("before", "network", "truth"))
            yield pictures.strip("What a failed network gets wrong", caption, before, said, truth)
        if "game" in arrays:
            caption = (
                "The network plays on from its own rounded answers. Of the cells that differ from true Life, those it "
                "calls alive are dark orange, those it calls dead light orange."
            )
            stride = int(arrays["game_steps"])
            yield pictures.playing(arrays["game"], "A trained network at play", caption, stride=stride)


def _row(network: Trained, split: str, metric: str, value: float) -> dict[str, Any]:
    """What a record of a network before its training says."""
    common = {"key": network.key, "seed": network.spec.seed, "step": 0, "split": split}
    return common | {"metric": metric, "value": float(value), "end": False}


def _rows(trained: Networks, num_finite: int) -> list[dict[str, Any]]:
    found = []
    for index, (cell, network) in enumerate(trained):
        wanted = (*life.WANTED, (life.SUCCESS, "all")) if index < num_finite else life.WANTED
        found += network.rows(*wanted, **cell.columns())
        fall = {"step": network.step, "end": True, "value": life.late_fall(network)}
        found.append(cell.columns() | _row(network, "train", "late_fall", 0.0) | fall)
    return found


def _starts(plain: Networks) -> Iterator[dict[str, Any]]:
    """Of each network, whether it answers all dead before training, and whether its first layers have no gradient."""
    for cell, members in itertools.groupby(plain, key=lambda entry: entry[0]):
        cohort = Cohort([network for _, network in members], step=0)
        dead = cohort.predict("train").amax((1, 2)) == 0
        gradient = cohort.layout.views(cohort.grad(split="train", examples=EXAMPLES))
        early = [value.flatten(1) for value in list(gradient.values())[:4]]  # weights and biases of two convolutions
        still = ~torch.cat(early, 1).any(1)
        for metric, values in (("dead_at_start", dead), ("no_gradient_at_start", still)):
            for network, value in zip(cohort.networks, values.tolist(), strict=True):
                yield cell.columns() | _row(network, "train", metric, 100.0 * value)


def _base_rates(trained: Networks) -> dict[str, np.ndarray]:
    """Percentages of dead cells and of dead boards for each number of steps: (steps, 3)."""
    specs = {cell.steps: network.spec for cell, network in trained}
    return {"base_rates": np.array([(steps, *life.base_rates(spec)) for steps, spec in sorted(specs.items())])}


def _boards(trained: Networks) -> dict[str, np.ndarray]:
    """Boards that a failed network got wrong, if one failed: the widest, and of these the first."""
    failed = [entry for entry in trained if entry[1].value(life.SUCCESS) == 0]
    if not failed:
        return {}
    cell, network = max(failed, key=lambda entry: (entry[0].arm == "smooth", entry[0].m))
    split = network.spec.dataset.build().split("test", network.spec.seed)
    said = Cohort([network]).predict("test")[0].round().numpy()
    chosen = np.argsort((said == split.y).all(1), kind="stable")[:STRIP]
    side = split.x.shape[-1]
    parts = {"before": split.x, "network": said, "truth": split.y}
    found = {"boards/of": np.array([cell.steps, cell.m])}
    return found | {
        f"boards/{name}": part[chosen].reshape(-1, side, side).astype(np.uint8) for name, part in parts.items()
    }


def _game(trained: Networks) -> dict[str, np.ndarray]:
    """A game of the best network for the fewest steps, and the true one: (2, moments, SIDE, SIDE) uint8; its stride."""
    usable = [entry for entry in trained if not entry[1].diverged]
    if not usable:
        return {}
    cell, network = max(usable, key=lambda entry: (-entry[0].steps, entry[1].value(life.CELLS)))
    dataset: Any = network.spec.dataset.replace(test_board=SIDE, test_size=1).build()
    own = true = dataset.split("fresh", 0).x[0, 0]
    module, games = network.module().eval(), [(own, true)]
    with torch.no_grad():
        for _ in range(max(MOMENTS // cell.steps, 1)):
            own = module(torch.from_numpy(own)[None, None]).round().view(SIDE, SIDE).numpy()
            true = dataset.world.after(true.astype(np.uint8)[..., None])[..., 0].astype(np.float32)
            games.append((own, true))
    return {"game": np.array(games).astype(np.uint8).swapaxes(0, 1), "game_steps": np.array(cell.steps)}
