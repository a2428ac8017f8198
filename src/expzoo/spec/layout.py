"""Where each parameter of a module lies in a row of theta, and how a module is made from a row and back."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor, nn

from expzoo.spec.modules import unfit
from expzoo.system.arithmetic import ALONE
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped

ALIGN = 16  # floats in 64 bytes: each parameter starts on a cache line
ROW = 64  # a row is a multiple of this, so that no vector operation over theta ever has a tail


def round_up(count: int, multiple: int) -> int:
    """The smallest multiple that holds `count`."""
    return -(-count // multiple) * multiple


@dataclass(frozen=True)
class Layout:
    """The names and shapes of a module's parameters, in order. A row holds them one by one, padded by zeros."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, module: nn.Module) -> Self:
        """The layout of an ordinary module; ValueError if it has nothing to train, or a parameter that is not to be.

        Buffers are no part of a row. ValueError too if the module is more than its parameters (see `modules`).
        """
        if why := unfit(module):
            raise ValueError(f"{type(module).__name__} {why}")
        named = list(module.named_parameters())
        if still := [name for name, value in named if not value.requires_grad]:
            raise ValueError(
                f"{type(module).__name__}.{still[0]} has requires_grad=False, but all parameters are trained: "
                "use parametrisation=frozen, or a buffer"
            )
        if not named:
            raise ValueError(f"{type(module).__name__} has no parameters to train")
        return cls(tuple(name for name, _ in named), tuple(tuple(value.shape) for _, value in named))

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each parameter starts in a row."""
        offsets, end = [], 0
        for shape in self.shapes:
            offsets.append(end)
            end = round_up(end + math.prod(shape), ALIGN)
        return tuple(offsets)

    @cached_property
    def size(self) -> int:
        """The length of a row, padding included: a multiple of 64."""
        return round_up(self.offsets[-1] + math.prod(self.shapes[-1]), ROW)

    @cached_property
    def num_parameters(self) -> int:
        """How many numbers the module has, without the padding."""
        return sum(map(math.prod, self.shapes))

    def places(self) -> Int[Tensor, " parameters"]:
        """Where in a row the parameters are, without the padding."""
        ends = zip(self.shapes, self.offsets, strict=True)
        return torch.cat([torch.arange(start, start + math.prod(shape)) for shape, start in ends])

    def views(self, rows: Shaped[Tensor, "members size"]) -> dict[str, Shaped[Tensor, "members ..."]]:
        """Each parameter of all rows by its name, sharing memory."""
        return {
            name: rows[:, start : start + math.prod(shape)].unflatten(1, shape) if shape else rows[:, start]
            for name, shape, start in zip(self.names, self.shapes, self.offsets, strict=True)
        }

    def view(self, row: Shaped[Tensor, " size"]) -> dict[str, Shaped[Tensor, " ..."]]:
        """Each parameter of one row by its name, sharing memory."""
        return {name: value[0] for name, value in self.views(row.unsqueeze(0)).items()}

    def row(self, module: nn.Module) -> Float[Tensor, " size"]:
        """The parameters of a module as a row of its own dtype."""
        row = torch.zeros(self.size, dtype=next(module.parameters()).dtype)
        for name, value in self.view(row).items():
            value.copy_(module.get_parameter(name).detach())
        return row

    def load(self, module: nn.Module, row: Float[Tensor, " size"]) -> nn.Module:
        """Copy a row into the module, in place; returns it."""
        with torch.no_grad():
            for name, value in self.view(row).items():
                module.get_parameter(name).copy_(value)
        return module

    @property
    def last(self) -> tuple[str, ...]:
        """The names of the parameters of the last layer: the module that the last parameter belongs to."""
        layer = self.names[-1].rpartition(".")[0]
        return tuple(name for name in self.names if name.rpartition(".")[0] == layer)

    def weights(self, *, biases: bool) -> Iterator[tuple[str, slice]]:
        """What pruning may remove: the part of a row of each tensor of 2 or more axes, and of biases if asked."""
        for name, shape, start in zip(self.names, self.shapes, self.offsets, strict=True):
            if biases or len(shape) > 1:
                yield name, slice(start, start + math.prod(shape))


@contextmanager
def own_generator(seed: int) -> Iterator[None]:
    """The global generators of torch's CPU, NumPy and Python are this member's own inside, as they were outside.

    So are torch's default type and device. A generator that the caller makes, as
    `np.random.default_rng`, is out of reach.
    """
    with ALONE, torch.random.fork_rng(devices=[]), torch.device("cpu"):
        before = torch.get_default_dtype(), np.random.get_state(), random.getstate()  # noqa: NPY002 - a module may use it
        torch.default_generator.manual_seed(seed % 2**63)  # torch.manual_seed would seed those of other devices too
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(before[0])
            np.random.set_state(before[1])  # noqa: NPY002
            random.setstate(before[2])


def construct(make: Callable[[], nn.Module], seed: int, dtype: torch.dtype = torch.float32) -> nn.Module:
    """An ordinary module made under generators of its own, on the CPU: the same on every device and in every crowd.

    It is made in float32 and then converted, so that float64 populations start from the same
    weights. It is in training mode, except for what its constructor, or a `train` of its own, holds
    in evaluation mode. BadInput as `refuse_cut` says.
    """
    with own_generator(seed):
        module = make()
        refuse_cut(module, dtype)
        for part in module.modules():
            if type(part).train is not nn.Module.train:  # which a script calls before its loop
                part.train(part.training)
        return module.to(dtype)


def refuse_cut(module: nn.Module, dtype: torch.dtype) -> None:
    """BadInput, with the names, if the module holds numbers that a row of `dtype` would cut."""
    faults = []
    for name, value in module.named_parameters():
        if value.is_complex():
            faults.append((name, value.dtype, "make its real and imaginary parts two parameters"))
        elif not value.is_floating_point():
            faults.append((name, value.dtype, "make it a buffer"))
        elif torch.promote_types(value.dtype, dtype) != dtype:
            faults.append((name, value.dtype, "make it a float32 parameter"))
    for name, value in module.named_buffers():
        if value.is_complex():
            faults.append((name, value.dtype, "make its real and imaginary parts two buffers"))
    if faults:
        told = (f"{type(module).__name__}.{name} is {kind}, which {dtype} cuts: {hint}" for name, kind, hint in faults)
        raise BadInput("; ".join(told).replace("torch.", ""))


def drawn_buffer(module: nn.Module, make_another: Callable[[], nn.Module]) -> str | None:
    """The first buffer, or other tensor that is no parameter, that another seed makes otherwise."""
    constants = dict(_constants(module))
    others = dict(_constants(make_another())) if constants else {}
    return next((name for name, value in constants.items() if not torch.equal(value, others[name])), None)


def _constants(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_buffers()
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            if isinstance(value, Tensor):
                yield f"{path}.{name}" if path else name, value
