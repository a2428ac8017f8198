# ruff: noqa: FBT001, FBT002 - the signatures are those of torch.nn.functional
"""The layers of torch that drop something at random, computed with numbers that are drawn by counters.

Besides dropout itself these are attention (Vaswani et al. 2017) and stacked recurrent layers, which
torch lets drop by kernels of its own, from a generator that all members would share. What is
computed is torch's: only where the numbers come from is another.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from expzoo.engine.layers.attention import MULTIHEAD, attend, multihead

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

SATURATED = -1.7580993408473766  # what SELU tends to on the left: minus its scale times its alpha


class CountedNoise(TorchFunctionMode, ABC):
    """Inside, what layers drop is a function of how many draws there were before, and of what `draw` goes by."""

    def __init__(self) -> None:
        super().__init__()
        self._calls = 0

    @abstractmethod
    def draw(self, like: Float[Tensor, "*axes"], p: float, call: int) -> Float[Tensor, "*axes"]:
        """A tensor like `like` of zeros, with probability `p`, and of 1 / (1 - p), for the draw with this number."""

    def kept(self, x: Float[Tensor, "*axes"], p: float, *, by_channel: bool = False) -> Float[Tensor, "*axes"]:
        """The next draw for elements of x, or for whole channels of (batch, channels, ...)."""
        self._calls += 1
        like = x[(slice(None), slice(None), *(slice(0, 1),) * (x.dim() - 2))] if by_channel else x
        return self.draw(like.detach(), p, self._calls)

    def instead(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What is computed in place of another function of torch; NotImplemented if it is left to torch."""
        return NotImplemented

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = DROPPING[func](self, *args, **kwargs) if func in DROPPING else NotImplemented
        if result is NotImplemented:
            result = self.instead(func, args, kwargs)
        return func(*args, **kwargs) if result is NotImplemented else result


def dropout(
    noise: CountedNoise,
    x: Float[Tensor, "*axes"],
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    by_channel: bool = False,
) -> Float[Tensor, "*axes"]:
    """As torch.nn.functional.dropout, or dropout1d to dropout3d."""
    if not training or p == 0:
        return x
    dropped = x * noise.kept(x, p, by_channel=by_channel)
    return x.copy_(dropped) if inplace else dropped


def alpha_dropout(
    noise: CountedNoise,
    x: Float[Tensor, "*axes"],
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
    *,
    by_channel: bool = False,
) -> Float[Tensor, "*axes"]:
    """As torch.nn.functional.alpha_dropout or feature_alpha_dropout, of Klambauer et al. (2017), section 3."""
    if not training or p == 0:
        return x
    kept = noise.kept(x, p, by_channel=by_channel)
    scale = 1 / math.sqrt((1 - p) * (1 + p * SATURATED**2)) if p < 1 else 0.0
    dropped = torch.where(kept != 0, x, SATURATED) * scale - SATURATED * scale * p
    return x.copy_(dropped) if inplace else dropped


def attention(
    noise: CountedNoise,
    query: Float[Tensor, "*batch queries width"],
    key: Float[Tensor, "*batch keys width"],
    value: Float[Tensor, "*batch keys values"],
    attn_mask: Float[Tensor, ...] | Bool[Tensor, ...] | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Float[Tensor, "*batch queries values"]:
    """As torch.nn.functional.scaled_dot_product_attention; NotImplemented, if it drops nothing, as it is torch's."""
    if dropout_p == 0:
        return NotImplemented
    return attend(
        query, key, value, attn_mask, is_causal, scale, enable_gqa, lambda weights: dropout(noise, weights, dropout_p)
    )


def multihead_attention(noise: CountedNoise, *args: Any, **kwargs: Any) -> Any:
    """As torch.nn.functional.multi_head_attention_forward; NotImplemented if it drops nothing."""
    given = MULTIHEAD.bind(*args, **kwargs).arguments
    if not given["dropout_p"] or not given.get("training", True):
        return NotImplemented
    with noise:
        return multihead(*args, **kwargs)


def stacked(
    run: Callable[..., tuple[Tensor, ...]],
    noise: CountedNoise,
    x: Any,
    state: Any,
    weights: Any,
    has_biases: Any,
    num_layers: int,
    dropout_p: float,
    training: bool,
    bidirectional: bool,
    batch_first: bool | None = None,
) -> tuple[Tensor, ...]:
    """As `run`, one of torch.gru, lstm, rnn_tanh and rnn_relu, layer by layer; NotImplemented if it drops nothing.

    Sequences packed by length, whose last argument is missing, are left to torch too.
    """
    if batch_first is None or not dropout_p or not training or num_layers < 2:
        return NotImplemented
    states: Sequence[Tensor] = (state,) if isinstance(state, Tensor) else state
    length, ways = len(weights) // num_layers, 1 + bidirectional
    finals = []
    for layer in range(num_layers):
        own = tuple(part[layer * ways : (layer + 1) * ways] for part in states)
        first = own[0] if isinstance(state, Tensor) else own
        several = weights[layer * length : (layer + 1) * length]
        x = dropout(noise, x, dropout_p) if layer else x
        with noise:
            x, *last = run(x, first, several, has_biases, 1, 0.0, training, bidirectional, batch_first)
        finals.append(last)
    return x, *(torch.cat(parts) for parts in zip(*finals, strict=True))


DROPPING: dict[Any, Any] = {
    functional.dropout: dropout,
    functional.dropout1d: partial(dropout, by_channel=True),
    functional.dropout2d: partial(dropout, by_channel=True),
    functional.dropout3d: partial(dropout, by_channel=True),
    functional.alpha_dropout: alpha_dropout,
    functional.feature_alpha_dropout: partial(alpha_dropout, by_channel=True),
    functional.scaled_dot_product_attention: attention,
    functional.multi_head_attention_forward: multihead_attention,
    **{run: partial(stacked, run) for run in (torch.gru, torch.lstm, torch.rnn_relu, torch.rnn_tanh)},
}
