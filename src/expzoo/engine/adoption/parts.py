"""The parts of a spec that are proved by themselves, without a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from expzoo.engine.adoption.data import look_at_dataset
from expzoo.engine.adoption.fault import Fault, Refused
from expzoo.engine.adoption.updates import look_at_constraint, look_at_optimizer, look_at_schedule, look_at_stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from expzoo.engine.blueprints import Blueprints
    from expzoo.spec.component import Component
    from expzoo.spec.spec import Spec

LOOKS: dict[str, Callable[[Component[Any], Spec, Blueprints], None]] = {
    "dataset": lambda part, spec, blueprints: look_at_dataset(part, blueprints.dataset(part), spec.seed),
    "optimizer": lambda part, spec, blueprints: look_at_optimizer(part),
    "schedule": lambda part, spec, blueprints: look_at_schedule(part),
    "stop": lambda part, spec, blueprints: look_at_stop(part),
    "constraint": lambda part, spec, blueprints: look_at_constraint(part, blueprints.layout(spec)),
}
"""By kind: Refused if the part is no function of what it is handed."""


def look_at_part(part: Component[Any], spec: Spec, blueprints: Blueprints) -> Fault | None:
    """Why a part would be used as something else than its author wrote, if so."""
    try:
        LOOKS[part.kind](part, spec, blueprints)
    except Refused as refused:
        return refused.fault
    return None
