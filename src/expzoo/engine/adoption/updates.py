"""What can be seen of optimizers, constraints, schedules and stop rules by themselves: rows that meet, and memories.

All members of a population share one object of each, which updates their rows by one call, and a
member that was interrupted goes on with another object. So each has to be a function of what it is handed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from expzoo.engine.adoption.fault import Refused, same
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.randomness import normals

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from expzoo.spec.component import Component
    from expzoo.spec.contracts import Constraint, Optimizer, Schedule, Stop
    from expzoo.spec.layout import Layout

MEMBERS, SIZE, PADDING, STEPS = 5, 192, 9, 5
LENGTHS = (1, 7, 2000)  # of training, for schedules
LOOKS = 30  # of a stop rule
RATE = 0.05
MOST = 10**6  # numbers of a row that a constraint is tried on three times

BY_ROW = "a row is one member: work on each by itself, as by theta.norm(dim=1, keepdim=True)"
NO_MEMORY = "all members share one object, and a member that was interrupted has another: keep nothing in it"


def rows(size: int, count: int, layout: Layout | None = None) -> Tensor:
    """Normal rows (count, size), with the padding of a layout at zero."""
    drawn: Any = normals(count, "contract", size, count * size).reshape(count, size)
    drawn = torch.from_numpy(drawn).float()
    if layout:
        kept = torch.zeros(size)
        kept[layout.places()] = 1
        drawn = drawn * kept
    return drawn


# Optimizers.


def look_at_optimizer(component: Component[Optimizer]) -> None:
    """Refused if rows meet, zeros do not stay, or something but its state remembers."""
    start = rows(SIZE, MEMBERS)
    start[:, -PADDING:] = 0  # as padding and pruned weights are
    with exact_arithmetic():
        whole = updated(component.build(), start)
        if whole[:, -PADDING:].any():
            raise Refused(
                component, "weights of zero with a gradient of zero do not stay zero, as padding and masks must"
            )
        for part in (slice(3, 4), slice(1, 3)):
            if not same(updated(component.build(), start, part), whole[part]):
                raise Refused(component, f"rows are updated otherwise in a crowd: {BY_ROW}")
        if not same(_resumed(component, start), whole):
            raise Refused(
                component,
                f"a new object with the same state goes on otherwise: name what it keeps in `state`; {NO_MEMORY}",
            )


def updated(optimizer: Optimizer, start: Tensor, part: slice = slice(None)) -> Tensor:
    """Some rows of `start` after STEPS updates with the gradients of their crowd."""
    theta, state = start[part].clone(), _blank(optimizer, start[part])
    for step in range(STEPS):
        _update(optimizer, theta, state, step, part)
    return theta


def _resumed(component: Component[Optimizer], start: Tensor) -> Tensor:
    """All rows after STEPS updates, each by a new object; and of these the last by one that updated others before."""
    theta, state = start.clone(), _blank(component.build(), start)
    for step in range(STEPS):
        optimizer = component.build()
        if step == STEPS - 1:
            updated(optimizer, start.flip(0))
        _update(optimizer, theta, state, step)
        theta, state = theta.clone(), {name: value.clone() for name, value in state.items()}
    return theta


def _blank(optimizer: Optimizer, theta: Tensor) -> dict[str, Tensor]:
    """The state at the start."""
    return {name: torch.zeros_like(theta) for name in optimizer.state}


def _update(
    optimizer: Optimizer, theta: Tensor, state: dict[str, Tensor], step: int, part: slice = slice(None)
) -> None:
    """One step with drawn gradients, zero where the weights are padding."""
    both = rows(SIZE, 2 * MEMBERS * STEPS).view(2, STEPS, MEMBERS, SIZE)[:, step, part].clone()
    both[..., -PADDING:] = 0
    extra = {"noise": both[1]} if optimizer.noisy else {}
    optimizer.step(theta, both[0], state | extra, RATE, torch.full((), step + 1.0))


# Constraints.


def look_at_constraint(component: Component[Constraint], layout: Layout) -> None:
    """Refused if rows meet, if padding does not stay zero, or if an earlier call is remembered."""
    if layout.size > MOST:
        return
    constraint: Constraint = component.build()
    whole = rows(layout.size, 3, layout)
    alone, again = whole[1:2].clone(), whole.clone()
    with exact_arithmetic():
        constraint.project(whole, layout)
        constraint.project(alone, layout)
        component.build().project(again, layout)
    if not same(alone[0], whole[1]):
        raise Refused(component, f"a row that is projected alone has other bits than in a crowd: {BY_ROW}")
    padding = torch.ones(layout.size, dtype=torch.bool)
    padding[layout.places()] = False
    if whole[:, padding].any():
        raise Refused(component, "the padding between parameters does not stay zero: write to layout.views(theta)")
    if not same(again, whole):
        raise Refused(component, f"a new object projects otherwise: {NO_MEMORY}")


# Schedules and stop rules.


def look_at_schedule(component: Component[Schedule]) -> None:
    """Refused if a factor or a number of batches is out of range, or depends on what was asked before."""
    schedule, again = component.build(), component.build()
    for steps in LENGTHS:
        factors = [schedule.factor(step, steps) for step in range(steps)]
        wrong = [(step, f) for step, f in enumerate(factors) if not (math.isfinite(f) and f >= 0)]
        if wrong:
            told = f"factor(step, {steps}) is not a finite number of at least 0 at (step, factor) {wrong[:3]}"
            raise Refused(component, told)
        if factors != [again.factor(step, steps) for step in reversed(range(steps))][::-1]:
            raise Refused(component, f"the factor of a step depends on what was asked before: {NO_MEMORY}")
        if schedule.batches and again.batches:
            counts = [schedule.batches(step, steps) for step in range(steps + 1)]
            if few := [(step, n) for step, n in enumerate(counts) if type(n) is not int or n < 1]:
                told = f"batches(step, {steps}) is not a whole number of at least 1 at (step, number) {few[:3]}"
                raise Refused(component, told)
            if counts != [again.batches(step, steps) for step in reversed(range(steps + 1))][::-1]:
                raise Refused(component, f"the batches of a step depend on what was asked before: {NO_MEMORY}")


def look_at_stop(component: Component[Stop]) -> None:
    """Refused if it decides by more than the history, or changes it."""
    if not component.build().every:
        return
    stop: Any = component.build()
    histories = {"falls": [0.5**look for look in range(LOOKS)], "rises": [1.0 + look for look in range(LOOKS)]}
    for what, values in histories.items():
        for length in range(1, len(values) + 1):
            _look_at_decision(component, stop, values[:length], what)


def _look_at_decision(component: Component[Stop], stop: Any, seen: list[float], what: str) -> None:
    given = list(seen)
    answer = stop.done(given)
    if type(answer) is not bool:
        raise Refused(component, f"done is {answer!r}, not true or false, for a value that {what}")
    if given != seen:
        raise Refused(component, "done changes the history: work on list(history)")
    fresh: Callable[[list[float]], bool] = component.build().done
    if answer != fresh(list(seen)):
        raise Refused(component, f"done depends on earlier questions, if it {what}: {NO_MEMORY}")
    if stop.best is not None and stop.best(given) not in range(len(seen)):
        raise Refused(component, f"best is {stop.best(seen)!r}, not one of {len(seen)} looks")
