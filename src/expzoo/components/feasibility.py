"""What can be known to be impossible before anything is trained: models that do not fit the data or the memory."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from expzoo.config.registry import available, build
from expzoo.spec.component import built
from expzoo.spec.contracts import Stream
from expzoo.spec.layout import Layout, refuse_cut
from expzoo.system.errors import BadInput, PluginError
from expzoo.system.machine import memory

if TYPE_CHECKING:
    from torch import Tensor

    from expzoo.spec.contracts import Loss, Split
    from expzoo.spec.spec import Spec

COPIES = 4  # of its weights that a member in training has at least: theta, its gradient, two rows of optimizer state
NUMBER = 4  # bytes
MOST_TENSORS = 20_000  # that a constructor makes: more, and its forward could not be traced in minutes
GIB = 2**30


def model_faults(base: Spec, dataset: Any) -> list[str]:
    """Why a config's model cannot be trained on its data, if it cannot; BadInput with every fault of its options."""
    try:
        with _Memory(), warnings.catch_warnings(action="ignore"):  # it is made again to be trained
            module = built(base.model, dataset, base.seed)
        refuse_cut(module, getattr(torch, base.dtype))
        layout = Layout.of(module)
        if base.parametrisation is None:
            return []
        parametrisation = base.parametrisation.build()
        if not parametrisation.num_fixed:
            parametrisation.trainable(layout)
            return []
    except ValueError as error:
        return [str(error)]
    needed = f"{parametrisation.num_fixed} rows of other networks, which only an analysis can give"
    return [f"parametrisation={base.parametrisation.name} needs {needed}"]


def loss_faults(base: Spec, dataset: Any) -> list[str]:
    """Why a config's loss cannot take the targets of its data, if it cannot: those without end need not be labels."""
    if not isinstance(dataset, Stream):
        return _refusals(base.loss.build(), dataset.outputs)
    targets = torch.tensor(dataset.split("train", base.seed).y[:2])
    if _takes(base.loss.build(), dataset.outputs, targets):
        return []
    fitting = fitting_losses(base, dataset)
    told = f"loss={base.loss.name} cannot take the targets of dataset={base.dataset.name}"
    hint = f": give loss={' or '.join(fitting)}" if fitting else ""
    return [f"{told}, {math.prod(targets.shape[1:])} numbers for each example{hint}"]


def _refusals(loss: Loss, outputs: int) -> list[str]:
    """What the loss says of labels of so many outputs, where that is a refusal."""
    try:
        loss(torch.full((2, outputs), 0.5), torch.zeros(2, dtype=torch.int64))
    except BadInput as error:
        return [str(error)]
    except Exception:  # noqa: BLE001 - whatever else it raises is said, with its traceback, when it is used
        return []
    return []


def fitting_losses(base: Spec, dataset: Any) -> list[str]:
    """The losses that can take the targets of a config's data, at their defaults."""
    targets = torch.tensor(dataset.split("train", base.seed).y[:2])
    others = ((name, _as_it_is(name)) for name in available("loss"))
    return [name for name, loss in others if loss and _takes(loss, dataset.outputs, targets)]


def split_faults(base: Spec, dataset: Any) -> list[str]:
    """Why a config's model cannot be tested on its data, if it cannot: test examples may have another shape."""
    train, test = (dataset.split(name, base.seed) for name in ("train", "test"))
    learned, tested = train.x.shape[1:], test.x.shape[1:]
    if learned == tested or _reads(base, dataset, test):
        return []
    told = f"model={base.model.name} cannot take the test examples of dataset={base.dataset.name}"
    sides = {before: after for before, after in zip(tested, learned, strict=False) if before != after}
    options = (f"dataset.{key}={sides[value]}" for key, value in base.dataset.options if _names_side(key, value, sides))
    hint = f": give {' '.join(found)}" if (found := list(options)) else ""
    return [f"{told}, of shape {tested}, as it trains on {learned}{hint}"]


def _names_side(option: str, value: object, sides: dict[int, int]) -> bool:
    """Whether an option of a dataset is how long a side of the test examples is."""
    return option.startswith("test_") and type(value) is int and value in sides


def _reads(base: Spec, dataset: Any, split: Split) -> bool:
    """Whether the model makes of an example of a split what its target is."""
    module = built(base.model, dataset, base.seed).eval()
    try:
        with torch.no_grad():
            outputs = module(torch.tensor(split.x[:1]))
    except (RuntimeError, ValueError, TypeError, IndexError):
        return False
    return split.y.ndim == 1 or outputs.shape[1:] == split.y.shape[1:]


def _as_it_is(name: str) -> Loss | None:
    """A loss without options of its own; None if it needs some, or is broken, which is no fault of the one asked."""
    try:
        return build("loss", name)
    except (BadInput, PluginError):
        return None


def _takes(loss: Loss, outputs: int, targets: Tensor) -> bool:
    """Whether the loss of so many outputs for these targets is a number."""
    try:
        return loss(torch.full((len(targets), outputs), 0.5), targets).shape == ()
    except (RuntimeError, ValueError, TypeError, IndexError):
        return False


class _Memory(TorchDispatchMode):
    """Inside, ValueError at the first tensor that makes a network too large to be trained, before it is made."""

    def __init__(self) -> None:
        super().__init__()
        self.there = memory()
        self.count = self.tensors = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.ops.aten.empty.memory_format, torch.ops.aten.empty_strided.default):
            self.count += math.prod(args[0])
            self.tensors += 1
            if self.tensors > MOST_TENSORS:
                raise ValueError(f"it makes more than {MOST_TENSORS:,} tensors, the most that a network can be of")
            needed = COPIES * NUMBER * self.count
            if needed > self.there:
                told = f"the training of one network takes {needed / GIB:,.0f} GiB or more"
                raise ValueError(f"{told}, and this machine has {self.there / GIB:,.0f} GiB")
        return func(*args, **(kwargs or {}))
