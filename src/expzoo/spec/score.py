"""What a dataset says it is, and the score that a person would read: its metric, its direction, its chance level.

A dataset class says `INPUTS` and `TARGETS`, the sorts below, and `SCORES`, metrics of which the
first decides. Of one that says nothing, the shape of its inputs and the type of its targets say it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from expzoo.config import registry
from expzoo.spec.contracts import Stream
from expzoo.spec.measure import LOSS, component
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from expzoo.spec.component import Component
    from expzoo.spec.contracts import Dataset

INPUTS = ("vector", "sequence", "image", "board", "tokens")
"""Sorts of inputs. A board is an image whose pixels are the cells of a game."""

TARGETS = {"classes": "class labels", "cells": "cells of a board", "values": "values"}
"""Sort of targets -> how an error names it."""

OF_TARGETS = {"classes": ("accuracy",), "cells": ("cell_accuracy", "board_success"), "values": ("squared_error",)}
"""Sort of targets -> the scores of a dataset that names none."""

_BY_SHAPE = {1: "vector", 2: "sequence", 3: "image"}


@dataclass(frozen=True)
class Nature:
    """What a dataset is: the sorts of its inputs and targets, its shape, and the metrics that score it."""

    inputs: str
    targets: str
    scores: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """A metric that a person would read: "accuracy", in "%", where higher is better."""

    metric: str
    unit: str
    higher_is_better: bool

    @classmethod
    def of(cls, metric: str) -> Score:
        """The score that a metric is; BadInput if it says no direction, so that nothing can be called better."""
        plugin = component(metric)
        made = registry.load(plugin.kind, plugin.name)
        if plugin.kind != "metric" or made.BETTER not in ("higher", "lower"):
            raise BadInput(f"{metric} is no score: it does not say whether higher or lower is better")
        return cls(metric, made.UNIT, made.BETTER == "higher")

    @classmethod
    def first(cls, metrics: Iterable[str]) -> Score:
        """The first score among the metrics of records, the training loss left aside; ValueError if there is none."""
        for metric in dict.fromkeys(metrics):
            if metric != LOSS and _is_score(metric):
                return cls.of(metric)
        raise ValueError("no metric of these records says whether higher or lower is better")

    @classmethod
    def bounds(cls, metric: str) -> tuple[float, float] | None:
        """Between which values a metric lies, where that is known: a percentage; None for any other name."""
        return (0.0, 100.0) if _is_score(metric) and cls.of(metric).unit == "%" else None

    @property
    def words(self) -> str:
        """Its name in words: "board success"."""
        return self.metric.replace("_", " ")

    @property
    def points(self) -> str:
        """The unit of a difference: percentage points where the score is a percentage."""
        return "percentage points" if self.unit == "%" else self.unit

    def axis(self, split: str = "test") -> str:
        """What an axis says: "test accuracy (%)"."""
        where = {"train": "training", "fresh": "fresh-data"}.get(split, split)
        return f"{where} {self.words}" + (f" ({self.unit})" if self.unit else "")

    def better(self, more: float, less: float) -> float:
        """By how much `more` is better than `less`, in the score's unit; negative where it is worse."""
        return more - less if self.higher_is_better else less - more

    def chance(self, dataset: Dataset, seed: int, split: str = "test") -> float:
        """The score of answers that do not depend on the input, see the metric's own `chance`."""
        plugin = component(self.metric).build()
        targets: np.ndarray = dataset.split(split, seed).y
        return float(plugin.chance(targets, dataset.outputs))


def _is_score(metric: str) -> bool:
    """Whether this column of records is a metric that says a direction; analyses have columns of their own too."""
    try:
        plugin = component(metric)
    except BadInput:
        return False
    return plugin.kind == "metric" and registry.load("metric", plugin.name).BETTER is not None


def nature(dataset: Component[Dataset], built: Dataset | None = None) -> Nature:
    """What the dataset of a spec is, by what its class says or, if that is nothing, by its data."""
    made: Any = registry.load("dataset", dataset.name)
    data: Any = built if built is not None else (dataset.build() if None in (made.INPUTS, made.TARGETS) else None)
    inputs = getattr(data, "INPUTS", None) or made.INPUTS or _BY_SHAPE.get(len(data.inputs), "image")
    targets = getattr(data, "TARGETS", None) or made.TARGETS or _targets(data)
    return Nature(inputs, targets, tuple(getattr(data, "SCORES", None) or made.SCORES or OF_TARGETS[targets]))


def reads(model: str, dataset: Component[Dataset]) -> bool:
    """Whether a model says that it reads the inputs of a dataset; one that says nothing reads any."""
    sorts = registry.load("model", model).READS
    return not sorts or nature(dataset).inputs in sorts


def _targets(data: Dataset) -> str:
    y = data.split("train", 0).y
    if y.ndim == 1 and y.dtype.kind in "iu":
        return "classes"
    return "cells" if isinstance(data, Stream) and len(data.inputs) == 3 else "values"
