"""Annealed Gaussian noise on the gradients of any optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import Nested, NonNegative, Positive, build, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class NoisyGradients:
    """Adds normal noise of variance eta / t^gamma to every gradient of another optimizer; t counts steps from 1.

    Neelakantan, Vilnis, Le, Sutskever, Kaiser, Kurach & Martens 2015, "Adding gradient noise
    improves learning for very deep networks", eq. 1, where eta is one of 0.01, 0.3 and 1 and gamma
    0.55. The noise comes from each network's own counters, so it has the same bits in any company.

    Args:
        of: the optimizer that gets the noisy gradients.
        lr: its learning rate.
        eta: variance of the noise of the first step, in units of the gradient, for each parameter.
        gamma: how fast the variance falls; 0 for never.
        options: what else is set of the optimizer, such as {momentum: 0.5}.
    """

    CACHE_VERSION = 1

    noisy = True

    def __init__(
        self,
        *,
        of: str = "sgd",
        lr: Positive = 0.01,
        eta: NonNegative = 0.01,
        gamma: NonNegative = 0.55,
        options: Nested | None = None,
    ) -> None:
        if "lr" in (options or {}):
            raise ValueError(f"options say lr {(options or {})['lr']!r}: the learning rate is optimizer.lr")
        self.inner = build("optimizer", of, lr=lr, **(options or {}))
        if self.inner.noisy:
            raise ValueError(f"of {of}: draws noise of its own; choose one that does not, such as sgd or adam")
        self.lr, self.eta, self.gamma, self.state = lr, eta, gamma, self.inner.state

    def step(self, theta: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, step: Tensor) -> None:
        """One update in place by the other optimizer, with standard normal numbers in `state["noise"]`."""
        scale = (self.eta / step.to(theta.dtype) ** self.gamma).sqrt()
        self.inner.step(theta, grad + scale * state["noise"], state, lr, step)
