"""Large networks, one after the other by torch's own kernels: what a tape is to a population of small ones.

A network whose every operation fills the processor gains nothing from company, and unfolded or
repeated work costs it. Parameters are views of a row, so optimizers, masks and constraints are
those of a population; and since members never meet in one call, a member's bits cannot depend on
the crowd. Which path a network takes follows from its spec alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from expzoo.engine.layers.dropout import Counters, keep_calls
from expzoo.engine.layers.noise import CountedNoise
from expzoo.engine.tape.trace import objective, try_once
from expzoo.system import machine

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

    from expzoo.spec.contracts import Dataset, Stream

LARGE = 10**9  # multiplications in the forward pass of one batch from which a network is trained by itself (LOG.md)


def is_large(module: nn.Module, dataset: Dataset | Stream, seed: int) -> bool:
    """Whether a network is trained by itself on batches of this dataset; `seed` is any member's."""
    return is_much(multiplications(module, dataset, seed) * dataset.batch_size)


def is_much(multiplications: float) -> bool:
    """Whether a network is trained by itself whose forward pass of one batch takes so many."""
    return multiplications >= LARGE


def multiplications(module: nn.Module, dataset: Dataset | Stream, seed: int) -> float:
    """How many a forward pass takes for one example of the member with this seed. The module is left as it is."""
    dtype = next(module.parameters()).dtype
    x = torch.tensor(dataset.split("train", seed).x[:2])
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        copy.deepcopy(module).eval()(x.to(dtype) if x.is_floating_point() else x)
    return counter.get_total_flops() / 2 / len(x)


class Loop:
    """Loss and gradient of each member in turn. `outputs[-1]` (members,) holds the losses after `run`."""

    num_bytes = 0
    is_interleaved = False

    def __init__(
        self,
        module: nn.Module,
        loss: Callable[[Tensor, Tensor], Tensor],
        parameters: Mapping[str, Float[Tensor, "members ..."]],
        gradients: Mapping[str, Float[Tensor, "members ..."]],
        x: Shaped[Tensor, "members batch ..."],
        y: Shaped[Tensor, "members batch ..."],
    ) -> None:
        """The `parameters`, `gradients` and batches are a program's memory.

        Unadoptable, naming the operation, if the forward draws random numbers or keeps something in buffers.
        """
        machine.keep_freed_memory()
        of = objective(module.to(x.device), loss)
        try_once(of, x[0], y[0])
        self.module = of.module
        self.loss = of.loss
        self.x = x
        self.y = y
        self.images = x.dim() == 5
        self.members = [
            [(p, parameters[name][index], gradients[name][index]) for name, p in self.module.named_parameters()]
            for index in range(len(x))
        ]
        self.outputs = [torch.zeros(len(x), dtype=next(iter(parameters.values())).dtype, device=x.device)]

    def run(self, step: int = 0, seeds: Sequence[int] | None = None) -> None:
        """One forward and backward of every member on the batch that was loaded for it."""
        for index, parts in enumerate(self.members):
            for parameter, value, gradient in parts:
                parameter.data, parameter.grad = value, gradient.zero_()
            x = self.x[index]
            x = x.contiguous(memory_format=torch.channels_last) if self.images else x
            try:
                with _Counted(Counters([0 if seeds is None else seeds[index]], step)):
                    loss = self.loss(self.module(x), self.y[index])
                loss.backward()
                self.outputs[0][index] = loss.detach()
            except torch.linalg.LinAlgError:  # of a singular matrix: this member alone diverges
                self.outputs[0][index] = torch.nan


class _Counted(CountedNoise):
    """Inside, what layers drop is drawn as it is for a member of a population."""

    def __init__(self, counters: Counters) -> None:
        super().__init__()
        self._counters = counters

    def draw(self, like: Float[Tensor, "*axes"], p: float, call: int) -> Float[Tensor, "*axes"]:
        """The numbers of this step."""
        kept = like.new_empty(1, *like.shape)
        for fill in keep_calls(self._counters, p, call, out=kept):
            fill()
        return kept[0]
