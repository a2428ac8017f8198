"""What Adam and AdamW share: everything but where the weight decay goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from torch import Tensor


class Moments:
    """Steps along the mean of gradients over the root of their second moment, both corrected for starting at zero.

    `fused` is the function of PyTorch that updates a list of tensors in place.
    """

    state = ("exp_avg", "exp_avg_sq")
    fused: ClassVar[Callable[..., Any]]

    def __init__(self, *, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float) -> None:
        if beta1 == 1 or beta2 == 1:
            raise ValueError(f"beta1 {beta1} and beta2 {beta2} must be less than 1")
        self.lr = lr
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps
        self.weight_decay = weight_decay

    def step(self, theta: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, step: Tensor) -> None:
        """One update in place; `step` counts from 1."""
        type(self).fused(
            [theta],
            [grad],
            [state["exp_avg"]],
            [state["exp_avg_sq"]],
            [],
            [step],
            lr=lr,
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=self.weight_decay,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
        )
