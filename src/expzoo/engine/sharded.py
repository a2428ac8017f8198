"""One network whose parameters, gradients and optimizer state are cut over processes (FSDP): a program of one member.

Between two steps no process holds more than its part of them; a whole row is gathered only when somebody looks at it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from expzoo.engine.program import Member, Row, Step
from expzoo.spec.layout import Layout

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

    from expzoo.engine.feed import Feed

Parts = dict[str, dict[str, Tensor]]


class ShardedProgram:
    """What a session advances. The module may be sharded after this is made; until then its parameters are whole."""

    def __init__(
        self,
        module: nn.Module,
        member: Member,
        feed: Feed,
        share: Callable[
            [nn.Module, Shaped[Tensor, "1 batch ..."], Shaped[Tensor, "1 batch ..."], Callable[[], None]], Step
        ],
        *,
        total: int,
        device: torch.device,
    ) -> None:
        """`share(module, x, y, prepare)` makes the step on the static batch x, y."""
        self.module = module
        self.member = member
        self.feed = feed
        self.total = total
        self.device = device
        self.layout = Layout.of(module)
        self.layout.load(module, member.row.theta)
        (x_shape, y_shape), (x_type, y_type) = feed.shapes(), feed.types()
        self.x = torch.zeros((1, *x_shape), dtype=x_type, device=device)
        self.y = torch.zeros((1, *y_shape), dtype=y_type, device=device)
        self.tape: Step = share(module, self.x, self.y, lambda: module.zero_grad(set_to_none=True))
        self.state: Parts = {}

    @property
    def theta(self) -> Float[Tensor, "1 size"]:
        """The whole row, gathered; every process has to ask for it at the same time."""
        return self._gathered({name: value.detach() for name, value in self.module.named_parameters()}).unsqueeze(0)

    def _gathered(self, parts: dict[str, Tensor]) -> Tensor:
        row = torch.zeros(self.layout.size, dtype=self.member.row.theta.dtype, device=self.device)
        for name, target in self.layout.view(row).items():
            part = parts[name]
            target.copy_(part.full_tensor() if isinstance(part, DTensor) else part)
        return row

    def advance(self, start: int, stop: int) -> Float[Tensor, "1 steps"]:
        """Run optimizer steps start..stop-1; the batch losses, each before its update."""
        losses = torch.empty(1, stop - start, dtype=self.member.row.theta.dtype, device=self.device)
        self.feed.prepare(start, stop)
        for step in range(start, stop):
            self.feed.load(step, self.x, self.y)
            self.tape.run(step, [])
            losses[:, step - start] = self.tape.outputs[-1]
            self._update(step)
        return losses

    def look(self, step: int) -> Float[Tensor, " 1"]:
        """The batch loss of the row as it is, on the batch of this step."""
        self.feed.prepare(step, step + 1)
        self.feed.load(step, self.x, self.y)
        self.tape.run(step, [])
        return self.tape.outputs[-1].clone()

    @torch.no_grad()
    def _update(self, step: int) -> None:
        if not self.state:
            self._place_state()
        optimizer, count = self.member.optimizer, torch.full((), step + 1.0, device=self.device)
        rate = optimizer.lr * self.member.schedule.factor(step, self.total)
        for name, parameter in self.module.named_parameters():
            weights = _own(parameter)
            if weights.numel() == 0:  # there are more processes than rows of this tensor
                continue
            given = torch.zeros_like(weights) if parameter.grad is None else _own(parameter.grad)  # None: it is unused
            gradient = given.reshape(1, -1)
            state = {key: value.view(1, -1) for key, value in self.state[name].items()}
            mask = state.pop("mask", None)
            optimizer.step(weights.view(1, -1), gradient if mask is None else gradient * mask, state, rate, count)

    def _place_state(self) -> None:
        """Each process's part of the optimizer's state, and of the mask if there is one."""
        if not any(isinstance(parameter, DTensor) for parameter in self.module.parameters()):
            raise RuntimeError("Lightning's strategy has not cut the parameters over the processes")
        row = self.member.row
        rows = {name: row.state.get(name, torch.zeros_like(row.theta)) for name in self.member.optimizer.state}
        if self.member.mask is not None:
            rows["mask"] = self.member.mask.to(row.theta)
        views = {key: self.layout.view(value.to(self.device)) for key, value in rows.items()}
        for name, parameter in self.module.named_parameters():
            self.state[name] = {key: _part_like(parameter, view[name]) for key, view in views.items()}

    def weights(self, index: int, row: Float[Tensor, " size"]) -> Float[Tensor, " size"]:
        """What is evaluated where `row` is trained: the same."""
        return row

    def snapshot(self) -> tuple[list[Tensor], Parts]:
        """A copy of this process's part."""
        parts = [_own(parameter).clone() for parameter in self.module.parameters()]
        return parts, {n: {key: value.clone() for key, value in own.items()} for n, own in self.state.items()}

    @torch.no_grad()
    def restore(self, snapshot: tuple[list[Tensor], Parts]) -> None:
        """Go back to a snapshot."""
        parts, self.state = snapshot[0], {n: {k: v.clone() for k, v in own.items()} for n, own in snapshot[1].items()}
        for parameter, part in zip(self.module.parameters(), parts, strict=True):
            _own(parameter).copy_(part)

    def row(self, index: int) -> Row:
        """The whole state, gathered, on the CPU."""
        state = {}
        for key in self.member.optimizer.state if self.state else ():
            whole = {n: _like(p, self.state[n][key]) for n, p in self.module.named_parameters()}
            state[key] = self._gathered(whole).cpu()
        return Row(self.theta[0].cpu(), state)


def _own(tensor: Tensor) -> Tensor:
    """This process's part of a tensor."""
    data = tensor.detach()
    return data.to_local() if isinstance(data, DTensor) else data


def _part_like(parameter: Tensor, whole: Tensor) -> Tensor:
    """This process's part of a whole tensor that is cut as a parameter is."""
    if not isinstance(parameter, DTensor):
        return whole.clone()
    return distribute_tensor(whole.contiguous(), parameter.device_mesh, parameter.placements).to_local().clone()


def _like(parameter: Tensor, part: Tensor) -> Tensor:
    """The tensor whose parts the processes hold, cut as a parameter is."""
    if not isinstance(parameter, DTensor):
        return part
    return DTensor.from_local(
        part, parameter.device_mesh, parameter.placements, shape=parameter.shape, stride=parameter.stride()
    )
