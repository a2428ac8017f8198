# ruff: noqa: FBT001, FBT002 - the signatures are those of torch.nn.functional
"""Which of torch's functions are computed in another way when a module is adopted."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from expzoo.engine.layers.dropout import dropout
from expzoo.engine.layers.image_convolution import convolve
from expzoo.engine.layers.normalisation import batch_norm, group_norm, instance_norm, layer_norm
from expzoo.engine.layers.pooling import avg_pool, max_pool
from expzoo.engine.layers.recurrent import gru


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
BY_ELEMENT = functional.dropout
BY_CHANNEL = (functional.dropout1d, functional.dropout2d, functional.dropout3d)


class CrowdFunctions(TorchFunctionMode):
    """Inside, torch's functions are those that a crowd can run; calls of dropout are counted."""

    def __init__(self) -> None:
        super().__init__()
        self._calls = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is BY_ELEMENT or func in BY_CHANNEL:
            return self._dropout(*args, **kwargs, by_channel=func is not BY_ELEMENT)
        result = REPLACED[func](*args, **kwargs) if func in REPLACED else NotImplemented
        return func(*args, **kwargs) if result is NotImplemented else result

    def _dropout(
        self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, by_channel: bool
    ) -> Tensor:
        if not training or p == 0:
            return x
        self._calls += 1
        dropped = dropout(x, p, call=self._calls, by_channel=by_channel)
        return x.copy_(dropped) if inplace else dropped
