"""Does the order of additions change a sum, and would double precision help?"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.analysis.studies.reproducibility import sums
from expzoo.study import (
    Claim,
    Count,
    Figure,
    Findings,
    Request,
    SelfTest,
    clopper_pearson,
    closed_form,
    decide,
    enumeration,
    exact_arithmetic,
    figures,
    no_difference,
    paired,
    records,
    register,
    same_rate,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Setting, Trained, Verdict

SOURCE = "Warden, Why is it so difficult to retrain neural networks and get the same results? (2022)"
SINGLE, DOUBLE, AGAIN = "single", "double", "single_again"
WAYS = {"numpy": sums.by_numpy, "torch": sums.by_torch}
C = "C"
PRICE_SIZE = 256  # of the square matrices whose products are timed
PRICE_REPEATS = 20

NOT_ASSOCIATIVE = Claim(
    name="repro.float_addition_not_associative",
    statement="In single precision x + y + z is 1.00000012 and z + x + y is 1, for x = y = 5e-8 and z = 1, "
    "in every library and in C.",
    source=SOURCE,
    published="the page has lost what its program printed; IEEE 754 gives these values",
    unit="other sums",
    smallest_effect=0.0,
    reference=0.5,
    direction="less",
    rule="enumeration",
)
ORDER = Claim(
    name="repro.sum_order_changes_result",
    statement="Of random orders of the longest sum more than nine in ten give other bits than the first order, in "
    "single precision.",
    source=SOURCE,
    published="almost certain in trillions of operations",
    unit="%",
    smallest_effect=90.0,
    direction="greater",
    rule="Clopper-Pearson",
)
NOT_ELIMINATED = Claim(
    name="repro.float64_does_not_eliminate",
    statement="In double precision, too, more than half of the orders of the longest sum give other bits.",
    source=SOURCE,
    published="only reduces the probability, does not eliminate it",
    unit="%",
    smallest_effect=50.0,
    direction="greater",
    rule="Clopper-Pearson",
)
REDUCED = Claim(
    name="repro.float64_reduces_spread",
    statement="Double precision reduces the spread of sums over their orders by 29 powers of two, within one.",
    source=SOURCE,
    published="reduces; the mantissas have 24 and 53 bits",
    unit="powers of two",
    smallest_effect=1.0,
    reference=-29.0,
    direction="equivalent",
    rule="TOST",
)
PRICE = Claim(
    name="repro.float64_costs_time",
    statement="A product of matrices takes more than 1.05 times as long in double as in single precision.",
    source=SOURCE,
    published="a big impact on performance",
    unit="powers of two of the time",
    smallest_effect=float(np.log2(1.05)),
    direction="greater",
    rule="paired t",
    note="of this machine in this run",
)


@register
class FloatOrder:
    """Runs the document's four sums, adds products of normal numbers in random orders, and times both precisions.

    Each seed is one list of numbers. Both precisions add the same numbers, each as it has them, in
    the same orders, one after the other.

    Args:
        lengths: how many numbers are added; the longest decides.
        orders: random orders of each list.
    """

    NEEDS = ()
    CACHE_VERSION = 1
    RULES_VERSION = 1

    def __init__(self, *, lengths: tuple[Count, ...] = (100, 1000), orders: Count = 20) -> None:
        self.lengths, self.orders = tuple(sorted(lengths)), orders

    def out_of_reach(self, seeds: int) -> list[str]:
        """Rates are of orders, the rest of seeds."""
        counts = {ORDER: seeds * self.orders, NOT_ELIMINATED: seeds * self.orders, REDUCED: seeds, PRICE: seeds}
        return [claim.name for claim, count in counts.items() if not claim.in_reach(count)]

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Nothing is trained: sums and times."""
        yield Request(())
        key, findings = closed_form.key_of(analysis="float_order"), Findings()
        for arm, seen in {**{name: way() for name, way in WAYS.items()}, C: sums.by_c()}.items():
            where = records.THIS_RUN if arm == C else "all"
            wanted = zip(seen or (), sums.EXPECTED, strict=bool(seen))
            wrong = [float(f"{value:.9g}" != f"{expected:.9g}") for value, expected in wanted]
            values = {(f"other_{number}", where): value for number, value in enumerate(wrong)}
            findings.rows += closed_form.rows(key, 0, values | {("cases", where): len(wrong)}, arm=arm)
        for seed in setting.seeds:
            for length in self.lengths:
                findings.rows += self._sums(seed, length)
            findings.rows += _times(seed)
        return findings

    def _sums(self, seed: int, length: int) -> Iterator[Any]:
        """How many orders give other bits, and how far sums spread, relative to the length of the list as a vector."""
        key = closed_form.key_of(analysis="float_order", seed=seed, length=length)
        values = sums.terms(seed, length)
        found = np.array(list(sums.in_orders(values, seed, self.orders)))
        exact = np.array(list(sums.in_orders(sums.whole(seed, length), seed, min(self.orders, 10))))
        scale = float(np.linalg.norm(values))
        half = len(found) // 2
        parts = {SINGLE: found[:, 0], DOUBLE: found[:, 1], AGAIN: found[half:, 0], "single_half": found[:half, 0]}
        for arm, part in parts.items():
            spread = float(np.std(part)) / scale
            seen = {("log2_spread", "all"): np.log2(spread) if spread else np.nan}
            if arm in (SINGLE, DOUBLE):
                changed = part[1:] != part[0]
                for parity in (0, 1):
                    part_of = changed[parity::2]
                    seen |= {
                        (f"changed_{parity}", "all"): int(part_of.sum()),
                        (f"orders_{parity}", "all"): len(part_of),
                    }
            yield from closed_form.rows(key, seed, seen, arm=arm, length=length)
        kept = {("changed", "all"): int((exact[1:] != exact[0]).any(1).sum())}
        yield from closed_form.rows(key, seed, kept, arm="whole", length=length)

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """The four sums one by one; rates of orders; spreads and times seed by seed."""
        longest = max(self.lengths)

        def changes(arm: str, parity: int) -> list[float]:
            """Of every second order of every list whether it changed the sum."""
            changed, orders = (
                sum(records.by_seed(table, arm=arm, metric=f"{metric}_{parity}", length=longest).values())
                for metric in ("changed", "orders")
            )
            return [float(number < changed) for number in range(int(orders))]

        def spread(arm: str) -> dict[int, float]:
            return records.by_seed(table, arm=arm, metric="log2_spread", length=longest)

        moved = sum(records.select(table, arm="whole", metric="changed")["value"])
        whole = SelfTest("sums of whole numbers do not depend on their order", moved == 0, f"{moved:.0f} did")
        rates = []
        for claim, arm in ((ORDER, SINGLE), (NOT_ELIMINATED, DOUBLE)):
            even, odd = changes(arm, 0), changes(arm, 1)
            seen = even + odd
            estimate = clopper_pearson(int(sum(seen)), len(seen)).scaled(100)
            turns = {2 * n + parity: value for parity, some in enumerate((even, odd)) for n, value in enumerate(some)}
            halves = same_rate("every second order changes as many sums as the others", turns)
            rates.append(decide(claim, estimate, control=[halves, whole], seeds=len(spread(SINGLE))))
        reduced = paired(
            REDUCED,
            spread(DOUBLE),
            spread(SINGLE),
            control=[
                no_difference("both halves of the orders spread alike", spread(AGAIN), spread("single_half")),
                whole,
            ],
        )
        return [_four_sums(table), *rates, reduced, _price(table)]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """How many orders change a sum, and how far sums spread, against the length."""
        picture, (left, right) = figures.canvas(1, 2, height=3.6, width=8.0)
        for arm in (SINGLE, DOUBLE):
            x, changed, orders = _changes(table, arm)
            figures.curve(left, np.log10(x), 100 * changed / orders, f"{arm} precision")
            x, spread = records.pivot(table, "length", arm=arm, metric="log2_spread")
            figures.curve(right, np.log10(x), spread, f"{arm} precision")
        left.set(xlabel="log10 of the numbers that are added", ylabel="orders that give other bits, %", ylim=(0, 105))
        right.set(xlabel="log10 of the numbers that are added", ylabel="log2 of the relative spread")
        figures.legend(right)
        compiled = records.select(table, arm=C, metric="cases")["value"].sum() > 0
        said = "" if compiled else " The C program was NOT RUN: there is no C compiler here."
        caption = (
            "Products of normal numbers added one after the other in random orders, in single and in double "
            "precision; the spread is the standard deviation over orders by the root of the sum of squares. Means over "
            f"lists with 95 % Student intervals.{said}"
        )
        yield Figure("orders", "Sums in random orders", caption, picture, table)


