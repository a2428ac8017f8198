"""A learning rate that drops at given steps."""

from __future__ import annotations

from expzoo.plugin import Fraction, Natural, register


@register
class Step:
    """Multiplies the learning rate by `gamma` at each milestone, as `torch.optim.lr_scheduler.MultiStepLR`.

    Args:
        milestones: the steps at which it drops, increasing.
        gamma: the factor of each drop.
    """

    CACHE_VERSION = 1

    def __init__(self, *, milestones: tuple[Natural, ...] = (1000,), gamma: Fraction = 0.1) -> None:
        if list(milestones) != sorted(set(milestones)):
            raise ValueError(f"milestones {list(milestones)} must increase")
        self.milestones, self.gamma = milestones, gamma

    def factor(self, step: int, steps: int) -> float:
        """The factor of step 0..steps-1."""
        return self.gamma ** sum(step >= milestone for milestone in self.milestones)
