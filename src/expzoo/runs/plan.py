"""What an experiment is going to ask: its setting, the analyses that fit it, and those that are left out, with why."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from expzoo.analysis import needs
from expzoo.analysis.contract import Analysis, Findings, Setting
from expzoo.analysis.reach import out_of_reach
from expzoo.components.feasibility import loss_faults, model_faults, split_faults
from expzoo.config import registry
from expzoo.config.places import located
from expzoo.runs import robustness
from expzoo.spec.component import Component
from expzoo.spec.spec import Spec
from expzoo.system.console import say
from expzoo.system.errors import BadInput, PluginError, Unfit, first_line
from expzoo.system.randomness import member_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from expzoo.lab.lockstep import Analysing
    from expzoo.lab.request import Request

PLACED = "analysis."  # in a reason that names an option of the analysis itself
LISTED = 8  # analyses that fit, in the answer to one that does not


@dataclass
class Plan:
    """The setting of an experiment and its analyses; of those that do not fit its other parts, the reasons.

    `held_out` has settings of analyses that need validation data where the experiment's has none.
    They are these analyses' alone, so that networks of the others do not depend on their company.
    """

    setting: Setting
    analyses: dict[str, Analysis]
    left_out: dict[str, str] = field(default_factory=dict)
    held_out: dict[str, Setting] = field(default_factory=dict)
    variants: dict[str, Setting] = field(default_factory=dict)
    experiment: str = ""

    def begin(self) -> dict[str, Analysing[Findings]]:
        """The analyses up to their first question, those left out that find only then that they do not fit.

        After them, under names of their own, the same analyses under the settings that robustness
        asks for. BadInput if none is left, with analyses that would fit.
        """
        begun: dict[str, Analysing[Findings]] = {}
        for name, analysis in list(self.analyses.items()):
            try:
                begun[name] = _begun(analysis, self.held_out.get(name, self.setting))
            except Unfit as error:
                self._leave_out(name, [located(line, self.experiment) for line in str(error).splitlines()])
        for word, setting in self.variants.items():
            for name, analysis in self.analyses.items():
                needed = with_what_is_needed(setting, analysis.NEEDS)
                begun[robustness.name(name, word)] = _begun(analysis, needed)
        return begun

    def asked(self) -> dict[str, Analysis]:
        """The analyses by the names under which they ask, those under other settings last."""
        again = {robustness.name(name, word): own for word in self.variants for name, own in self.analyses.items()}
        return self.analyses | again

    def check(self, dataset: Any) -> None:
        """Leave out what says beforehand that it does not fit these data; BadInput if none is left."""
        for name, analysis in list(self.analyses.items()):
            setting = with_what_is_needed(self.setting, analysis.NEEDS)
            data = dataset if setting is self.setting else setting.base.dataset.build()
            if reasons := needs.unmet(analysis.NEEDS, setting.base, data):
                self._leave_out(name, ["; ".join(reasons)])
            elif setting is not self.setting:
                self.held_out[name] = setting

    def notes(self) -> list[str]:
        """What a reader must know of these analyses besides their results."""
        notes = [f"analysis={name} is left out: {reason}" for name, reason in self.left_out.items()]
        for name in self.analyses:
            if setting := self.held_out.get(name):
                data = setting.base.dataset
                told = f"{data['validation_size']} examples of dataset={data.name} are held out for validation"
                notes.append(f"analysis={name}: {told}, since dataset.validation_size is 0")
        return notes

    def beforehand(self) -> list[str]:
        """What even a perfect result could not support, one line for each analysis with such claims."""
        seeds = len(self.setting.seeds)
        missed = {name: self._out_of_reach(analysis, seeds) for name, analysis in self.analyses.items()}
        told = f"even a perfect result of population.size={seeds} would not support"
        return [f"analysis={name}: {told} {', '.join(claims)}" for name, claims in missed.items() if claims]

    def _out_of_reach(self, analysis: Analysis, seeds: int) -> list[str]:
        """As the verdicts will be called on these data."""
        base = self.setting.base
        elsewhere = needs.away(analysis.HOME, {"dataset": base.dataset.name, "model": base.model.name})
        return [needs.called_here(claim, analysis.HOME, elsewhere) for claim in out_of_reach(analysis, seeds)]

    def say_notes(self, *, beforehand: bool) -> list[str]:
        """The notes, said on standard error too; and what no result could support, which is no fault."""
        for line in self.beforehand() if beforehand else ():
            say(line)
        notes = self.notes()
        for note in notes:
            say(note, file=sys.stderr)
        return notes

    def _leave_out(self, name: str, reasons: list[str]) -> None:
        """Leave an analysis out; one reason a line if they say their place."""
        del self.analyses[name]
        if not self.analyses:
            lines = [f"analysis={left} does not fit: {why}" for left, why in self.left_out.items()]
            lines += [why if PLACED in why else f"analysis={name} does not fit: {why}" for why in reasons]
            raise BadInput("\n".join(lines if all(PLACED in why for why in reasons) else [*lines, self._hint(name)]))
        self.left_out[name] = "; ".join(reasons)

    def _hint(self, last: str) -> str:
        tried = {*self.left_out, last}
        others = (name for name in registry.available("analysis") if name not in tried)
        fitting = [name for name in others if _fits(name, self.setting)]
        more = f" and {len(fitting) - LISTED} more" if len(fitting) > LISTED else ""
        fits = f"analyses that fit: {', '.join(fitting[:LISTED])}{more}" if fitting else "no analysis fits"
        data, model = self.setting.base.dataset.name, self.setting.base.model.name
        return f"with dataset={data} model={model}, {fits} (expzoo list --fits dataset={data} model={model})"


def why_not(name: str, setting: Setting, options: Mapping[str, Any] | None = None) -> str:
    """Why an analysis, at its defaults but for these options, does not fit a setting; empty if it does.

    It is asked for its first question, and nothing is trained. What it warns of while it is is not said.
    """
    made: Any = registry.load("analysis", name)
    setting = with_what_is_needed(setting, made.NEEDS)
    if reasons := needs.unmet(made.NEEDS, setting.base, setting.base.dataset.build()):
        return "; ".join(reasons)
    level = (log := logging.getLogger("expzoo")).level
    log.setLevel(logging.ERROR)
    try:
        next(registry.build("analysis", name, **(options or {})).measure(setting), None)
    except BadInput as error:
        return first_line(error)
    finally:
        log.setLevel(level)
    return ""


def _fits(name: str, setting: Setting) -> bool:
    """Whether an analysis fits; one that is broken is no fault of the one that is asked about."""
    try:
        return not why_not(name, setting)
    except (BadInput, PluginError):
        return False


def with_what_is_needed(setting: Setting, words: Sequence[str]) -> Setting:
    """The setting with validation data held out, if they are needed and it has none; else itself."""
    if "split validation" not in words or not needs.holds_none_out(setting.base):
        return setting
    base = needs.with_validation(setting.base, setting.base.dataset.build())
    return replace(setting, base=base) if base != setting.base else setting


def plan(config: dict[str, Any], datasets: Callable[[Component[Any]], Any] = Component.build) -> Plan:
    """The plan of a plain, resolved config; BadInput, with every fault, if it cannot be built.

    `datasets` gives the dataset of a component, such as those of a lab, which then makes none again.
    """
    faults, analyses, setting, refused = [], {}, None, list[Exception]()
    for name, options in (config["analysis"] or {}).items():
        try:
            analyses[name] = registry.build_node("analysis", {**options, "name": name})
        except BadInput as error:
            faults += [located(line, config["about"]["experiment"]) for line in str(error).splitlines()]
            refused.append(error)
    try:
        setting = _setting(config, faults, datasets)
    except BadInput as error:
        faults.append(str(error))
        refused.append(error)
    except PluginError as error:
        if not isinstance(error.__cause__, MemoryError | OverflowError | RuntimeError):
            raise
        faults.append(f"{error}: {first_line(error.__cause__)}")
        refused.append(error)
    if not config["analysis"]:
        faults.append("analysis is empty: choose at least one, such as analysis=[learning_curves]")
    if faults or setting is None:
        raise BadInput("\n".join(faults)) from (ExceptionGroup("refused", refused) if refused else None)
    elsewhere = robustness.varied(setting, config.get("robustness", ()), config.get("robustness_size"))
    made = Plan(setting, analyses, variants=elsewhere, experiment=config["about"]["experiment"])
    made.check(datasets(setting.base.dataset))
    return made


def _setting(config: dict[str, Any], faults: list[str], datasets: Callable[[Component[Any]], Any]) -> Setting:
    """The setting of a config, whose components are all built once; what is wrong with them is added to `faults`."""
    base = Spec.from_config(config)
    dataset = datasets(base.dataset)
    for kind in ("optimizer", "schedule", "loss", "stop"):
        getattr(base, kind).build()
    faults += model_faults(base, dataset) or [*split_faults(base, dataset), *loss_faults(base, dataset)]
    seeds = tuple(member_seed(config["seed"], index) for index in range(config["population"]["size"]))
    return Setting(base, seeds, config["budget"])


def _begun(analysis: Analysis, setting: Setting) -> Analysing[Findings]:
    """An analysis with its first question asked; Unfit if it finds that it does not fit."""
    asking = analysis.measure(setting)
    try:
        return _from(asking, next(asking))
    except StopIteration as stop:
        return _returned(stop.value)


def _from(asking: Analysing[Findings], first: Request) -> Analysing[Findings]:
    """A generator that was begun, as one that was not."""
    reply = yield first
    while True:
        try:
            asked = asking.send(reply)
        except StopIteration as stop:
            return stop.value
        reply = yield asked


def _returned(value: Findings) -> Analysing[Findings]:
    """A generator that asks nothing."""
    yield from ()
    return value
