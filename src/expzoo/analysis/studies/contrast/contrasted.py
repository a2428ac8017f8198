"""All that a contrast says, read from its options; and each claim's decision rule, told before anything runs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from expzoo.analysis.studies.contrast.arms import (
    MOST_CELLS,
    Arm,
    Cell,
    Level,
    cells,
    check_share,
    count,
    read_arms,
    read_factors,
    read_tune,
    read_tuned_by,
)
from expzoo.analysis.studies.contrast.claims import ClaimReader
from expzoo.analysis.studies.contrast.looks import Look
from expzoo.analysis.studies.contrast.pictures import CURVE, TUNING
from expzoo.analysis.studies.contrast.published import Published, check_home, read_published
from expzoo.analysis.studies.contrast.reading import Reader, settled
from expzoo.analysis.studies.contrast.words import CHANCE, METHODS, check_needs
from expzoo.science.power import POWER, detectable, detectable_difference, detectable_rate
from expzoo.science.rules import in_reach as some_result_supports
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from expzoo.analysis.studies.contrast.words import ClaimWords

Options = Mapping[str, Any]
RESERVED = (CURVE, TUNING)  # measures of the records that no file names

_SIGNS = {"greater": "above", "less": "below", "equivalent": "within"}


@dataclass(frozen=True)
class Contrasted:
    """Arms and the factors that they are crossed with, measures, claims, and what arms are tuned over."""

    arms: dict[str, Arm]
    factors: dict[str, dict[Level, Mapping[str, Any]]]
    looks: dict[str, Look]
    claims: dict[str, ClaimWords]
    tune: dict[str, list[Any]]
    tuned_by: str
    published: dict[str, Published]

    def drawn(self) -> list[Cell]:
        """The cells that pictures show: without the arms of which nothing but controls speaks."""
        claimed = {cell.arm for claim in self.claims.values() for cell in claim.own_cells()}
        controlled = {cell.arm for claim in self.claims.values() for cell in claim.cells()} - claimed
        return [cell for cell in self.cells() if cell.arm not in controlled]

    def shown(self, named: Collection[str]) -> tuple[list[tuple[str, str]], list[str]]:
        """The successes, as (measure, success), and the measures whose means have pictures.

        What was not named and is asked for by successes alone has none.
        """
        told = [own for claim in self.claims.values() for own in (claim, *[claim.control] * bool(claim.control)) if own]
        counted = dict.fromkeys((claim.of, claim.success) for claim in told if claim.success)
        other = {term.of for own in told if not own.success for c in own.conditions for term in c.terms()}
        only = {of for of, _ in counted} - other - {*named}
        means = [name for name in self.looks if name not in only]
        claimed = dict.fromkeys((claim.of, claim.success) for claim in self.claims.values() if claim.success)
        return [*claimed], means

    def cells(self) -> list[Cell]:
        """Every arm at every combination of levels."""
        return list(cells(self.arms, self.factors))


def read(options: Options) -> Contrasted:
    """What the options of a contrast say, but for `diverged` and `every`; ValueError with every fault."""
    faults: list[str] = []

    def node(name: str, default: Options | None = None) -> Reader:
        return Reader(settled(options.get(name) or default or {}), name, faults)

    arms, factors = read_arms(node("arms")), read_factors(node("cross"), node("sweep"))
    check_share(node("sweep"), arms, factors)
    looks: dict[str, Look] = {}
    for name, part in node("measure", {"score": "score/test"}).mapping().items():
        if name in RESERVED:
            part.fault("is what learning curves and tuning are called: call the measure otherwise")
        try:
            looks[name] = Look.parse(part.text("score/test"))
        except BadInput as error:
            part.fault(str(error))
    looks = looks or {"score": Look.parse("score/test")}
    if (number := count(arms, factors)) > MOST_CELLS:
        where = "sweep" if options.get("sweep") else "cross" if options.get("cross") else "arms"
        faults.append(f"{where}: gives {number} arms and levels: at most {MOST_CELLS}")
    check_needs(Reader(options.get("needs", ()), "needs", faults))
    reader = ClaimReader(arms, factors, looks)
    claims = {name: reader.read(name, part) for name, part in node("claims").mapping().items()}
    tune, tuned_by = read_tune(node("tune")), read_tuned_by(node("tune"))
    published = read_published(node("published"), reader)
    check_home(Reader(options.get("home", ()), "home", faults))
    if faults:
        raise ValueError("\n".join(faults))
    kept = {name: claim for name, claim in claims.items() if claim}
    return Contrasted(arms, factors, looks, kept, tune, tuned_by, published)


def rules(words: Contrasted, seeds: int) -> Iterator[tuple[str, str]]:
    """For each claim its name, and the rule that decides it with what so many seeds can see."""
    for name, claim in words.claims.items():
        yield name, _rule(claim, words, seeds)


def in_reach(claim: ClaimWords, seeds: int) -> bool:
    """Whether any result of so many seeds would support a claim."""
    conditions = len(claim.conditions) if claim.each else 1
    level = 1 - (1 - _level(claim)) / conditions
    reference = 0.0 if claim.reference == CHANCE else float(claim.reference)
    bounds = reference - claim.by, reference + claim.by
    return some_result_supports(claim.direction, bounds, METHODS[claim.form], seeds, level)


def _level(claim: ClaimWords) -> float:
    return 0.9 if claim.direction == "equivalent" else 0.95


def _rule(claim: ClaimWords, words: Contrasted, seeds: int) -> str:
    what = claim.conditions[0].name if len(claim.conditions) == 1 else " and ".join(c.name for c in claim.conditions)
    measured = dict.fromkeys(words.looks[term.of].text for c in claim.conditions for term in c.terms())
    measure = " and ".join(measured) or words.looks[claim.of].text
    told = f"{what}, {measure}{f' {claim.success}' if claim.success else ''}, {_bound(claim)}"
    level = _level(claim)
    how = {"each": "each by Holm", "all": "all must hold", "": ""}[_several(claim)]
    test = "exact binomial" if claim.form == "rate" else "Newcombe" if claim.form == "rates" else _t_test(claim)
    return "; ".join(
        filter(None, [told, f"{test}, {level:.0%} interval over {seeds} seeds", how, _power(claim, seeds)])
    )


def _bound(claim: ClaimWords) -> str:
    reference = claim.reference if claim.reference == CHANCE else float(claim.reference)
    if claim.direction == "equivalent":
        return f"within {claim.by:g} of {reference if reference == CHANCE else f'{reference:g}'}"
    sign = "+" if claim.direction == "greater" else "-"
    if reference == CHANCE:
        return f"{_SIGNS[claim.direction]} chance" + f" {sign} {claim.by:g}" * bool(claim.by)
    bound = float(reference) + (claim.by if claim.direction == "greater" else -claim.by)
    return f"{_SIGNS[claim.direction]} {bound:g}"


def _several(claim: ClaimWords) -> str:
    return "" if len(claim.conditions) == 1 else "each" if claim.each else "all"


def _t_test(claim: ClaimWords) -> str:
    if claim.direction == "equivalent":
        return "two one-sided t tests"
    return "paired t" if claim.form in ("pairs", "ratio") else "one-sample t"


def _power(claim: ClaimWords, seeds: int) -> str:
    """From which effect on a claim of one condition would be supported four times in five."""
    if not in_reach(claim, seeds):
        return f"out of reach: not even a perfect result of {seeds} would support it"
    level = _level(claim)
    if claim.form == "rate" and claim.direction != "equivalent":
        bound = (float(claim.reference) + (claim.by if claim.direction == "greater" else -claim.by)) / 100
        rate = detectable_rate(seeds, bound, level, above=claim.direction == "greater")
        if math.isnan(rate):
            return ""
        return f"{POWER:.0%} power at a true rate of {100 * rate:.3g} %"
    if claim.form == "rates":
        return _power_of_rates(claim, seeds, level)
    if claim.form == "rate":
        return ""
    beyond = detectable(seeds, level)
    return f"{POWER:.0%} power at {beyond:.2g} standard deviations {'inside' if level < 0.95 else 'beyond'} the bound"


def _power_of_rates(claim: ClaimWords, seeds: int, level: float) -> str:
    """From which difference of two rates on, around one half, where power is least."""
    if claim.direction == "equivalent":
        return ""
    sign = 1 if claim.direction == "greater" else -1
    limit = (sign * float(claim.reference) + claim.by) / 100
    found = detectable_difference(0.5, (seeds, seeds), level, limit=limit)
    return "" if math.isnan(found) else f"{POWER:.0%} power at a true difference of {sign * 100 * found:.0f} points"
