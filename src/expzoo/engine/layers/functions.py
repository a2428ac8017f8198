"""Which of torch's functions are computed in another way when a module is adopted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from expzoo.engine.layers.dropout import keep
from expzoo.engine.layers.image_convolution import convolve
from expzoo.engine.layers.noise import CountedNoise
from expzoo.engine.layers.normalisation import batch_norm, group_norm, instance_norm, layer_norm
from expzoo.engine.layers.pooling import avg_pool, max_pool
from expzoo.engine.layers.recurrent import gru

if TYPE_CHECKING:
    from jaxtyping import Float


def lstm(*args: Any) -> Any:
    """As torch.lstm, in plain operations and not in one of oneDNN, which would be run member by member."""
    onednn: Any = torch.backends.mkldnn
    before, onednn.enabled = onednn.enabled, False
    try:
        return torch.lstm(*args)
    finally:
        onednn.enabled = before


# Each replacement computes the same for one network, and faster for many; what it does not know it leaves to torch.
REPLACED: dict[Any, Any] = {
    torch.conv1d: convolve,
    torch.conv2d: convolve,
    torch.conv3d: convolve,
    torch.gru: gru,
    torch.lstm: lstm,
    functional.max_pool1d: partial(max_pool, 1),
    functional.max_pool2d: partial(max_pool, 2),
    functional.max_pool3d: partial(max_pool, 3),
    torch.avg_pool1d: partial(avg_pool, 1),
    functional.avg_pool2d: partial(avg_pool, 2),
    functional.avg_pool3d: partial(avg_pool, 3),
    functional.batch_norm: batch_norm,
    functional.group_norm: group_norm,
    functional.instance_norm: instance_norm,
    functional.layer_norm: layer_norm,
}


class CrowdFunctions(CountedNoise):
    """Inside, torch's functions are those that a crowd can run."""

    def draw(self, like: Float[Tensor, "*axes"], p: float, call: int) -> Float[Tensor, "*axes"]:
        """What a tape draws for each member when it runs."""
        return keep(like, p, call)

    def instead(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The replacement of a function, if there is one."""
        return REPLACED[func](*args, **kwargs) if func in REPLACED else NotImplemented
