"""A learning rate that drops at given steps."""

from __future__ import annotations

from expzoo.plugin import Fraction, Natural, register


@register
class Step:
    """Multiplies the learning rate by `gamma` at each milestone, as `torch.optim.lr_scheduler.MultiStepLR`.

    Args:
        milestones: the steps at which it drops, increasing.
        fractions: the same as fractions of all steps, instead of milestones.
        gamma: the factor of each drop.
    """

    CACHE_VERSION = 1

    ADDED = ("fractions",)

    def __init__(
        self, *, milestones: tuple[Natural, ...] = (1000,), fractions: tuple[Fraction, ...] = (), gamma: Fraction = 0.1
    ) -> None:
        for name, values in {"milestones": milestones, "fractions": fractions}.items():
            if list(values) != sorted(set(values)):
                raise ValueError(f"{name} {list(values)} must increase")
        self.milestones, self.fractions, self.gamma = milestones, fractions, gamma

    def factor(self, step: int, steps: int) -> float:
        """The factor of step 0..steps-1."""
        drops = [max(1, round(steps * part)) for part in self.fractions] or self.milestones
        return self.gamma ** sum(step >= drop for drop in drops)
