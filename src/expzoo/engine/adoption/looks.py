"""What can be seen of a model, a loss or a metric by itself: where it starts, what it returns, what it writes into."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from expzoo.components.metrics import outputs_are_probabilities
from expzoo.components.soundness import are_labels, num_classes
from expzoo.engine.adoption.fault import Fault, Refused, first_seen, same
from expzoo.engine.adoption.plain import CountedDropout
from expzoo.engine.adoption.state import moved, remembered
from expzoo.spec.contracts import Stream
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.errors import BadInput
from expzoo.system.randomness import normals, permutation

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

    from expzoo.engine.adoption.plain import Batch
    from expzoo.engine.blueprints import Blueprints
    from expzoo.spec.component import Component
    from expzoo.spec.contracts import Dataset, Loss
    from expzoo.spec.spec import Spec

EXAMPLES = 64  # that a metric sees
OTHERS = 4  # outputs that a metric sees between: numbers of a few examples may agree by chance
SUMMED = 1e-5  # relative: a loss of twice the examples that is so near to twice itself is a sum
OWN = "each call sees a whole split and gives its number, so keep nothing from call to call, and draw nothing"
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


def generators() -> dict[str, object]:
    """Where the global generators are, by the calls that put them there."""
    return {
        "torch.manual_seed": torch.get_rng_state().numpy().tobytes(),
        "np.random.seed": repr(np.random.get_state()),  # noqa: NPY002 - a module may use it
        "random.seed": random.getstate(),
    }


def require_own_draws(model: Component[nn.Module], one: dict[str, object], other: dict[str, object]) -> None:
    """Refused if generators are in one place after constructors of two seeds: networks draw the same numbers then."""
    for call in one:
        if one[call] == other[call]:
            raise Refused(
                model,
                f"its constructor calls {call}, so that all networks start with the same draws: leave it out, each "
                "network has generators of its own there",
            )


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
    given, again, names = x.clone(), x.clone(), {name for name, _ in module.named_parameters()}
    with CountedDropout(spec.seed, 0):
        found = module(given)
    if made := sorted({name for name, _ in module.named_parameters()} ^ names):
        raise Refused(model, f"its forward makes the parameter {made[0]}, or takes it away: make it in the constructor")
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


def look_at_loss(component: Component[Loss], loss: Loss, outputs: Float[Tensor, "n outputs"], y: Tensor) -> Tensor:
    """Its value; Refused if it is not one mean, the same again, of what it leaves alone, or if it has parameters."""
    if isinstance(loss, nn.Module) and (names := [name for name, _ in loss.named_parameters()]):
        raise Refused(
            component,
            f"its parameter {names[0]} would stay as it is, since a model's parameters alone are trained: make it a "
            "buffer, or a parameter of the model",
        )
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
    twice = loss(torch.cat([outputs, outputs]), torch.cat([y, y]))
    if first.isfinite() and first != 0 and abs(twice - 2 * first) <= SUMMED * abs(first):
        raise Refused(
            component,
            "it is no mean over examples, but their sum, which differs where data are taken part by part: divide by "
            "len(outputs)",
        )
    return first


def look_at_metric(component: Component[Any], spec: Spec, blueprints: Blueprints) -> Fault | None:
    """Why a metric would not measure networks like this spec, if so: it writes, remembers, or gives another number.

    It is shown drawn outputs, and those of the spec's own network if it raises on these. Unseen if it raises then.
    """
    dataset = blueprints.dataset(spec.dataset)
    split = dataset.split("train", spec.seed)
    x, y = (torch.tensor(part[:EXAMPLES]) for part in (split.x, split.y))
    with exact_arithmetic(), outputs_are_probabilities(blueprints.plugin(spec.loss).of_probabilities):
        return first_seen(
            lambda: _look_at_number(component, _drawn_outputs(spec, blueprints, x), y),
            lambda: _look_at_number(component, _outputs_at_start(spec, blueprints, x), y),
        )


def _drawn_outputs(spec: Spec, blueprints: Blueprints, x: Tensor) -> Float[Tensor, "n outputs"]:
    outputs = blueprints.dataset(spec.dataset).outputs
    drawn = normals(0, "looks", 0, len(x) * outputs).reshape(len(x), outputs)
    return torch.from_numpy(drawn).to(getattr(torch, spec.dtype))


def _outputs_at_start(spec: Spec, blueprints: Blueprints, x: Tensor) -> Shaped[Tensor, "n ..."]:
    dtype = getattr(torch, spec.dtype)
    with torch.no_grad():
        return blueprints.module(spec).eval()(x.to(dtype) if x.is_floating_point() else x)


def _look_at_number(component: Component[Any], outputs: Tensor, y: Tensor) -> None:
    """Refused if a metric that saw other examples between, or none before, gives another number of these."""
    weights = torch.linspace(0.2, 1, outputs.shape[-1]).to(outputs)
    orders = [torch.from_numpy(permutation(0, "looks", order, len(y))) for order in range(OTHERS)]
    seen = [outputs, *(outputs[order].abs() * weights for order in orders)]  # probabilities if these are

    def number(metric: Any, index: int) -> float:
        given, targets = seen[index].clone(), y.clone()
        found = float(metric(given, targets))
        if not (same(given, seen[index]) and same(targets, y)):
            raise Refused(component, "it changes the outputs it is given, or the targets: work on outputs.clone()")
        return found

    metric = component.build()
    first, before = number(metric, 0), remembered(metric)
    pairs = [(number(metric, index), number(component.build(), index)) for index in range(1, len(seen))]
    for one, other in ((first, number(metric, 0)), *pairs):
        if one != other and not (one != one and other != other):
            raise Refused(component, f"it gives another number the second time, {one:g}, then {other:g}: {OWN}")
    if names := moved(before, remembered(metric)):
        raise Refused(component, f"it changes {', '.join(names[:3])} while it is used: {OWN}")
