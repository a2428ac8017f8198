"""Batches that grow during training."""

from __future__ import annotations

from expzoo.plugin import Count, Fraction, Natural, register


@register
class BatchGrowth:
    """Multiplies the batch size by `factor` at each milestone, where others divide the learning rate.

    Smith, Kindermans, Ying & Le 2018, "Don't decay the learning rate, increase the batch size". A
    step takes the mean over `start`, then over `start` times `factor`, ... batches of the dataset's
    size. Beyond `most` of them the learning rate is divided instead (section 5 there). Milestones
    are steps of the optimizer, which see more examples each as batches grow.

    Args:
        milestones: the steps at which batches grow, increasing.
        fractions: the same as fractions of all steps, instead of milestones.
        factor: of each growth.
        start: how many batches of the dataset's size the first steps take the mean over.
        most: how many at most; null for no bound.
    """

    CACHE_VERSION = 1

    def __init__(
        self,
        *,
        milestones: tuple[Natural, ...] = (1000,),
        fractions: tuple[Fraction, ...] = (),
        factor: Count = 5,
        start: Count = 1,
        most: Count | None = None,
    ) -> None:
        for name, values in {"milestones": milestones, "fractions": fractions}.items():
            if list(values) != sorted(set(values)):
                raise ValueError(f"{name} {list(values)} must increase")
        if most is not None and most < start:
            raise ValueError(f"most {most} must be at least start, which is {start}")
        self.milestones, self.fractions = milestones, fractions
        self.growth, self.start, self.most = factor, start, most

    def _growths(self, step: int, steps: int) -> int:
        """How many milestones lie behind."""
        at = [max(1, round(steps * part)) for part in self.fractions] or self.milestones
        return sum(step >= milestone for milestone in at)

    def batches(self, step: int, steps: int) -> int:
        """How many batches step 0..steps takes the mean over."""
        wanted = self.start * self.growth ** self._growths(step, steps)
        return wanted if self.most is None else min(wanted, self.most)

    def factor(self, step: int, steps: int) -> float:
        """The factor of the learning rate at step 0..steps-1: 1 until batches cannot grow any more."""
        return self.batches(step, steps) / (self.start * self.growth ** self._growths(step, steps))
