"""What a contrast asks of the lab: its cells for every seed, and what is seen of each network."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.analysis import tuning
from expzoo.analysis.contract import Findings
from expzoo.analysis.predictions import Predictions
from expzoo.analysis.studies.contrast import learning
from expzoo.analysis.studies.contrast.looks import STEPS, Look, higher_is_better
from expzoo.analysis.studies.contrast.pictures import CURVE, TUNING
from expzoo.analysis.studies.contrast.possible import Possible
from expzoo.lab.request import Request
from expzoo.science.numerics.calibration import fit_temperature, log_softmax
from expzoo.science.numerics.ensembles import average
from expzoo.spec.measure import LOSS, Measure, component
from expzoo.spec.score import Score
from expzoo.spec.spec import Fresh, Spec
from expzoo.spec.when import every as every_so_often
from expzoo.system.errors import BadInput, Unfit

if TYPE_CHECKING:
    from expzoo.analysis.contract import Setting
    from expzoo.analysis.studies.contrast.arms import Arm, Cell
    from expzoo.analysis.studies.contrast.building import Builder
    from expzoo.lab.trained import Trained
    from expzoo.store.records import Row


@dataclass
class Questions:
    """The cells of a contrast, what is looked at, and how its networks are made."""

    cells: Sequence[Cell]
    looks: Mapping[str, Look]
    builder: Builder
    every: int | None = None
    tune: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    tuned_by: str = ""
    left_out: dict[str, str] = field(default_factory=dict)

    def ask(self, setting: Setting) -> Generator[Any, Any, Findings]:
        """All cells for all seeds in one question; BadInput before it for settings that the base does not have."""
        looks = {name: look.on(setting.score) for name, look in self.looks.items()}
        cells = self._fitting(setting, looks)
        arms = self._arms(cells)
        learned = any(arm.learn for arm in arms.values())
        named = (yield from learning.learn(arms, self.builder, setting)) if learned else {}
        tuned = (yield from self._tuned(setting, cells)) if self.tune else []
        plan = [(cell, self.builder.spec(setting.base.replace(seed=s), cell)) for cell in cells for s in setting.seeds]
        parts = [Request((spec,), self._measures(spec, looks, setting.score)) for _, spec in plan]
        pools = self._pools(plan, looks)
        parts += [Request(tuple(specs), (Measure(LOSS, "train"),)) for specs in pools.values()]
        networks = yield Request(parts[0].specs, parts[0].measures, more=tuple(parts[1:]))
        by_key = {network.key: network for network in networks}
        findings = Findings(tuned)
        for cell, spec in plan:
            network = by_key[spec.key]
            for name, look in looks.items():
                members = [by_key[member.key] for member in pools.get((spec.key, name), [])]
                value = predicted(look, members) if look.predicted else look.value(network)
                short = {"learned": named[cell.arm, spec.seed]} if (cell.arm, spec.seed) in named else {}
                findings.rows.append(_row(network, cell, name, look, value) | short)
            if self.every:
                curve = network.curve(setting.score.metric, "test").items()
                due = [(step, value) for step, value in curve if not step % self.every or step == network.step]
                findings.rows += [_seen(network, cell, CURVE, setting.score.metric, s, v) for s, v in due]
        findings.arrays = self._facts(looks, setting, {cell: by_key[spec.key] for cell, spec in plan})
        return findings

    def _tuned(self, setting: Setting, cells: Sequence[Cell]) -> Generator[Request, list[Trained], list[Row]]:
        """Find the settings of every arm, which those made from it share; the records of what was tried."""
        roots = dict.fromkeys(self.builder.root(cell) for cell in cells)
        makers = {root: self.builder.maker(root) for root in roots}
        choices, rows = yield from tuning.tune(setting, makers, self.tune, loss_on=self.tuned_by)
        self.builder.tune({root: choice.settings for root, choice in choices.items()})
        named = {str(root): root for root in roots}
        return [
            row
            | {"arm": named[str(row["tuned"])].arm, "measure": TUNING}
            | named[str(row["tuned"])].columns()
            | {"tuned": named[str(row["tuned"])].words}
            for row in rows
        ]

    def _fitting(self, setting: Setting, looks: Mapping[str, Look]) -> list[Cell]:
        """The cells whose networks can be made here; Unfit with every fault, or if there are none."""
        faults: list[str] = []
        cells: list[Cell] = []
        base = setting.base.replace(seed=setting.seeds[0])
        possible = Possible()
        for cell in self.cells:
            try:
                spec = self.builder.spec(base, cell)
                possible.check_model(spec)
            except Unfit as error:
                self.left_out.setdefault(cell.arm, str(error))
                continue
            except BadInput as error:
                faults += str(error).splitlines()
                continue
            cells.append(cell)
            found = [f"arms.{cell.arm}: {line}" for line in possible.faults(spec)]
            for name, look in looks.items() if not found else ():
                faults += [f"measure.{name}: {line}" for line in possible.unseen(look, spec)]
            faults += found
        faults += learning.faults(
            {cell.arm: self.builder.arms[cell.arm] for cell in cells}, self.builder, setting, possible
        )
        if self.tune and not faults:
            faults += self._untunable(base, cells, possible)
        if faults:
            raise Unfit("\n".join(f"analysis.contrast: {line}" for line in dict.fromkeys(faults)))
        if not cells:
            raise Unfit("; ".join(f"arm {arm}: {line}" for arm, line in self.left_out.items()))
        return cells

    def _arms(self, cells: Sequence[Cell]) -> dict[str, Arm]:
        return {cell.arm: self.builder.arms[cell.arm] for cell in cells}

    def _untunable(self, base: Spec, cells: Sequence[Cell], possible: Possible) -> Iterator[str]:
        """What is wrong with the settings that are to be tried."""
        for root in dict.fromkeys(self.builder.root(cell) for cell in cells):
            for point in tuning.grid(self.tune):
                try:
                    spec = self.builder.maker(root)(base, point)
                    yield from (f"tune: {root.words} with {point}: {line}" for line in possible.faults(spec))
                except BadInput as error:
                    yield from str(error).splitlines()
        self.builder.tune({})

    def _measures(self, spec: Spec, looks: Mapping[str, Look], score: Score) -> tuple[Measure, ...]:
        total = spec.stop.shared.at_most
        found = [measure for look in looks.values() for measure in look.measures(total)]
        if self.every:
            found.append(Measure(score.metric, "test", every_so_often(self.every)))
        return tuple(dict.fromkeys(found))

    def _pools(self, plan: Sequence[tuple[Cell, Spec]], looks: Mapping[str, Look]) -> dict[tuple[str, str], list[Spec]]:
        """The members of each ensemble: the network itself, and others that differ in their start."""
        pools: dict[tuple[str, str], list[Spec]] = {}
        for name, look in looks.items():
            for _, spec in plan if look.predicted else []:
                if look.members > 1 and not isinstance(spec.init, Fresh):
                    raise Unfit(f"{look.text}: members of an ensemble differ in their start, which is given here")
                draws = range(look.members)
                members = [spec.replace(init=Fresh(draw=_draw(spec) + 100 * draw)) for draw in draws]
                pools[spec.key, name] = members if look.members > 1 else [spec]
        return pools

    def _facts(
        self, looks: Mapping[str, Look], setting: Setting, made: Mapping[Cell, Trained]
    ) -> dict[str, np.ndarray]:
        """Of each measure its direction, and of each cell its chance level and what counts for one that diverged.

        Those of a cell are numbers of the first seed's data, NaN where there is none, in the order of `cells`.
        """
        facts: dict[str, np.ndarray] = {}
        datasets = cache(lambda component: component.build())
        for name, look in looks.items():
            chances, worst = np.full((2, len(self.cells)), np.nan)
            for index, cell in enumerate(self.cells):
                if cell in made:
                    spec = made[cell].spec
                    if look.by_chance and look.metric != LOSS:
                        scored = Score(look.metric, look.unit, higher_is_better(look.metric))
                        chances[index] = scored.chance(datasets(spec.dataset), setting.seeds[0], look.split)
                    worst[index] = spec.stop.shared.at_most if look.when == "steps" else made[cell].worst(look.metric)
            facts |= {f"chance/{name}": chances, f"worst/{name}": worst}
            facts[f"higher/{name}"] = np.array(look.when != "steps" and higher_is_better(look.metric))
        return facts


def _draw(spec: Spec) -> int:
    return spec.init.draw if isinstance(spec.init, Fresh) else 0


def predicted(look: Look, members: Sequence[Trained]) -> float:
    """A metric of the members' averaged probabilities, after a temperature if asked for; NaN if one diverged."""
    if any(network.diverged for network in members):
        return float("nan")
    import torch

    predictions = Predictions()
    logits = average(log_softmax(predictions.pool(members, look.split)))
    if look.calibrated:
        held_out = average(log_softmax(predictions.pool(members, "validation")))
        logits = log_softmax(logits, fit_temperature(held_out, predictions.labels(members[0], "validation")))
    labels = torch.from_numpy(np.array(predictions.labels(members[0], look.split)))
    return float(component(look.metric).build()(torch.from_numpy(logits), labels))


def _row(network: Trained, cell: Cell, name: str, look: Look, value: float) -> Row:
    metric = look.metric if look.when != "steps" else f"{STEPS}{look.metric}"
    return _seen(network, cell, name, metric, network.step, value) | {"split": look.split, "end": True}


def _seen(network: Trained, cell: Cell, name: str, metric: str, step: int, value: float) -> Row:
    where: Row = {"key": network.key, "seed": network.spec.seed, "arm": cell.arm, **cell.columns()}
    if network.diverged:
        where |= {"diverged": True}
    return where | {"step": step, "split": "test", "metric": metric, "value": value, "measure": name, "end": False}
