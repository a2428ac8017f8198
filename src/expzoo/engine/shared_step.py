"""One network by plain PyTorch kernels under one of Lightning's own strategies: its batch is split over processes.

With ddp each process holds the network's row, and its parameters are views of it, so that
optimizers, masks and constraints are those of a population; with fsdp each holds a part (see
`sharded`). Equal to a population within rounding: sums over a batch are taken in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from expzoo.engine.lightning import PopulationModule
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

    from expzoo.engine.session import Session
    from expzoo.spec.contracts import Loss

SAME = 1e-3  # relative: beyond, the loss of a batch is not the mean of its parts' losses


class SharedStep:
    """Loss and gradient of one network, each process on its part of the batch: what a tape is to a population."""

    num_bytes = 0
    is_interleaved = False

    def __init__(
        self,
        loss: Loss,
        rank: int,
        processes: int,
        module: nn.Module,
        x: Shaped[Tensor, "1 batch ..."],
        y: Shaped[Tensor, "1 batch ..."],
        prepare: Callable[[], None],
    ) -> None:
        """The batch `x`, `y` is memory of a program; `prepare` makes gradients ready to be added to."""
        self.module = module
        self.loss = loss
        self.x = x[0]
        self.y = y[0]
        self.prepare = prepare
        self.part, self.processes = slice(rank, None, processes), processes
        self.outputs = [torch.zeros(1, dtype=next(module.parameters()).dtype, device=x.device)]
        self.backward: Callable[[Tensor], None] = Tensor.backward
        self.unused: list[nn.Parameter] = []  # by the loss, but given a gradient of zero with it
        self._is_checked = False

    def run(self, step: int = 0, seeds: Sequence[int] | None = None) -> None:
        """One forward and backward on the batch that was loaded; Lightning's strategy averages the gradients."""
        if not self._is_checked:
            self._check()
        self.prepare()
        loss = self.loss(self.module(self.x[self.part]), self.y[self.part])
        self.backward(sum((parameter.flatten()[:0].sum() for parameter in self.unused), loss))
        mean = loss.detach().clone()
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(mean)
            mean /= self.processes
        self.outputs[0].fill_(mean)

    def unreached(self) -> list[nn.Parameter]:
        """The parameters on which the loss of this process's part of the batch does not depend."""
        parameters = list(self.module.parameters())
        loss = self.loss(self.module(self.x[self.part]), self.y[self.part])
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        return [one for one, gradient in zip(parameters, gradients, strict=True) if gradient is None]

    @torch.no_grad()
    def _check(self) -> None:
        """BadInput if a batch is more than the sum of its parts: then processes cannot share it."""
        if len(self.x) % self.processes:
            raise BadInput(
                f"dataset.batch_size={len(self.x)} cannot be shared by {self.processes} processes: choose a multiple"
            )
        whole = self.loss(self.module(self.x), self.y)
        parts = [slice(rank, None, self.processes) for rank in range(self.processes)]
        mean = torch.stack([self.loss(self.module(self.x[part]), self.y[part]) for part in parts]).mean()
        if whole.isfinite() and abs(whole - mean) > SAME * max(abs(whole), SAME):
            raise BadInput(
                f"trainer: the loss of {type(self.module).__name__} on a batch is {float(whole):g}, the mean over its "
                f"{self.processes} parts {float(mean):g}: a network with batch normalisation or dropout, or a loss "
                "that is no mean over examples, cannot be shared; use trainer=auto or trainer=population"
            )
        self._is_checked = True


def step_on_rows(
    make: Callable[..., SharedStep],
    module: nn.Module,
    parameters: Mapping[str, Float[Tensor, "1 ..."]],
    gradients: Mapping[str, Float[Tensor, "1 ..."]],
    x: Shaped[Tensor, "1 batch ..."],
    y: Shaped[Tensor, "1 batch ..."],
) -> SharedStep:
    """A step whose parameters and gradients are views of a program's rows.

    DDP waits for a gradient of every parameter, so those that the loss does not reach get one of zero, as in a
    population: weight decay shrinks them, where an ordinary loop, whose optimizer skips them, leaves them alone.
    """
    pairs = [(parameter, gradients[name][0]) for name, parameter in module.named_parameters()]
    for name, parameter in module.named_parameters():
        parameter.data = parameters[name][0]

    def prepare() -> None:
        for parameter, gradient in pairs:
            parameter.grad = gradient.zero_()  # which Lightning takes away when it begins

    step = make(module, x, y, prepare)
    step.unused = step.unreached()
    return step


class SoloModule(PopulationModule):
    """A session of one network whose parameters Lightning's strategy knows."""

    def __init__(self, session: Session, network: nn.Module, *, sharded: bool) -> None:
        super().__init__(session)
        self.network, self.sharded = network, sharded

    def configure_model(self) -> None:
        """Cut the parameters over the processes, if that is the strategy; called once by Lightning."""
        if self.sharded:
            from torch.distributed.fsdp import fully_shard

            assert self.device_mesh is not None
            fully_shard(self.network, mesh=self.device_mesh["data_parallel"])
