"""What the experiments on the Game of Life need of a configuration, checked before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.components.datasets import refuse
from expzoo.components.feasibility import model_faults
from expzoo.config import registry
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from expzoo.spec.component import Component
    from expzoo.spec.spec import Spec


def refuse_lists(**lists: Sequence[object]) -> None:
    """ValueError if one of these lists is empty, or has a value twice: its networks would count twice."""
    refuse(
        f"{name} must be a list of one or more different values, not {list(values)}"
        for name, values in lists.items()
        if len({*values}) < max(len(values), 1)
    )


def check(base: Spec, instead: Mapping[str, str]) -> None:
    """BadInput if the base sets what the analysis sets: `instead` says where.

    `instead` maps options such as "model.m_factor" to what decides them. A value given there would be ignored.
    """
    components = {"dataset": base.dataset, "model": base.model}
    faults = [fault for option, where in instead.items() for fault in _ignored(components, option, where)]
    if faults := [*faults, *_edges(base)]:
        raise BadInput("\n".join(faults))


def check_fit(specs: Iterable[Spec]) -> None:
    """BadInput at the first of these specs whose network cannot be built here; the widest ones suffice."""
    for spec in specs:
        if faults := model_faults(spec, spec.dataset.build()):
            raise BadInput("\n".join(f"{fault}, at m_factor {spec.model['m_factor']}" for fault in faults))


def _ignored(components: Mapping[str, Component], option: str, where: str) -> Iterator[str]:
    kind, _, name = option.partition(".")
    component = components[kind]
    default = registry.declared(kind, component.name).options[name].default
    if component[name] != default:
        yield f"{option} {component[name]} would be ignored: this experiment takes it from {where}"


def _edges(base: Spec) -> Iterator[str]:
    own, wanted = base.model["edge"], base.dataset["edge"]
    if own not in (wanted, registry.declared("model", base.model.name).options["edge"].default):
        yield f"model.edge {own} is not the edge of the boards: give dataset.edge={own}, which the model follows"
