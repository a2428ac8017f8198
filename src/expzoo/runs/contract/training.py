"""What a loss, an optimizer, a schedule and a stop rule must be."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from expzoo.engine.adoption.looks import look_at_loss
from expzoo.engine.adoption.updates import (
    MEMBERS,
    PADDING,
    SIZE,
    look_at_optimizer,
    look_at_schedule,
    look_at_stop,
    rows,
    updated,
)
from expzoo.runs.contract.networks import check_adoption, check_crowd
from expzoo.runs.contract.require import refusals_fail, require
from expzoo.spec.measure import Measure
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from expzoo.spec.component import Component
    from expzoo.spec.contracts import Loss
    from expzoo.spec.spec import Spec

EXAMPLES, CLASSES = 6, 3


def check_loss(component: Component, base: Spec) -> None:
    """A mean over the examples of a batch, 0-d, with the gradient that finite differences show."""
    loss = component.build()
    outputs = rows(CLASSES, EXAMPLES).double()
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
        return rows(CLASSES, EXAMPLES).double().flip(0)
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
    start = rows(SIZE, MEMBERS)
    start[:, -PADDING:] = 0  # as padding and pruned weights are
    whole = updated(component.build(), start)
    require(whole.isfinite().all(), "its weights are not finite after a few steps")
    require((whole != start)[:, :-PADDING].float().mean() > 0.99, "it leaves weights where they are")
    with refusals_fail():
        look_at_optimizer(component)
    check_crowd(base.replace(optimizer=component))


def check_schedule(component: Component, base: Spec) -> None:
    """A finite factor of at least 0 for every step, which depends on the step and the length alone."""
    with refusals_fail():
        look_at_schedule(component)


def check_stop(component: Component, base: Spec) -> None:
    """It ends, says what it watches, and decides from the history alone."""
    stop: Any = component.build()
    require(isinstance(stop.at_most, int) and stop.at_most > 0, f"at_most is {stop.at_most!r}, not a number of steps")
    looks = isinstance(stop.every, int) and 0 <= stop.every <= stop.at_most
    require(looks, f"every is {stop.every!r}, not a number of steps up to at_most {stop.at_most}, 0 for never")
    require(isinstance(stop.must_end, bool), f"must_end is {stop.must_end!r}, not true or false")
    Measure(*stop.watches)
    with refusals_fail():
        look_at_stop(component)


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
