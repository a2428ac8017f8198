"""The same networks by PyTorch alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from _peer_cases import NETWORKS, SLICE, Case
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap


class StackedSide:
    """vmap over stacked parameters, as its tutorial does; or torch.compile of that step."""

    def __init__(self, case: Case, *, compiled: bool) -> None:
        modules = [case.module(index) for index in range(NETWORKS)]
        named = [dict(module.named_parameters()) for module in modules]
        self.parameters = {name: torch.stack([p[name].detach() for p in named]) for name in named[0]}
        self.optimizer = torch.optim.Adam(list(self.parameters.values()), lr=case.lr, fused=True)
        self.x, self.y = case.data()
        self.orders, criterion, template = case.orders(SLICE), case.criterion(), modules[0]

        def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            return criterion(functional_call(template, parameters, (x,)), y)

        step = vmap(grad_and_value(loss))
        self.step: Callable[..., Any] = torch.compile(step) if compiled else step
        self(1)

    def __call__(self, steps: int) -> float:
        """All networks through these steps."""
        start = time.perf_counter()
        for step in range(steps):
            batch = self.orders[:, step % SLICE]
            gradients, _ = self.step(self.parameters, self.x[batch], self.y[batch])
            for name, parameter in self.parameters.items():
                parameter.grad = gradients[name]
            self.optimizer.step()
        return (time.perf_counter() - start) / steps / NETWORKS


class LoopSide:
    """One network after the other."""

    def __init__(self, case: Case, *, fused: bool) -> None:
        self.module, self.criterion = case.module(), case.criterion()
        self.optimizer = torch.optim.Adam(self.module.parameters(), lr=case.lr, fused=fused)
        self.x, self.y = case.data()
        self.order = case.orders(SLICE)[0]

    def __call__(self, steps: int) -> float:
        """This many steps of one network: what the others would take is the same."""
        start = time.perf_counter()
        for step in range(steps):
            batch = self.order[step % SLICE]
            self.optimizer.zero_grad()
            self.criterion(self.module(self.x[batch]), self.y[batch]).backward()
            self.optimizer.step()
        return (time.perf_counter() - start) / steps
