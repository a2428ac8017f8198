"""What can be seen of a model, a loss or a metric by itself: where it starts, what it returns, what it writes into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from expzoo.components.metrics import outputs_are_probabilities
from expzoo.components.soundness import are_labels, num_classes
from expzoo.engine.adoption.fault import Fault, Refused, same
from expzoo.engine.adoption.plain import CountedDropout
from expzoo.spec.contracts import Stream
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.errors import BadInput
from expzoo.system.randomness import normals

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

    from expzoo.engine.adoption.plain import Batch
    from expzoo.spec.component import Component
    from expzoo.spec.contracts import Dataset, Loss
    from expzoo.spec.spec import Spec

EXAMPLES = 64  # that a metric sees
IN_PLACE = "write x = x - ... for x -= ..., inplace=False, or begin with x = x.clone()"


def batches(dataset: Dataset | Stream, seed: int, steps: int, examples: int) -> list[Batch]:
    """The first batches that a member sees, or the first examples of each, as the dataset has them."""
    if isinstance(dataset, Stream):
        made = dataset.batches([seed], 0, steps)
        x, y = (part[:, 0] if part.dtype == np.int64 else part[:, 0].astype(np.float32) for part in made)
    else:
        split, chosen = dataset.split("train", seed), dataset.indices(seed, 0, steps)
        x, y = split.x[chosen], split.y[chosen]
    return [(torch.tensor(a[:examples]), torch.tensor(b[:examples])) for a, b in zip(x, y, strict=True)]


def require_one_start(model: Component[nn.Module], one: nn.Module, other: nn.Module) -> None:
    """Refused if two modules of one seed differ in a parameter or a buffer."""
    for kind, mine, others in (
        ("parameter", one.named_parameters(), dict(other.named_parameters())),
        ("buffer", one.named_buffers(), dict(other.named_buffers())),
    ):
        for name, value in mine:
            if name not in others or not same(value.detach(), others[name].detach()):
                raise Refused(
                    model,
                    f"two networks of one seed start with different values of the {kind} {name}: draw them by torch, "
                    "np.random or random, which are the member's own in a constructor; np.random.default_rng() is not",
                )


def look_at_model(spec: Spec, module: nn.Module, dataset: Dataset | Stream, batch: Batch) -> Float[Tensor, "n outputs"]:
    """What a forward in training mode gives; Refused if it is no fit outputs, or if the forward writes into its input.

    The module is left in evaluation mode.
    """
    model, (x, y) = spec.model, batch
    given, again = x.clone(), x.clone()
    with CountedDropout(spec.seed, 0):
        found = module(given)
    shown = module.eval()(again)
    for outputs in (found, shown):
        _require_outputs(model, outputs, y, dataset.outputs)
    if not (same(given, x) and same(again, x)):
        raise Refused(model, f"its forward changes its input in place, the data that all networks share: {IN_PLACE}")
    if not found.requires_grad:
        raise Refused(
            model,
            "its outputs do not depend on its parameters, which would stay as they are: is there a .detach(), .data, "
            "no_grad or NumPy on the way?",
        )
    return found.detach()


def _require_outputs(model: Component[nn.Module], found: Any, y: Shaped[Tensor, "n ..."], outputs: int) -> None:
    """Refused if these are no outputs for targets y: one for each class, of two classes also one alone."""
    count = len(y)
    is_tensor = isinstance(found, Tensor)
    wanted = [(count, outputs)]
    if are_labels(y.numpy()):
        wanted = [(count, 2), (count, 1)] if num_classes(outputs) == 2 else wanted
    elif is_tensor and found.dim() > 1 and len(found) == count:
        return  # whatever its loss makes of it
    if is_tensor and tuple(found.shape) in wanted:
        return
    told = f"a tensor of shape {tuple(found.shape)}" if is_tensor else f"a {type(found).__name__}"
    shapes = " or ".join(map(str, wanted))
    raise Refused(model, f"its forward returns {told} for {count} examples, not a tensor of shape {shapes}")


def look_at_loss(component: Component[Loss], loss: Loss, outputs: Float[Tensor, "n outputs"], y: Tensor) -> None:
    """Refused if it is not one number, the same again, of outputs and targets that are left alone."""
    values = []
    for _ in range(2):
        given, targets = outputs.clone(), y.clone()
        try:
            values.append(loss(given, targets))
        except BadInput as error:
            raise Refused(component, str(error).removeprefix(f"loss={component.name}: ")) from error
        if not (same(given, outputs) and same(targets, y)):
            raise Refused(component, f"it changes the outputs or targets it is given: {IN_PLACE}")
    first, second = values
    if not isinstance(first, Tensor) or first.shape != ():
        told = f"a tensor of shape {tuple(first.shape)}" if isinstance(first, Tensor) else repr(first)
        raise Refused(component, f"it gives {told}, not a tensor of shape (), the mean over the batch")
    if not same(first, second):
        raise Refused(component, f"it gives another number the second time: {float(first):g}, then {float(second):g}")


def look_at_metric(component: Component[Any], spec: Spec, dataset: Dataset | Stream) -> Fault | None:
    """Why a metric would not measure networks like this spec as written, if so: it writes, or gives another number.

    What it raises is left to the evaluation, which says it.
    """
    y = torch.tensor(dataset.split("train", spec.seed).y[:EXAMPLES])
    drawn = normals(0, "looks", 0, len(y) * dataset.outputs).reshape(len(y), dataset.outputs)
    outputs = torch.from_numpy(drawn).to(getattr(torch, spec.dtype))
    metric, values = component.build(), []
    for _ in range(2):
        given, targets = outputs.clone(), y.clone()
        try:
            with exact_arithmetic(), outputs_are_probabilities(spec.loss.build().of_probabilities):
                values.append(float(metric(given, targets)))
        except Exception:  # noqa: BLE001 - the evaluation meets the same, and knows whose it is
            return None
        if not (same(given, outputs) and same(targets, y)):
            return Fault(component, "it changes the outputs it is given, or the targets: work on outputs.clone()")
    first, second = values
    if first != second and not (first != first and second != second):
        return Fault(component, f"it gives another number the second time: {first:g}, then {second:g}")
    return None
