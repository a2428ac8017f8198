"""What a loss, an optimizer, a schedule and a stop rule must be."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from expzoo.engine.adoption.looks import look_at_loss
from expzoo.runs.contract.networks import check_adoption, check_crowd, drawn
from expzoo.runs.contract.require import refusals_fail, require
from expzoo.spec.measure import Measure
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from expzoo.spec.component import Component
    from expzoo.spec.contracts import Loss, Optimizer
    from expzoo.spec.spec import Spec

EXAMPLES, CLASSES = 6, 3
MEMBERS, SIZE, STEPS = 5, 192, 5
RATE = 0.05


def check_loss(component: Component, base: Spec) -> None:
    """A mean over the examples of a batch, 0-d, with the gradient that finite differences show."""
    loss = component.build()
    outputs = drawn(CLASSES, EXAMPLES).double()
    targets = understood(loss, outputs)
    value = loss(outputs, targets)
    require(value.dim() == 0, f"gives a tensor of shape {tuple(value.shape)}, not one number of shape ()")
    require(value.isfinite(), f"gives {value} for ordinary outputs")
    require(value.dtype == outputs.dtype, f"gives {value.dtype} for outputs of {outputs.dtype}")
    with refusals_fail():
        look_at_loss(component, loss, outputs, targets)
    half = EXAMPLES // 2
    mean = (loss(outputs[:half], targets[:half]) + loss(outputs[half:], targets[half:])) / 2
    require(torch.allclose(value, mean, rtol=1e-12), f"is no mean over examples: {value}, but {mean} over two halves")
    gradient = torch.func.grad(loss)(outputs, targets)
    shown = differences(lambda given: loss(given, targets), outputs)
    require(torch.allclose(gradient, shown, rtol=1e-6, atol=1e-8), "its gradient is not what finite differences show")
    if not targets.is_floating_point():
        check_adoption(base.replace(loss=component))
        check_crowd(base.replace(loss=component))


def understood(loss: Loss, outputs: Tensor) -> Tensor:
    """Labels, or targets like the outputs if the loss takes no labels."""
    labels = torch.arange(EXAMPLES) % CLASSES
    try:
        loss(outputs, labels)
    except (RuntimeError, ValueError, TypeError, IndexError):
        return drawn(CLASSES, EXAMPLES).double().flip(0)
    return labels


def differences(of: Callable[[Tensor], Tensor], at: Tensor, step: float = 1e-6) -> Tensor:
    """The gradient by central differences, entry by entry."""
    found = torch.zeros_like(at)
    for place in range(at.numel()):
        moved = torch.zeros_like(at).flatten()
        moved[place] = step
        moved = moved.view_as(at)
        found.view(-1)[place] = (of(at + moved) - of(at - moved)) / (2 * step)
    return found


def check_optimizer(component: Component, base: Spec) -> None:
    """It moves rows in place, each by itself, leaves zeros alone, and remembers nothing but its state."""
    optimizer = component.build()
    require(isinstance(optimizer.lr, float) and optimizer.lr > 0, f"lr is {optimizer.lr!r}, not a number above 0")
    names = optimizer.state
    fits = isinstance(names, tuple) and all(isinstance(name, str) for name in names) and len({*names}) == len(names)
    require(fits, f"state is {names!r}, not a tuple of different names")
    start = drawn(SIZE, MEMBERS)
    start[:, -9:] = 0  # as padding and pruned weights are
    whole = moved(optimizer, start)
    require(whole.isfinite().all(), "its weights are not finite after a few steps")
    require((whole != start)[:, :-9].float().mean() > 0.99, "it leaves weights where they are")
    require(not whole[:, -9:].any(), "weights of zero with a gradient of zero do not stay zero")
    for rows in (slice(3, 4), slice(1, 3)):
        require(torch.equal(moved(optimizer, start, rows), whole[rows]), "rows are updated otherwise in a crowd")
    require(torch.equal(resumed(component, start), whole), "a new object with the same state goes on otherwise")
    check_crowd(base.replace(optimizer=component))


def moved(optimizer: Optimizer, start: Tensor, rows: slice = slice(None)) -> Tensor:
    """Some rows of `start` after STEPS updates with the gradients of their crowd."""
    theta, state = start[rows].clone(), blank(optimizer, start[rows])
    for step in range(STEPS):
        update(optimizer, theta, state, step, rows)
    return theta


def resumed(component: Component, start: Tensor) -> Tensor:
    """All rows after STEPS updates, of which a second object does the last."""
    first = component.build()
    theta, state = start.clone(), blank(first, start)
    for step in range(STEPS - 1):
        update(first, theta, state, step)
    kept = {name: value.clone() for name, value in state.items()}
    theta = theta.clone()
    update(component.build(), theta, kept, STEPS - 1)
    return theta


def blank(optimizer: Optimizer, theta: Tensor) -> dict[str, Tensor]:
    """The state at the start."""
    return {name: torch.zeros_like(theta) for name in optimizer.state}


def update(optimizer: Optimizer, theta: Tensor, state: dict[str, Tensor], step: int, rows: slice = slice(None)) -> None:
    """One step with drawn gradients, zero where the weights are padding."""
    both = drawn(SIZE, 2 * MEMBERS * STEPS).view(2, STEPS, MEMBERS, SIZE)[:, step, rows].clone()
    both[..., -9:] = 0
    extra = {"noise": both[1]} if optimizer.noisy else {}
    optimizer.step(theta, both[0], state | extra, RATE, torch.full((), step + 1.0))


def check_schedule(component: Component, base: Spec) -> None:
    """A finite factor of at least 0 for every step, which depends on the step and the length alone."""
    schedule, again = component.build(), component.build()
    for steps in (1, 7, 2000):
        factors = [schedule.factor(step, steps) for step in range(steps)]
        wrong = [(step, f) for step, f in enumerate(factors) if not (math.isfinite(f) and f >= 0)]
        require(not wrong, f"factor(step, {steps}) is not a finite number of at least 0 at (step, factor) {wrong[:3]}")
        backwards = [again.factor(step, steps) for step in reversed(range(steps))][::-1]
        require(factors == backwards, "the factor of a step depends on what was asked before")


def check_stop(component: Component, base: Spec) -> None:
    """It ends, says what it watches, and decides from the history alone."""
    stop: Any = component.build()
    require(isinstance(stop.at_most, int) and stop.at_most > 0, f"at_most is {stop.at_most!r}, not a number of steps")
    looks = isinstance(stop.every, int) and 0 <= stop.every <= stop.at_most
    require(looks, f"every is {stop.every!r}, not a number of steps up to at_most {stop.at_most}, 0 for never")
    require(isinstance(stop.must_end, bool), f"must_end is {stop.must_end!r}, not true or false")
    Measure(*stop.watches)
    histories = {"falls": [0.5**look for look in range(30)], "rises": [1.0 + look for look in range(30)]}
    for what, values in histories.items():
        for length in range(1, len(values) + 1):
            seen = values[:length]
            answer = stop.done(seen)
            require(type(answer) is bool, f"done is {answer!r}, not true or false, for a value that {what}")
            require(seen == values[:length], "done changes the history")
            require(answer == component.build().done(list(seen)), f"done depends on earlier questions, if it {what}")
            if stop.best is not None:
                require(stop.best(seen) in range(length), f"best is {stop.best(seen)!r}, not one of {length} looks")


def check_trainer(component: Component, base: Spec) -> None:
    """It opens a lab on a store; one that needs devices which are not here says so in one line."""
    with TemporaryDirectory() as root:
        try:
            lab = component.build().open(Path(root))
        except BadInput as error:
            require(str(error).strip(), "refuses to open a lab without a word")
            return
        require(lab.store.root == Path(root), f"opens a lab on {lab.store.root}, not on the store that it is given")
        lab.close()