def _changes(table: pl.DataFrame, arm: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lengths, and for each list of each length how many orders changed the sum, and how many there were."""
    parts = {
        metric: [records.pivot(table, "length", arm=arm, metric=f"{metric}_{parity}") for parity in (0, 1)]
        for metric in ("changed", "orders")
    }
    changed, orders = (even[1] + odd[1] for even, odd in parts.values())
    return parts["changed"][0][0], changed, orders


def _four_sums(table: pl.DataFrame) -> Verdict:
    """How many of the printed sums are others, of all libraries and of C where there is a compiler."""
    cases = int(records.select(table, metric="cases")["value"].sum())
    wrong = sum(records.select(table, metric=f"other_{number}")["value"].sum() for number in range(4) if cases)
    below, above = sums.by_numpy(sums.UNCHANGED), sums.by_numpy(sums.BOTH)
    seen = f"{sums.UNCHANGED:g} changes nothing, {sums.BOTH:g} both sums"
    test = SelfTest("smaller and larger constants do otherwise", {*below} == {1.0} and min(above) > 1.0, seen)
    verdict = decide(NOT_ASSOCIATIVE, enumeration(int(wrong), cases), control=test)
    compiled = int(records.select(table, arm=C, metric="cases")["value"].sum())
    told = f"in C: {compiled} sums printed" if compiled else "in C: NOT RUN, there is no C compiler here"
    return replace(verdict, note="; ".join(filter(None, [verdict.note, told])))


def _times(seed: int) -> Iterator[Any]:
    """Seconds of products of matrices by one thread, in alternating order."""
    import torch

    key = closed_form.key_of(analysis="float_order", seed=seed, timed=PRICE_SIZE)
    pair = torch.eye(PRICE_SIZE) + 0.5
    ways = {SINGLE: pair, DOUBLE: pair.double(), AGAIN: pair.clone()}
    spent = {name: np.empty(PRICE_REPEATS) for name in ways}
    with exact_arithmetic():
        for number in range(-2, PRICE_REPEATS):
            for name in ways if number % 2 else reversed(ways):
                begin = time.perf_counter()
                ways[name] @ ways[name]
                if number >= 0:
                    spent[name][number] = time.perf_counter() - begin
    for name, seconds in spent.items():
        seen = {("log2_seconds", records.THIS_RUN): float(np.log2(np.median(seconds)))}
        yield from closed_form.rows(key, seed, seen, arm=name)


def _price(table: pl.DataFrame) -> Verdict:
    single, double, again = (records.by_seed(table, arm=arm, metric="log2_seconds") for arm in (SINGLE, DOUBLE, AGAIN))
    verdict = paired(PRICE, double, single, control=no_difference("single precision timed twice", again, single))
    return replace(verdict, note=f"{verdict.note}; {2**verdict.effect:.2f} times as long")
