"""Does the noise of gradients say up to which size batches save updates?"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.study import (
    Claim,
    Control,
    Count,
    Figure,
    Findings,
    Fresh,
    Measure,
    Positive,
    Request,
    Unfit,
    complete,
    decide,
    every,
    figures,
    known_answer,
    mean_t,
    member_seed,
    noise_scale,
    records,
    register,
    stable_hash,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Setting, Spec, Trained, Verdict

TUNED, FIXED, AGAIN, TRIED, NOISE = "tuned", "rate_of_the_smallest", "tuned_again", "tried", "noise"
STEPS = "steps"  # the metric of records: updates until the training loss was reached
LOOKS = 250  # at the loss in a training of the longest length: updates are known to so many parts of it
TRIALS = 2  # seeds of their own, with which rates are tried
NOISE_LOOKS = 40  # at the noise scale in a training of the longest length
KAPLAN: dict[str, Any] = {
    "source": "McCandlish, Kaplan, Amodei et al., An empirical model of large-batch training (2018), arXiv:1812.06162",
    "rule": "one-sample t",
}
SHALLUE: dict[str, Any] = {
    "source": "Shallue, Lee, Antognini, Sohl-Dickstein, Frostig & Dahl, Measuring the effects of data parallelism on "
    "neural network training (JMLR 2019), arXiv:1811.03600",
    "rule": "one-sample t",
}
GROWS = Claim(
    name="mccandlish.noise_scale_grows",
    statement="The gradient noise scale at the end of training is more than three times that of the start.",
    published="from about 20 to above 1000 on MNIST",
    unit="log10 of a ratio",
    smallest_effect=math.log10(3),
    direction="greater",
    **KAPLAN,
)
PREDICTS = Claim(
    name="mccandlish.noise_scale_predicts_critical_batch",
    statement="The mean noise scale of a training is within ten times of its critical batch size, the ratio of fewest "
    "examples to fewest updates.",
    published="900 against 200 on MNIST, 2000 against 900 on CIFAR-10; two of ten tasks miss by 20 times",
    unit="log10 of a ratio",
    smallest_effect=1.0,
    direction="equivalent",
    **KAPLAN,
)
SMALL = Claim(
    name="shallue.small_batches_scale_perfectly",
    statement="Between the two smallest batches the updates that are needed fall as one over the batch, up to 0.2 of "
    "the exponent.",
    published="perfect scaling in all of 35 workloads",
    unit="exponent",
    smallest_effect=0.2,
    direction="equivalent",
    reference=-1.0,
    **SHALLUE,
)
LARGE = Claim(
    name="shallue.large_batches_stop_scaling",
    statement="Between the two largest batches they do not change, up to 0.2 of the exponent.",
    published="a maximal useful batch in all of them",
    unit="exponent",
    smallest_effect=0.2,
    direction="equivalent",
    **SHALLUE,
)
EARLIER = Claim(
    name="shallue.one_rate_stops_scaling_earlier",
    statement="At the rate that suits the smallest batch, and not the batch's own, the critical batch is smaller.",
    published="rates must be tuned for each batch",
    unit="log10 of a ratio",
    smallest_effect=0.0,
    direction="less",
    **SHALLUE,
)


@register
class NoiseScale:
    """Updates until a training loss is reached, for batches of many sizes, each at the rate that needs the fewest.

    Rates are tried by two networks with seeds of their own. B_crit is E_min / S_min of the hyperbola
    (S / S_min - 1) (E / E_min - 1) = 1 fitted to a seed's updates S and examples E = B S. The noise
    scale tr Sigma / |G|^2 is that of all training examples, at the middle batch size. Where a best
    rate lies at the edge of the grid a better one may lie beyond, and what is said of batch sizes is withheld.

    Args:
        batch_sizes: increasing, the first two in the regime of perfect scaling.
        learning_rates: tried for each of them.
        updates: how many a training may take, and
        examples: how many more examples, whatever the batch size.
    """

    NEEDS = ("targets classes", "dataset.batch_size", "stop=fitted", "optimizer.lr")
    CACHE_VERSION = 1
    RULES_VERSION = 2  # 2: rates at the edge of the grid settle nothing about batch sizes

    def __init__(
        self,
        *,
        batch_sizes: tuple[Count, ...] = (4, 20, 100, 500, 2000),
        learning_rates: tuple[Positive, ...] = (0.05, 0.1, 0.2, 0.4, 0.8),
        updates: Count = 400,
        examples: Count = 100_000,
    ) -> None:
        if len(batch_sizes) < 4 or any(a >= b for a, b in itertools.pairwise(batch_sizes)):
            raise ValueError(f"batch_sizes {list(batch_sizes)} must be at least four and increase")
        if len(set(learning_rates)) < len(learning_rates) or not learning_rates:
            raise ValueError(f"learning_rates {list(learning_rates)} must be at least one, and all different")
        self.batches, self.rates = tuple(batch_sizes), tuple(map(float, learning_rates))
        self.updates, self.examples = updates, examples

    def _longest(self, batch: int) -> int:
        """How many updates a training may take in batches of this size."""
        return self.updates + self.examples // batch

    @property
    def _middle(self) -> int:
        return self.batches[len(self.batches) // 2]

    def _spec(self, base: Spec, batch: int, rate: float) -> Spec:
        longest = self._longest(batch)
        stop = {"every": max(longest // LOOKS, 1), "at_most": longest}
        return base.replace(dataset={"batch_size": batch}, optimizer={"lr": rate}, stop=stop)

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """First what rate suits each batch size, then all sizes for all seeds, at their own and at one rate."""
        size = len(setting.base.dataset.build().split("train", setting.seeds[0]))
        if self.batches[-1] > size:
            raise Unfit(f"batch_sizes: {self.batches[-1]} is more than the {size} training examples")
        findings = Findings()
        best = yield from self._tune(setting, findings)
        plan = [(TUNED, batch, best[batch], seed) for batch in self.batches for seed in setting.seeds]
        plan += [(FIXED, batch, best[self.batches[0]], seed) for batch in self.batches for seed in setting.seeds]
        plan += [(AGAIN, self.batches[0], best[self.batches[0]], seed) for seed in setting.seeds]
        specs = []
        for arm, batch, rate, seed in plan:
            spec = self._spec(setting.base.replace(seed=seed), batch, rate)
            specs.append(spec.replace(init=Fresh(draw=1)) if arm == AGAIN else spec)
        seen = Measure("noise_scale", "train", every(max(self._longest(self._middle) // NOISE_LOOKS, 1)))
        noisy = tuple(
            spec for spec, (arm, batch, *_) in zip(specs, plan, strict=True) if (arm, batch) == (TUNED, self._middle)
        )
        networks = yield Request(tuple(specs), (), more=(Request(noisy, (seen,)),))
        by_key = {network.key: network for network in networks}
        for spec, (arm, batch, rate, _) in zip(specs, plan, strict=True):
            findings.rows.append(_reached(by_key[spec.key], arm, batch, rate))
        for spec in noisy:
            own = by_key[spec.key]
            findings.rows += own.rows(("noise_scale", "train"), arm=NOISE, curve=True, batch=self._middle)
        return findings

    def _tune(self, setting: Setting, findings: Findings) -> Generator[Request, list[Trained], dict[int, float]]:
        """The rate of each batch size that needs the fewest updates; who does not get there counts as twice all."""
        run = stable_hash("noise scale", *setting.seeds[:1])
        seeds = [member_seed(run, index) for index in range(TRIALS)]
        plan = list(itertools.product(self.batches, self.rates, seeds))
        specs = [self._spec(setting.base.replace(seed=seed), batch, rate) for batch, rate, seed in plan]
        networks = yield Request(tuple(specs), ())
        logs: dict[tuple[int, float], float] = dict.fromkeys(itertools.product(self.batches, self.rates), 0.0)
        for (batch, rate, _), network in zip(plan, networks, strict=True):
            findings.rows.append(row := _reached(network, TRIED, batch, rate))
            steps = float(str(row["value"]))
            logs[batch, rate] += math.log(steps if math.isfinite(steps) else 2 * self._longest(batch))
        return {batch: setting.rate * min(self.rates, key=lambda rate: logs[batch, rate]) for batch in self.batches}

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Exponents and critical batches of each seed, on average over seeds."""
        steps, fixed = self._steps(table, TUNED), self._steps(table, FIXED)
        longest = np.array([self._longest(batch) for batch in self.batches], float)
        critical = self._critical(steps)
        at_one_rate = self._critical(np.where(np.isfinite(fixed), fixed, longest))
        start, mean, end = _noise(table)
        slopes = np.diff(np.log(steps), axis=1) / np.diff(np.log(self.batches))
        [again], _ = complete(np.log(steps[:, 0] / self._steps(table, AGAIN)[:, 0]))
        control = known_answer("updates of the smallest batch from other starts (log)", partial(mean_t, again))
        note = self._told(table, int((~np.isfinite(fixed)).sum()))
        edges = [b for b, rate in self._rates(table).items() if not min(self.rates) < rate < max(self.rates)]
        told = f"the best of {len(edges)} of {len(self.batches)} sizes are at its edge"
        both = [control, Control("the best rate of every batch size lies inside the grid", not edges, told)]
        verdicts = []
        for claim, values, controls in (
            (GROWS, np.log10(end / start), control),
            (PREDICTS, np.log10(mean / critical), both),
            (SMALL, slopes[:, 0], both),
            (LARGE, slopes[:, -1], both),
            (EARLIER, np.log10(at_one_rate / critical), both),
        ):
            [whole], dropped = complete(values)
            verdict = decide(claim, mean_t(whole, level=claim.level), control=controls, dropped=dropped)
            verdicts.append(replace(verdict, note="; ".join(filter(None, [verdict.note, note]))))
        return verdicts

    def _steps(self, table: pl.DataFrame, arm: str) -> np.ndarray:
        """Updates (seeds, batches), of the control (seeds, 1); NaN where the loss was not reached."""
        return records.pivot(table, "batch", arm=arm, metric=STEPS)[1]

    def _critical(self, steps: np.ndarray) -> np.ndarray:
        """B_crit of each seed, NaN where a size did not reach the loss."""
        found = np.full(len(steps), np.nan)
        for seed in np.flatnonzero(np.isfinite(steps).all(1)):
            updates, examples = noise_scale.fit_hyperbola(np.array(self.batches, float), steps[seed])
            found[seed] = examples / updates
        return found

    def _rates(self, table: pl.DataFrame) -> dict[int, float]:
        """The rate of each batch size."""
        chosen = records.select(table, arm=TUNED, metric=STEPS).select("batch", "rate").unique().sort("batch")
        return {int(batch): float(rate) for batch, rate in chosen.iter_rows()}

    def _told(self, table: pl.DataFrame, unreached: int) -> str:
        """What a verdict says of the rates."""
        edges = (min(self.rates), max(self.rates))
        rates = [f"{b}: {r:g}{' (the edge of the grid)' * (r in edges)}" for b, r in self._rates(table).items()]
        many = f"; {unreached} trainings at one rate took all updates they may, and count as that" * bool(unreached)
        return f"rates by batch size, {', '.join(rates)}{many}"

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Updates against the batch size with the hyperbola, and the noise scale over training."""
        picture, (left, right) = figures.canvas(1, 2, width=8.6, height=4.0)
        batches, fine = np.array(self.batches, float), np.geomspace(self.batches[0], self.batches[-1], 60)
        steps = self._steps(table, TUNED)
        for arm in (TUNED, FIXED):
            figures.curve(left, batches, self._steps(table, arm), arm.replace("_", " "))
        means = np.exp(np.log(steps).mean(0))
        words = "not every network has reached the loss"
        if np.isfinite(means).all():
            updates, examples = noise_scale.fit_hyperbola(batches, means)
            left.plot(fine, updates + examples / fine, color="0.5", linestyle=":", label="hyperbola")
            words = f"{updates:.0f} updates and {examples:.0f} examples at least, B_crit {examples / updates:.0f}"
        left.set(xscale="log", yscale="log", xlabel="batch size", ylabel="updates until the loss is reached")
        figures.legend(left)
        noise = records.select(table, arm=NOISE)
        for (_,), part in noise.group_by("seed", maintain_order=True):
            own = part.sort("step")
            right.plot(own["step"].to_numpy(), own["value"].to_numpy(), color="C0", alpha=0.6)
        right.set(yscale="log", xlabel="updates", ylabel="noise scale (examples)")
        caption = (
            f"Left: updates until the training loss is reached, means over seeds with 95 % Student intervals, and the "
            f"hyperbola of their geometric means: {words}. Right: tr Sigma / |G|^2 of all training examples of each "
            f"network with batches of {self._middle}."
        )
        yield Figure("scaling", "Updates and gradient noise", caption, picture, table)


def _reached(network: Trained, arm: str, batch: int, rate: float) -> dict[str, Any]:
    """After how many updates a network reached the loss; NaN if it did not."""
    done = network.network.status == "finished"
    where: dict[str, Any] = {"key": network.key, "seed": network.spec.seed, "arm": arm, "batch": batch, "rate": rate}
    seen = {"step": network.step, "split": "train", "metric": STEPS, "end": True}
    return where | seen | {"value": float(network.step) if done else math.nan, "diverged": network.diverged}


def _noise(table: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The noise scale of each seed at the start, on average over a training, and at its end."""
    looks = records.select(table, arm=NOISE).sort("seed", "step")
    parts = [part["value"].to_numpy() for _, part in looks.group_by("seed", maintain_order=True)]
    start, mean, end = np.array([(part[0], part.mean(), part[-1]) for part in parts]).T
    return start, mean, end
