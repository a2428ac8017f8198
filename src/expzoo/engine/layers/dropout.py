"""Dropout whose zeros are a function of (the member's seed, step, call), not of torch's global generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from expzoo.system import randomness

if TYPE_CHECKING:
    from jaxtyping import Float

    from expzoo.engine.members.crowd import Call


@dataclass
class Counters:
    """What a step draws by: one seed for each member, and the number of the step."""

    seeds: Sequence[int] = ()
    step: int = 0


@torch.library.custom_op("expzoo::keep", mutates_args=())
def keep(like: Tensor, p: float, call: int) -> Tensor:
    """In a tape a tensor like `like` of zeros, with probability `p`, and of 1 / (1 - p); by itself only ones."""
    return torch.ones(like.shape, dtype=like.dtype, device=like.device)


def keep_calls(counters: Counters, p: float, call: int, *, out: Float[Tensor, "members ..."]) -> list[Call]:
    """Calls that draw what the step of `counters` keeps into `out`."""
    return [partial(_draw, counters, p, call, out)]


def _draw(counters: Counters, p: float, call: int, out: Tensor) -> None:
    count, threshold = out[0].numel(), round(p * 2**32)
    for seed, member in zip(counters.seeds, out, strict=True):
        drawn = randomness.words(seed, "dropout", (counters.step, call), -(-count // 2)).view(np.uint32)[:count]
        kept = torch.from_numpy(drawn >= threshold).view(member.shape)
        member.copy_(kept).mul_(1 / (1 - p) if p < 1 else 0)
