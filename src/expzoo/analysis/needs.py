"""What an analysis needs of an experiment's other parts, in words that are read from its class and checked here.

    NEEDS = ("targets classes", "inputs sequence|image", "split validation", "dataset.view", "model SIZE")

`KIND=NAME|NAME` asks for a plugin, `KIND.OPTION` for one that has this option, `inputs` and
`targets` for a sort of data, `split` for a part of the data, `finite` for data that end, `model
SIZE` for a model that says which option is its size. Where validation data are needed and the
dataset could hold some out but does not, about a tenth of the training data are held out.

    HOME = ("dataset=mnist1d", "model=mlp")

says by dataset and model where an analysis's published values and claim names belong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from expzoo.config import registry
from expzoo.config.registry import NOTHING
from expzoo.spec.contracts import Stream
from expzoo.spec.score import INPUTS, TARGETS, Nature, nature
from expzoo.system.errors import BadInput, nearest

if TYPE_CHECKING:
    from expzoo.spec.component import Component
    from expzoo.spec.contracts import Dataset
    from expzoo.spec.spec import Spec


def unmet(needs: Sequence[str], base: Spec, dataset: Dataset) -> list[str]:
    """Why an experiment with this base spec does not have what is needed, one reason each; ValueError for other words.

    `dataset` is that of the spec, built.
    """
    kind = nature(base.dataset, dataset)
    return [reason for need in needs for reason in _reasons(need, base, dataset, kind)]


def of_data(needs: Sequence[str]) -> list[str]:
    """Those that the dataset alone meets or does not."""
    return [
        need for need in needs if need == "finite" or need.startswith(("inputs ", "targets ", "dataset=", "dataset."))
    ]


def refusal(need: str) -> str:
    """Why a text says nothing that can be needed, empty if it does."""
    words, _, rest = need.partition(" ")
    for word, known in (("inputs", {*INPUTS}), ("targets", {*TARGETS})):
        if words == word and not (wrong := {*rest.split("|")} - known):
            return ""
        if words == word:
            return f"there are no {word} {', '.join(sorted(wrong))}: {nearest(min(wrong), known)}"
    kind, equals, name = need.partition("=") if "=" in need else need.partition(".")
    if (words == "split" and rest) or need in ("finite", "model SIZE") or (kind in registry.KINDS and equals and name):
        return ""
    known = ("inputs", "targets", "split", "finite", "model SIZE", *registry.KINDS)
    return f"{need!r} is nothing that can be needed: {nearest(words, known)}"


def _reasons(need: str, base: Spec, dataset: Any, kind: Nature) -> Iterator[str]:
    data = f"dataset={base.dataset.name}"
    words, _, rest = need.partition(" ")
    choices = rest.split("|")
    if words == "inputs" and {*choices} <= {*INPUTS}:
        if kind.inputs not in choices:
            wanted = " or ".join(map(plural, choices))
            yield f"it needs inputs that are {wanted}, and those of {data} are {plural(kind.inputs)}"
    elif words == "targets" and {*choices} <= {*TARGETS}:
        if kind.targets not in choices:
            wanted = " or ".join(TARGETS[choice] for choice in choices)
            yield f"it needs targets that are {wanted}, and those of {data} are {TARGETS[kind.targets]}"
    elif words == "split" and rest:
        yield from _without_split(rest, base, dataset)
    elif need == "finite":
        if isinstance(dataset, Stream):
            yield f"it needs data that end, and {data} draws new examples at every step"
    elif need == "model SIZE":
        if size_option(base) is None:
            yield f"it needs a model of which one option is the size, and model={base.model.name} names none (SIZE)"
    else:
        yield from _without_plugin(need, base)


def _without_split(name: str, base: Spec, dataset: Any) -> Iterator[str]:
    data = f"dataset={base.dataset.name}"
    if name == "validation" and holds_none_out(base):
        room = "give dataset.validation_size=... and a smaller train_size"
        yield f"it needs validation data, and {data} has none: {room}"
        return
    try:
        dataset.split(name, base.seed)
    except (ValueError, KeyError, NotImplementedError):
        yield f"it needs the split {name}, and {data} has none"


def holds_none_out(base: Spec) -> bool:
    """Whether the dataset could have validation data, but its option says that it has none."""
    return dict(base.dataset.options).get("validation_size") == 0


def with_validation(base: Spec, dataset: Dataset) -> Spec:
    """The base with about a tenth of the training data held out for validation; itself if there is no room for that.

    Where the dataset has more examples than are trained on, those are taken; training may have fewer otherwise.
    """
    tenth = _a_tenth(dataset)
    options: dict[str, Any] = {"validation_size": tenth}
    fewer = {"train_size": len(dataset.split("train", base.seed)) - tenth}
    for tried in (options, options | fewer):
        try:
            held_out = base.replace(dataset=tried)
            held_out.dataset.build()
        except BadInput:
            continue
        return held_out
    return base


def _a_tenth(dataset: Any) -> int:
    """About a tenth of the training data, as a round number."""
    return max(int(float(f"{len(dataset.split('train', 0)) / 10:.1g}")), 1)


def _without_plugin(need: str, base: Spec) -> Iterator[str]:
    kind, equals, names = need.partition("=")
    option = ""
    if not equals:
        kind, _, option = need.partition(".")
    if kind not in registry.KINDS or not (names or option):
        raise ValueError(f"no analysis can need {need!r}: see expzoo.analysis.needs for the words")
    chosen = getattr(base, kind)
    name = chosen.name if chosen else NOTHING[kind]
    if equals and name not in names.split("|"):
        yield f"it needs {kind}={' or '.join(names.split('|'))}, not {name}"
    if option and (chosen is None or option not in dict(chosen.options)):
        article = "an" if kind[0] in "aeiou" else "a"
        yield f"it needs {article} {kind} with the option {option}, and {kind}={name} has none"


def size_option(base: Spec) -> str | None:
    """The option that is the size of the base's model: its width, channels, filters."""
    return registry.load("model", base.model.name).SIZE


def size_of(spec: Spec) -> int:
    """The size of a network whose model names such an option; ValueError if it does not."""
    if (option := size_option(spec)) is None:
        raise ValueError(f"model={spec.model.name} names no option that is its size")
    return spec.model.option(option, int)


def away(home: Sequence[str], chosen: Mapping[str, str]) -> list[str]:
    """Where an experiment is that is not at this home, such as ["dataset=textures"]; `chosen` is kind -> plugin."""
    words = [word.partition("=") for word in home]
    return [f"{kind}={chosen[kind]}" for kind, _, names in words if chosen[kind] not in names.split("|")]


def called_here(claim: str, home: Sequence[str], elsewhere: Sequence[str]) -> str:
    """The name of a claim away from its home: one that is called after its home's dataset is called after this one."""
    first, _, rest = claim.partition(".")
    words = [word.partition("=") for word in home]
    at_home = {name for kind, _, names in words if kind == "dataset" for name in names.split("|")}
    here = next((word.removeprefix("dataset=") for word in elsewhere if word.startswith("dataset=")), first)
    return f"{here}.{rest}" if first in at_home else claim


def choices(component: Component[object], option: str) -> tuple[object, ...]:
    """What an option of a component can be if it is one of a few values; empty if there is no such option."""
    declared = registry.declared(component.kind, component.name).options.get(option)
    return get_args(declared.kind) if declared else ()


def plural(sort: str) -> str:
    """A sort of inputs in words: "sequences"."""
    return sort if sort == "tokens" else f"{sort}s"
