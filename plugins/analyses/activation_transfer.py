"""Does an activation that was learned in a small perceptron serve convolutional networks on images?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from expzoo.analysis.studies.metalearning.activation import LearnActivation, notebook_network
from expzoo.analysis.studies.metalearning.evaluation import means_by, seeds_of, tuned
from expzoo.study import (
    Activation,
    BadInput,
    Claim,
    Component,
    Count,
    Figure,
    Findings,
    Fresh,
    Lessons,
    Pairs,
    Positive,
    Range,
    Request,
    decide_each,
    figures,
    late,
    learned_activations,
    no_difference,
    records,
    register,
    tuning,
    with_validation,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from typing import Any

    import polars as pl

    from expzoo.study import Estimator, Learned, Setting, Spec, Trained, Verdict

SOURCE = "Greydanus, Scaling down deep learning (2020), metalearning an activation function; no numbers were released"
LEARNED = "learned"
AGAIN = "relu_again"  # the control whose right answer is no difference
EARLY, FINAL = "first_epoch_loss", "loss"
UNITS = {EARLY: ("train", "training loss of the first epoch (nats)"), FINAL: ("test", "final test loss (nats)")}
IMAGES = ("digits", "mnist", "cifar10")
MIDDLE = 1.0  # ranks from the middle one that still count as the middle of the pack

EARLY_LOSS = Claim(
    name="mnist1d.activation_transfer_early_training_loss",
    statement="In convolutional networks it gives a lower training loss in the first epoch than the median by hand.",
    source=SOURCE,
    published="especially good at producing low training loss early",
    unit="nats",
    smallest_effect=0.0,
    direction="less",
    rule="paired t",
)
MIDDLE_OF_PACK = Claim(
    name="mnist1d.activation_transfer_final_test_loss",
    statement="By final test loss its rank is within 1 of the middle of the pack.",
    source=SOURCE,
    published="middle-of-the-pack performance",
    unit="ranks",
    smallest_effect=MIDDLE,
    direction="equivalent",
    rule="TOST",
)


@register
class ActivationTransfer:
    """Trains convolutional networks on images with learned activations and with those made by hand.

    Each activation has the learning rate that is best for it on validation data of other seeds. The
    unit of the intervals is the learned function (the mean over its evaluation seeds), or the seed
    if there is one function only. Without `learned` the functions are those that
    metalearn_activation learns at this budget; they are learned now if the store has none.

    Args:
        learned: names of learned activations, such as learned:3f2a9c1b.
        datasets: what to train on, unless the base's dataset is another one than these three: then it
            is that. digits is always there; the files of the others are fetched, or must be put
            where the message says.
        baselines: activations made by hand.
        rates: learning rates of which each activation gets the best on validation data.
        evaluation_seeds: networks on which a function is judged.
        outer_steps: as in metalearn_activation.
        inner_networks: as in metalearn_activation.
        hidden: as in metalearn_activation.
        last_losses: as in metalearn_activation.
        inner_width: units of the perceptron in which it is learned.
        inner_steps: steps of the perceptron in which it is learned.
        inner_samples: examples of the data on which it is learned.
    """

    NEEDS = ("inputs image", "targets classes", "finite", "split validation", "model.activation", "optimizer.lr")
    HOME = ("dataset=digits|mnist|cifar10", "model=lenet|cnn2d|resnet|wide_resnet|convnet_si")
    CACHE_VERSION = 3  # 2: means over the last tenth of training; 3: rates are chosen on validation data

    def __init__(
        self,
        *,
        learned: tuple[Activation, ...] = (),
        datasets: tuple[Literal["digits", "mnist", "cifar10"], ...] = ("digits",),
        baselines: tuple[Activation, ...] = ("relu", "elu", "silu", "gelu", "tanh"),
        rates: tuple[Positive, ...] = (0.001, 0.003, 0.01),
        evaluation_seeds: Annotated[int, Range(1, 1000)] = 5,
        outer_steps: Count = 301,
        inner_networks: Annotated[int, Range(1, 1000)] = 8,
        hidden: Annotated[int, Range(1, 10_000)] = 100,
        last_losses: Count = 200,
        inner_width: Count = 128,
        inner_steps: Count = 301,
        inner_samples: Count = 10000,
    ) -> None:
        if "relu" not in baselines or len({*baselines}) < max(3, len(baselines)):
            raise ValueError(f"baselines {list(baselines)} must be at least three, each once, relu among them")
        if not datasets or len({*datasets}) < len(datasets):
            raise ValueError(f"datasets {list(datasets)} must be at least one, each once")
        if others := [name for name in learned if not name.startswith(learned_activations.PREFIX)]:
            form = f"{learned_activations.PREFIX}3f2a9c1b"
            raise ValueError(f"learned {', '.join(others)}: write learned activations, like {form}")
        if len({*learned}) < len(learned):
            raise ValueError(f"learned names {len(learned)} activations, of which only {len({*learned})} differ")
        self.learned, self.datasets, self.baselines = learned, datasets, baselines
        self.rates, self.num_evaluation = rates, evaluation_seeds
        self.inner = partial(notebook_network, width=inner_width, steps=inner_steps, samples=inner_samples)
        self.outer = partial(
            LearnActivation,
            outer_steps=outer_steps,
            inner_networks=inner_networks,
            hidden=hidden,
            last_losses=last_losses,
        )

    def measure(self, setting: Setting) -> Generator[Any, Any, Findings]:
        """Learned functions, then on each dataset networks that choose learning rates and networks that are judged."""
        bases = self._bases(setting.base)
        functions = self.learned or (yield from self._learn(setting.seeds))
        findings = Findings()
        for base in bases.values():
            findings.rows += yield from self._contest(replace(setting, base=base), functions)
        return findings

    def _bases(self, base: Spec) -> dict[str, Spec]:
        """The base spec on each dataset; BadInput, with what to do about each whose files are not there."""
        bases, faults, own = {}, [], base.dataset.name
        for name in self.datasets if own in IMAGES else (own,):
            try:
                bases[name] = self._base(base, name)
            except BadInput as error:
                faults.append(f"{name}: {error}")
        if faults:
            raise BadInput("\n".join(faults))
        return bases

    def _base(self, base: Spec, name: str) -> Spec:
        """The base spec on another dataset, whose files are fetched if they are not there."""
        if base.dataset.name != name:
            size = {"batch_size": base.dataset["batch_size"]}
            base = base.replace(dataset=Component.of("dataset", name, **size))
            base = with_validation(base, base.dataset.build())
        base.dataset.build().split("train", 0)
        return base

    def _learn(self, seeds: Sequence[int]) -> Generator[Any, Any, list[str]]:
        """The functions that metalearn_activation learns."""
        lessons = [self.outer(inner=self.inner(seed=seed)) for seed in seeds]
        results: list[Learned] = yield Lessons(tuple(lessons))
        found = [result for result in results if not result.diverged]
        if functions := [learned_activations.names_of(result.key, result.row())[""] for result in found]:
            return functions
        raise BadInput("every outer loop diverged, so that there is no learned activation: give some in `learned`")

    def _contest(
        self, setting: Setting, functions: Sequence[str]
    ) -> Generator[Request, list[Trained], list[dict[str, Any]]]:
        base, data, dataset = setting.base, setting.base.dataset.build(), setting.base.dataset.name
        epoch = max(len(data.split("train", 0)) // data.batch_size, 1)
        activations = dict(zip(self.baselines, self.baselines, strict=True))
        activations |= {f"{LEARNED} {index}": function for index, function in enumerate(functions)}
        bases, tried = yield from tuned(setting, activations, self.rates)
        found: list[dict[str, Any]] = []
        for row in tried:
            found.append(row | {"dataset": dataset, "tuned": f"{row['tuned']} on {dataset}"})
        plan: list[tuple[str, int, Spec]] = []
        for index in range(len(functions)):
            arms = {arm: bases[arm] for arm in self.baselines} | {LEARNED: bases[f"{LEARNED} {index}"]}
            arms |= {AGAIN: bases["relu"].replace(init=Fresh(draw=1))}
            for run, seed in enumerate(seeds_of("transfer", index, self.num_evaluation)):
                unit = index if len(functions) > 1 else run
                plan += [(arm, unit, spec.replace(seed=seed)) for arm, spec in arms.items()]
        wanted, total = (("loss", "test"), ("accuracy", "test")), base.stop.build().at_most
        measures = tuple(late.measure(*one, total) for one in wanted)
        networks = yield Request(tuple(spec for *_, spec in plan), measures)
        for (arm, unit, spec), network in zip(plan, networks, strict=True):
            varied = {"dataset": dataset, "unit": unit, "lr": spec.optimizer.option("lr", float)}
            found += late.rows(network, *wanted, arm=arm, **varied)
            common = {"key": network.key, "seed": spec.seed, "arm": arm, "step": epoch, "split": "train", **varied}
            own = {"value": float(network.losses[:epoch].astype(np.float64).mean())}
            lost = {"value": network.worst("loss"), "diverged": True}
            found.append(common | {"metric": EARLY, "end": False} | (lost if network.diverged else own))
        return found

    def _datasets_of(self, table: pl.DataFrame) -> list[str]:
        """The datasets of the records, in the order of the option."""
        found = {*table["dataset"]}
        return [name for name in self.datasets if name in found] or sorted(found)

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """On each dataset, against the median of those made by hand, and by rank; Holm over datasets."""

        def early(dataset: str) -> Estimator:
            own = _means(table, dataset, LEARNED, EARLY)
            others = [_means(table, dataset, arm, EARLY) for arm in self.baselines]
            median = {unit: float(np.median([other[unit] for other in others])) for unit in own}
            return Pairs(EARLY_LOSS, own, median)

        def ranks(dataset: str) -> Estimator:
            own = _means(table, dataset, LEARNED, FINAL)
            others = [_means(table, dataset, arm, FINAL) for arm in self.baselines]
            rank = {unit: 1.0 + sum(other[unit] < value for other in others) for unit, value in own.items()}
            whole = {unit: np.isfinite([own[unit], *(other[unit] for other in others)]).all() for unit in own}
            known = {unit: value if whole[unit] else float("nan") for unit, value in rank.items()}
            return Pairs(MIDDLE_OF_PACK, known, dict.fromkeys(own, 1 + len(self.baselines) / 2))

        verdicts, datasets = [], self._datasets_of(table)
        for claim, measure, metric in ((EARLY_LOSS, early, EARLY), (MIDDLE_OF_PACK, ranks, FINAL)):
            first = datasets[0]
            again, relu = (_means(table, first, arm, metric) for arm in (AGAIN, "relu"))
            control = no_difference("networks with relu that differ in their start only", again, relu)
            each = decide_each(claim, {name: measure(name) for name in datasets}, control=control)
            for name, verdict in each.items():
                note = f"{verdict.note}; {self._ranked(table, name, metric)}"
                verdicts.append(replace(verdict, claim=f"{claim.name}_{name}", note=note))
        return tuning.noted(verdicts, table)

    def _ranked(self, table: pl.DataFrame, dataset: str, metric: str) -> str:
        """The activations by their means over all units, best first."""
        means = {arm: np.mean([*_means(table, dataset, arm, metric).values()]) for arm in (*self.baselines, LEARNED)}
        best_first = sorted(means.items(), key=lambda own: np.nan_to_num(own[1], nan=np.inf))
        told = [f"{arm} {mean:.3g}" for arm, mean in best_first]
        return f"{UNITS[metric][1]}, best first: {', '.join(told)}"

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Early training loss and final test loss by activation."""
        for metric, (split, unit) in UNITS.items():
            picture, (axes,) = figures.canvas(height=4.0)
            arms, datasets = [*self.baselines, LEARNED], self._datasets_of(table)
            for index, arm in enumerate(arms):
                columns = [[*_means(table, name, arm, metric).values()] for name in datasets]
                figures.bars(axes, datasets, np.array(columns).T, arm, position=(index, len(arms)))
            axes.set_ylabel(unit)
            figures.legend(axes)
            caption = "Each activation at its own learning rate. Bars: means with 95 % Student intervals; dots: units."
            data = records.select(table, metric=metric, split=split)
            yield Figure(f"{split}_loss", f"Activations by {unit.partition(' (')[0]}", caption, picture, data)


def _means(table: pl.DataFrame, dataset: str, arm: str, metric: str) -> dict[int, float]:
    """The mean over evaluation seeds of each unit, NaN if a network diverged."""
    return means_by(table, "unit", dataset=dataset, arm=arm, metric=metric)
