"""What is measured of a network, as a text says it: `score/test`, `loss/train at step 100`, `norm at start`.

    METRIC/SPLIT                                    the mean over the last tenth of the training
    METRIC/SPLIT at start | at end | at step 100 | at 30 %
    METRIC/SPLIT at best METRIC/SPLIT               where the second is best; test data may not choose
    METRIC/SPLIT at first METRIC/SPLIT <= 0.1       at the first look at which the second is reached; likewise
    steps to METRIC/SPLIT <= 0.1                    the first look at which it is reached
    METRIC/SPLIT at peak | at valley                the look highest above the lowest before it; that lowest one
    steps to peak METRIC/SPLIT                      where that peak is
    steps to best METRIC/SPLIT                      the first look at which it is best: the early-stopping step
    METRIC/SPLIT of ensemble(8)                     of networks that differ in their start, averaged
    calibrated METRIC/SPLIT [of ensemble(8)]        after a temperature fitted on validation data

METRIC is a metric or probe with its options in brackets, `loss` the training loss, and `score` what
a person would read on these data; a probe that sees the weights alone has no SPLIT.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

from expzoo.analysis import late
from expzoo.config import registry
from expzoo.spec.measure import LOSS, Measure, component
from expzoo.spec.when import END, When, at, every
from expzoo.system.errors import BadInput, closest

if TYPE_CHECKING:
    from expzoo.lab.trained import Trained
    from expzoo.spec.score import Score

SCORE = "score"
STEPS = "steps to "
MOST_MEMBERS = 100
LOOKS = 40  # over a training in which something is waited for or the best is sought

NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d{1,2})?"
_NAME = r"[a-z_]\w*(?:\([^()/]*\))?"
_SEEN = rf"(?P<metric>{_NAME})(?:/(?P<split>[a-z]+))?"
_TEXT = re.compile(
    rf"(?P<calibrated>calibrated )?{_SEEN}"
    r"(?: at (?:(?P<start>start)|(?P<end>end)|(?P<peak>peak)|(?P<valley>valley)|step (?P<step>\d+)"
    r"|(?P<percent>\d+(?:\.\d+)?) ?%"
    rf"|best (?P<best>{_NAME})/(?P<of>[a-z]+)"
    rf"|first (?P<first>{_NAME})/(?P<on>[a-z]+) *(?P<sign><=|>=) *(?P<bound>{NUMBER})))?"
    r"(?: of ensemble\((?P<members>\d+)\))?"
)
_STEPS = re.compile(
    rf"steps to (?:{_SEEN} *(?P<sign><=|>=) *(?P<bound>{NUMBER})|(?P<extreme>peak|best) (?P<whose>{_NAME}/[a-z]+))"
)

Extreme = Literal["", "peak", "best"]
Place = Literal["late", "start", "end", "peak", "valley", "step", "percent", "best", "first", "steps"]


@dataclass(frozen=True)
class Look:
    """One measure: what is seen of a network, and when."""

    text: str
    metric: str
    split: str
    when: Place = "late"
    place: float = 0.0
    chooses: tuple[str, str] = ("", "")
    below: bool = True
    extreme: Extreme = ""
    members: int = 1
    calibrated: bool = False

    @classmethod
    def parse(cls, text: str) -> Look:
        """The look that a text asks for; BadInput if it asks for none."""
        if found := _STEPS.fullmatch(text.strip()):
            if found["extreme"]:
                metric, _, split = found["whose"].rpartition("/")
                return cls(text, metric, split, "steps", extreme=cast("Extreme", found["extreme"]))._checked()
            below, place = found["sign"] == "<=", float(found["bound"])
            return cls(text, found["metric"], found["split"] or "", "steps", place, below=below)._checked()
        if not (found := _TEXT.fullmatch(text.strip())):
            raise BadInput(f"{text!r} is no measure: write it like score/test, loss/train at step 100 or norm at end")
        whole = cls(text, found["metric"], found["split"] or "", members=int(found["members"] or 1))
        whole = replace(whole, calibrated=bool(found["calibrated"]))
        if found["best"]:
            whole = replace(whole, when="best", chooses=(found["best"], found["of"]))
        if found["first"]:
            place, below = float(found["bound"]), found["sign"] == "<="
            whole = replace(whole, when="first", chooses=(found["first"], found["on"]), place=place, below=below)
        for when in ("step", "percent"):
            if found[when]:
                whole = replace(whole, when=when, place=float(found[when]))
        for when in ("start", "end", "peak", "valley"):
            if found[when]:
                whole = replace(whole, when=when)
        return whole._checked()

    def _checked(self) -> Look:
        """This look; BadInput if no network could be looked at like this."""
        for metric, split in ((self.metric, self.split), self.chooses):
            if metric and closest(metric, [SCORE]) and metric not in registry.index()["metric"] and metric != SCORE:
                raise BadInput(f"there is no metric or probe called {metric}: did you mean {SCORE}?")
            if metric and metric != SCORE:
                Measure(metric, split)
            elif metric and not split:
                raise BadInput(f"{self.text!r} is measured on a split: name one, such as {metric}/test")
        if self.chooses[1] == "test":
            raise BadInput(f"{self.text!r}: test data may not choose a step: take validation")
        if self.members > MOST_MEMBERS or self.members < 1:
            raise BadInput(f"{self.text!r}: an ensemble has from 1 to {MOST_MEMBERS} members")
        if self.when == "percent" and self.place > 100:
            raise BadInput(f"{self.text!r} lies beyond the end of the training")
        if self.predicted and (self.when not in ("late", "end") or not self.by_chance):
            raise BadInput(f"{self.text!r}: an ensemble or a temperature is of metrics at the end of the training")
        return self

    @property
    def predicted(self) -> bool:
        """Whether it is of predictions that are put together after the training."""
        return self.members > 1 or self.calibrated

    def on(self, score: Score) -> Look:
        """The same with the score of the data in its place."""
        chooses = (score.metric if self.chooses[0] == SCORE else self.chooses[0], self.chooses[1])
        return replace(self, metric=score.metric if self.metric == SCORE else self.metric, chooses=chooses)

    @property
    def by_chance(self) -> bool:
        """Whether it is of a metric, which has a chance level that it can be compared with."""
        return self.when != "steps" and (self.metric == SCORE or component_kind(self.metric) == "metric")

    def when_seen(self, total: int) -> When:
        """The steps at which it is looked at, in a training of at most `total`."""
        match self.when:
            case "late":
                return late.when(total)
            case "start":
                return at(0)
            case "step" | "percent":
                return at(self.step(total))
            case "steps" | "best" | "first" | "peak" | "valley":
                return every(max(total // LOOKS, 1))
        return END

    def measures(self, total: int) -> tuple[Measure, ...]:
        """What the lab is to look at in a training of at most `total` steps."""
        if self.predicted:
            return (Measure(LOSS, "train"),)
        when = self.when_seen(total)
        chooses = (Measure(*self.chooses, when),) if self.chooses[0] else ()
        return (Measure(self.metric, self.split, when), *chooses)

    def step(self, total: int) -> int:
        """The step that is named, of a training of at most `total`."""
        return round(total * self.place / 100) if self.when == "percent" else int(self.place)

    def value(self, network: Trained) -> float:
        """What is seen of a trained network; NaN if it diverged before, inf where what is waited for never came.

        Only its own looks count: what else was looked at, by whomever, changes nothing.
        """
        total = network.spec.stop.shared.at_most
        due = self.when_seen(total).steps(total) | {network.step}
        curve = {step: seen for step, seen in network.curve(self.metric, self.split).items() if step in due}
        never = float("nan") if network.diverged else float("inf")
        if self.extreme == "best":
            return never if network.diverged else float(best(self.metric, curve))
        if self.extreme or self.when in ("peak", "valley"):
            return never if network.diverged else self._of_peak(curve)
        if self.when == "steps":
            return next((float(step) for step, seen in curve.items() if self._reached(seen)), never)
        if self.when == "first":
            waited = network.curve(*self.chooses)
            return next((seen for step, seen in curve.items() if self._reached(waited[step])), never)
        if self.when in ("start", "step", "percent"):
            return curve.get(0 if self.when == "start" else self.step(total), float("nan"))
        if network.diverged:
            return float("nan")
        if self.when == "late":
            return late.value(network, self.metric, self.split)
        if self.when == "best":
            chosen = network.curve(*self.chooses)
            return curve[best(self.chooses[0], {step: chosen[step] for step in curve})]
        return curve[network.step]

    def _of_peak(self, curve: Mapping[int, float]) -> float:
        """Of the look that lies highest above the lowest before it: its value, its step, or that lowest value."""
        lowest = dict(zip(curve, itertools.accumulate(curve.values(), min), strict=True))
        step = max(curve, key=lambda at: (curve[at] - lowest[at], -at))
        return float(step) if self.extreme else curve[step] if self.when == "peak" else lowest[step]

    def _reached(self, seen: float) -> bool:
        return seen <= self.place if self.below else seen >= self.place

    @property
    def unit(self) -> str:
        """The unit of the values."""
        return "steps" if self.when == "steps" else unit_of(self.metric)

    def named(self, metric: str) -> Look:
        """The same of a metric that was found to be its score."""
        return replace(self, metric=metric.removeprefix(STEPS))

    @property
    def words(self) -> str:
        """What an axis says: "test accuracy (%)", "training loss at start"."""
        where = {"train": "training "}.get(self.split, f"{self.split} ".lstrip())
        beside = self.text.partition(" at ")[2] or self.text.partition(" of ")[2]
        told = f"{'calibrated ' * self.calibrated}{where}{self.metric.replace('_', ' ')}"
        if self.when == "steps":
            told = f"{STEPS}the {self.extreme} of {told}" if self.extreme else f"{STEPS}a {told} of {self.place:g}"
        elif beside:
            told += f" at {beside}" if " at " in self.text else f" of {beside}"
        return told + (f" ({self.unit})" if self.unit else "")


def component_kind(metric: str) -> str:
    """Whether a name is that of a metric or of a probe; "" for the training loss and the score."""
    return "" if metric in (LOSS, SCORE) else component(metric).kind


def unit_of(metric: str) -> str:
    """The unit of a metric or probe; "" for what names none."""
    kind = component_kind(metric)
    return registry.load(kind, component(metric).name).UNIT if kind else ""


def best(metric: str, curve: Mapping[int, float]) -> int:
    """The step at which a curve of this metric is best, the first of equal ones."""
    sign = 1 if higher_is_better(metric) else -1
    return max(curve, key=lambda step: (sign * curve[step], -step))


def higher_is_better(metric: str) -> bool:
    """The direction in which a measure is better; of losses, and of what names none, lower."""
    kind = component_kind(metric)
    return kind == "metric" and registry.load("metric", component(metric).name).BETTER == "higher"
