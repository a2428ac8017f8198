"""Do the hand-set weights play the Game of Life without an error?"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from expzoo.analysis.studies.life import claims, pictures
from expzoo.analysis.studies.life.networks import BOARDS, KNOWN, at_start, known
from expzoo.analysis.studies.life.rules import MOST_ENUMERATED
from expzoo.analysis.studies.life.settings import check, check_fit, refuse_lists
from expzoo.study import (
    Count,
    Findings,
    Measure,
    Request,
    SelfTest,
    SignFlip,
    at,
    decide,
    enumeration,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    import numpy as np
    import polars as pl

    from expzoo.study import Figure, Setting, Spec, Trained, Verdict

LEAKY = "leaky"  # the same weights with leaky units and a sigmoid, where they are not exact
SHAKEN = "shaken"  # the control: the same weights with one sign flipped, which must be found wrong
SET_BY = {
    "dataset.steps": "analysis.life_exact.steps",
    "model.steps": "analysis.life_exact.steps",
    "model.m_factor": "analysis.life_exact.widths",
    "model.d_factor": "the known solution, which has d_factor 1",
}
FORMS = ("firner", "springer")


@register
class LifeExact:
    """Both forms of the network with hand-set weights, for both neighbourhoods, many steps and spare filters.

    What is finite is enumerated: 512 neighbourhoods for one step, 8192 diamonds for two von Neumann
    steps. Beyond that a step follows from the one before, since the answers are 0 and 1 exactly;
    random boards are tried as well. The networks are then trained, to see whether the loss starts
    at 0 and stays there.

    Args:
        steps: the numbers of game steps.
        widths: multiples of the smallest width; filters in excess are zero.
        training: optimizer steps of the trained networks.
    """

    NEEDS = ("dataset=life", "model=life_net")
    CACHE_VERSION = 1

    def __init__(
        self, *, steps: tuple[Count, ...] = (1, 2, 5), widths: tuple[Count, ...] = (1, 5), training: Count = 100
    ) -> None:
        refuse_lists(steps=steps, widths=widths)
        self.steps, self.widths, self.training = tuple(steps), tuple(widths), training

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Boards that are wrong before training, and the largest loss while training."""
        check(setting.base, SET_BY)
        plan = list(self._plan(setting.base.replace(seed=setting.seeds[0])))
        check_fit(spec for columns, spec in plan if columns["m"] == max(self.widths))
        finite = [(columns, spec) for columns, spec in plan if _is_finite(columns)]
        others = [(columns, spec) for columns, spec in plan if not _is_finite(columns)]
        looks = (*at_start((BOARDS, "test")), Measure("loss", "train", at(0)))
        networks = yield Request(
            tuple(spec for _, spec in finite), (*looks, *at_start((BOARDS, "all"))), steps=(0,)
        ) + Request(tuple(spec for _, spec in others), looks, steps=(0,))
        findings = Findings()
        for (columns, spec), network in zip(finite + others, networks, strict=True):
            for split in ("test", "all")[: 1 + _is_finite(columns)]:
                cases = len(spec.dataset.build().split(split, spec.seed))
                wrong = cases * (1 - network.curve(BOARDS, split)[0] / 100)
                findings.rows.append(_row(network, columns, split, "boards", cases))
                findings.rows.append(_row(network, columns, split, "wrong_boards", round(wrong)))
            losses = [*network.losses.tolist(), network.curve("loss", "train")[0]]
            findings.rows.append(_row(network, columns, "train", "largest_loss", max(losses)))
        smallest = networks[0]
        findings.arrays = {f"minimal/{name}": value for name, value in smallest.parameters(0).items()}
        return findings

    def _plan(self, base: Spec) -> Iterator[tuple[dict[str, Any], Spec]]:
        """The smallest first: it is drawn."""
        for steps, m, neighbourhood, form in itertools.product(self.steps, self.widths, MOST_ENUMERATED, FORMS):
            sizes = {"steps": steps, "m_factor": m, "edge": base.dataset["edge"]}
            spec = base.replace(
                dataset={"neighbourhood": neighbourhood, "steps": steps},
                model={"form": form, "activation": "relu", "output": "clamp", "normalize": False} | sizes,
            )
            columns = {"neighbourhood": neighbourhood, "form": form, "game_steps": steps, "m": m}
            solved = known(spec, self.training)
            yield columns | {"arm": KNOWN}, solved
            if m == 1 and (neighbourhood, form) == ("von_neumann", "firner"):
                yield columns | {"arm": LEAKY}, solved.replace(model={"activation": "leaky_relu", "output": "sigmoid"})
            if steps == m == 1:
                yield columns | {"arm": SHAKEN}, solved.replace(init=SignFlip(solved, 1))

    def judge(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Sequence[Verdict]:
        """No board may be wrong, of all that were enumerated and of all that were drawn."""
        rows = records.select(table, arm=KNOWN)
        (wrong, boards), (slips, drawn) = (
            (_total(rows, split=split, metric="wrong_boards"), _total(rows, split=split, metric="boards"))
            for split in ("all", "test")
        )
        control = None
        if SHAKEN in {*table["arm"]}:
            found = _total(table, arm=SHAKEN, split="all", metric="wrong_boards")
            control = SelfTest("a flipped sign is found", found > 0, f"{found} wrong boards")
        verdict = decide(claims.EXACT, enumeration(wrong + slips, boards + drawn), control=control)
        loss = max(records.select(rows, metric="largest_loss")["value"])
        facts = [f"{boards} enumerated and {drawn} drawn boards; the largest loss in training was {loss:.3g}"]
        if LEAKY in {*table["arm"]}:
            leaky = records.select(table, arm=LEAKY, split="test", metric="wrong_boards").sort("game_steps")
            counted = ", ".join(f"{n:.0f} at {steps}" for steps, n in leaky.select("game_steps", "value").iter_rows())
            facts.append(f"with leaky units and a sigmoid, wrong test boards by number of steps: {counted}")
        return [replace(verdict, note="; ".join([verdict.note, *facts]))]

    def draw(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Iterator[Figure]:
        """The smallest network with its weights."""
        parameters = {name.partition("/")[2]: value for name, value in arrays.items() if name.startswith("minimal/")}
        caption = (
            "25 numbers compute one step: two filters count neighbours, the cell itself as a half; the first "
            "convolution of 1 x 1 says whether the cell is dead, the second turns that round. A cell lives next if "
            "its sum is 2.5, 3 or 3.5."
        )
        yield pictures.weights(parameters, "The smallest network that plays", caption)


def _is_finite(columns: dict[str, Any]) -> bool:
    return columns["game_steps"] <= MOST_ENUMERATED[columns["neighbourhood"]]


def _row(network: Trained, columns: dict[str, Any], split: str, metric: str, value: float) -> dict[str, Any]:
    common = {"key": network.key, "seed": network.spec.seed, "step": 0, "split": split, "metric": metric}
    return columns | common | {"value": float(value)}


def _total(table: pl.DataFrame, **chosen: Any) -> int:
    return round(float(records.select(table, **chosen)["value"].sum()))
