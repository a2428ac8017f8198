"""What must be true of things that look at networks: metrics, probes, loggers and analyses."""

from __future__ import annotations

import inspect
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl
import torch

from expzoo.analysis.contract import Findings, Setting
from expzoo.engine.adoption.looks import look_at_metric
from expzoo.engine.adoption.probing import look_at_probe
from expzoo.engine.adoption.updates import rows
from expzoo.engine.blueprints import Blueprints
from expzoo.engine.evaluation import Evaluator
from expzoo.engine.recipes import Recipes
from expzoo.lab.lesson import Lessons
from expzoo.lab.request import Request
from expzoo.report import figures
from expzoo.report.figures.figure import Figure
from expzoo.runs.contract.require import require
from expzoo.science.verdicts import Verdict, dump_verdicts, load_verdicts
from expzoo.spec.measure import Measure
from expzoo.store import records
from expzoo.store.network import Network
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.randomness import member_seed

if TYPE_CHECKING:
    from expzoo.spec.component import Component
    from expzoo.spec.spec import Spec

EXAMPLES, CLASSES = 60, 4


def check_metric(component: Component, base: Spec) -> None:
    """One number for a split, whatever the order of its examples, that leaves what it saw alone."""
    metric = component.build()
    outputs, labels = rows(CLASSES, EXAMPLES), torch.arange(EXAMPLES) % CLASSES
    fault = look_at_metric(component, base, Blueprints())
    require(fault is None, fault.why if fault else "")
    value = metric(outputs, labels)
    require(isinstance(value, float), f"gives {value!r}, not a number")
    turned = metric(outputs.flip(0), labels.flip(0))
    near = abs(turned - value) <= 1e-5 * max(1, abs(value))
    require(near, f"depends on the order of the examples: {value}, then {turned}")


def check_probe(component: Component, base: Spec) -> None:
    """One number for a network, the same again, that leaves its weights alone."""
    plugin = component.build()
    require(isinstance(plugin.on_split, bool), f"on_split is {plugin.on_split!r}, not true or false")
    given = ", ".join(f"{option}={value!r}" for option, value in component.options)
    measure = Measure(f"{component.name}({given})" if given else component.name, "train" if plugin.on_split else "")
    blueprints = Blueprints()
    first = Recipes(blueprints).initial_row(base, {})
    row = first * 1.5
    network = Network(base.key, "finished", 0, {0: first}, row[:0])
    seen = torch.from_numpy(row.copy())
    with exact_arithmetic():
        values = [Evaluator(blueprints).values(base, seen, [measure], network)[0] for _ in range(2)]
    require(torch.equal(seen, torch.from_numpy(row)), "changes the weights it is given")
    require(values[0] == values[1], f"gives another number the second time: {values[0]}, then {values[1]}")
    require(values[0] == values[0], "gives NaN for an ordinary network")
    fault = look_at_probe(component, base, blueprints)
    require(fault is None, fault.why if fault else "")


def check_logger(component: Component, base: Spec) -> None:
    """It can be handed a finished run."""
    parameters = list(inspect.signature(component.build().log).parameters)
    require(len(parameters) == 3, f"log takes {parameters}, not (directory, about, summary)")


def check_analysis(component: Component, base: Spec) -> None:
    """Its first question trains nothing and is always the same; a tiny run of it can be judged and drawn, twice."""
    from expzoo.lab.lab import Lab
    from expzoo.store.store import Store
    from expzoo.system.machine import machine_class

    setting = Setting(base, (member_seed(0, 0), member_seed(0, 1)), "smoke")
    asked = [next(component.build().measure(setting)) for _ in range(2)]
    named = f"measure yields {asked[0]!r}, not a Request or Lessons"
    require(all(isinstance(request, Request | Lessons) for request in asked), named)
    keys = [_keys(request) for request in asked]
    require(keys[0] == keys[1], "measure asks for other networks the second time")
    with TemporaryDirectory() as folder:
        lab = Lab(Store(Path(folder, "store"), machine_class()))
        require(not lab.account.trained, "measure trains before it is answered")
        analysis = component.build()
        [findings] = lab.run_together([analysis.measure(setting)])
        require(isinstance(findings, Findings), f"measure returns {findings!r}, not Findings")
        require(keys[0] or findings.rows, "measure asks for no network and finds nothing by itself")
        check_findings(component, findings, Path(folder))


def _keys(asked: Request | Lessons) -> list[str]:
    """Of everything that is asked for; an analysis that solves its question exactly asks for nothing."""
    if isinstance(asked, Lessons):
        return [lesson.key for lesson in asked.lessons]
    return [spec.key for part in asked.parts() for spec in part.specs]


def check_findings(component: Component, findings: Findings, folder: Path) -> None:
    """Records that can be stored, and verdicts and figures that a new object makes from what was stored."""
    records.write(records.frame(findings.rows), folder / "records.parquet")
    stored = records.read(folder / "records.parquet")
    verdicts, again = (list(made.judge(stored, findings.arrays)) for made in (component.build(), component.build()))
    wrong = [verdict for verdict in verdicts if not isinstance(verdict, Verdict)]
    require(not wrong, f"judge gives {wrong[:1]}, not verdicts")
    require(dump_verdicts(verdicts) == dump_verdicts(again), "judge gives other verdicts the second time")
    read = load_verdicts(dump_verdicts(verdicts), "verdicts")
    require(dump_verdicts(read) == dump_verdicts(verdicts), "its verdicts are others after they were stored")
    pictures: list[Any] = list(component.build().draw(stored, findings.arrays))
    for picture in pictures:
        require(isinstance(picture, Figure), f"draw gives {picture!r}, not a Figure")
        require(picture.title and picture.caption, f"the figure {picture.name} needs a title and a caption")
        require(isinstance(picture.data, pl.DataFrame), f"the figure {picture.name} needs the numbers it shows")
    names = [picture.name for picture in pictures]
    require(len({*names}) == len(names), f"two figures have one name: {names}")
    figures.save_all(pictures, folder / "figures")
