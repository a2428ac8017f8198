"""Recipes in words: from which other networks, or which random numbers, a start or a mask is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from expzoo.spec.recipe import FINAL, Step
from expzoo.spec.spec import (
    Average,
    Fresh,
    Init,
    Known,
    Magnitude,
    Mask,
    Permuted,
    RandomMask,
    Rewind,
    SignFlip,
    Spec,
)
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from expzoo.analysis.studies.contrast.reading import Reader

SHARE = "init.share"  # the setting that is swept on the line between two networks
FEWEST_AVERAGED, MOST_AVERAGED = 2, 100
INITS: Mapping[str, tuple[str, ...]] = {
    "fresh": ("draw",),
    "rewind": ("of", "step"),
    "known": ("name", "layers"),
    "sign_flip": ("of", "k", "seed"),
    "average": ("of", "shares", "step"),
}
MASKS: Mapping[str, tuple[str, ...]] = {
    "magnitude": ("of", "sparsity", "keep", "scope", "biases", "step", "last"),
    "random": ("sparsity", "keep", "draw", "biases"),
    "permuted": ("of", "draw"),
    "same": ("of",),
}
_OPTIONS = {**INITS, **MASKS}


def read_recipe(node: Reader, word: str, known: Mapping[str, tuple[str, ...]]) -> Reader | None:
    """The node of an init or a mask: one recipe with its options."""
    reader = node.at(word)
    if reader.node is None:
        return None
    names = reader.mapping()
    reader.only(known)
    if len(names) != 1:
        reader.fault(f"is one of {', '.join(known)}, with its options")
        return None
    [(name, options)] = names.items()
    if name not in known:
        return None
    _check(name, options)
    return reader


def named(node: Any) -> Iterator[str]:
    """Every arm that a recipe names."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "of":
                yield from (
                    name for name in (value if isinstance(value, list | tuple) else [value]) if type(name) is str
                )
            else:
                yield from named(value)


def is_line(init: Reader | None) -> bool:
    """Whether a start lies on the line between two networks, where a share says."""
    return init is not None and init.has("average") and not init.at("average").has("shares")


def _check(name: str, options: Reader) -> None:
    known = _OPTIONS[name]
    options.only(known)
    if name == "average":
        _check_average(options)
    elif "of" in known and not options.at("of").text():
        options.fault("needs `of`: the arm it is made from")
    if name == "known":
        options.at("name").text() or options.fault("needs `name`: the problem whose solution is known")
        for layer in options.at("layers").items() if options.has("layers") else []:
            layer.whole(0)
    if name in MASKS:
        _check_mask(known, options)
    for word in ("draw", "k", "seed"):
        options.at(word).whole(0)
    step = options.at("step").node
    if step is not None and step != FINAL and (type(step) is not int or step < 0):
        options.at("step").fault(f"must be a step or {FINAL}, not {step!r}")


def _check_mask(known: tuple[str, ...], options: Reader) -> None:
    if "sparsity" in known and options.has("sparsity") == options.has("keep"):
        options.fault("needs either `sparsity` or `keep`, the fraction that each repetition keeps")
    for word in ("sparsity", "keep"):
        if not 0 <= options.at(word).number(0.5) < 1:
            options.at(word).fault("must be at least 0 and below 1")
    if options.has("last"):
        if not 0 <= options.at("last").number(0.5) < 1:
            options.at("last").fault("must be at least 0 and below 1")
        if options.at("scope").text() == "global":
            options.at("last").fault("is the last layer's own and needs `scope: layer`: in global all compete")
    if options.has("scope"):
        options.at("scope").one_of(("layer", "global"))
    options.at("biases").truth(default=True)


def _check_average(options: Reader) -> None:
    arms = [item.text() for item in options.at("of").items()] if options.has("of") else []
    if not FEWEST_AVERAGED <= len(arms) <= MOST_AVERAGED:
        options.fault(f"needs `of`: from {FEWEST_AVERAGED} to {MOST_AVERAGED} arms, such as [a, b]")
    if options.has("shares"):
        shares = [item.number(0.0, 0.0) for item in options.at("shares").items()]
        if len(shares) != len(arms) or not math.isclose(math.fsum(shares), 1, abs_tol=1e-9):
            options.at("shares").fault("are one number for each arm, which add up to 1")


def init(reader: Reader, of: Callable[[str], Spec], share: float | None) -> Init:
    """The start that a node says; `share` is that of the second network where two are averaged."""
    [(name, options)] = reader.mapping().items()
    match name:
        case "rewind":
            return Rewind(of(options.at("of").text()), _step(options, 0))
        case "known":
            return Known(options.at("name").text(), tuple(options.at("layers").node or ()))
        case "sign_flip":
            source, k = of(options.at("of").text()), options.at("k").whole(1)
            return SignFlip(source, k, options.at("seed").whole(0))
        case "average":
            sources = tuple(of(item.text()) for item in options.at("of").items())
            shares = tuple(item.number() for item in options.at("shares").items()) if options.has("shares") else ()
            if share is not None and not shares:
                if len(sources) != 2:
                    raise BadInput(f"{reader.where}: {SHARE} is swept on the line between two arms, not {len(sources)}")
                shares = (1 - share, share)
            return Average(sources, shares or (1 / len(sources),) * len(sources), _step(options, FINAL))
    return Fresh(options.at("draw").whole(0))


def mask(reader: Reader, of: Callable[[str], Spec], number: int) -> Mask | None:
    """The mask that a node says, of the repetition of this number."""
    [(name, options)] = reader.mapping().items()
    biases = options.at("biases").node is not False

    def removed(word: str) -> float:
        """As it is said, or after so many repetitions that each keep what is said."""
        said = options.at(word).number(0.0)
        return round(1 - said**number, 6) if options.has("keep") else said

    sparsity = removed("keep" if options.has("keep") else "sparsity")
    match name:
        case "magnitude":
            scope = "global" if options.at("scope").text() == "global" else "layer"
            last = removed("last") if options.has("last") else None
            return Magnitude(of(options.at("of").text()), sparsity, scope, biases, _step(options, FINAL), last)
        case "random":
            return RandomMask(sparsity, options.at("draw").whole(0), biases)
        case "permuted":
            like = of(options.at("of").text()).mask
            if not isinstance(like, Magnitude):
                raise BadInput(f"{reader.where}: the arm {options.at('of').text()} has no mask by magnitude")
            return Permuted(like, options.at("draw").whole(0))
    return of(options.at("of").text()).mask


def _step(options: Reader, default: Step) -> Step:
    step = options.at("step").node
    return default if step is None else step
