# ruff: noqa: FBT001 - the signature is that of torch.nn.functional
"""Attention (Vaswani et al. 2017) in plain operations, where torch has kernels that are one piece."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


def attend(
    query: Float[Tensor, "*batch queries width"],
    key: Float[Tensor, "*batch keys width"],
    value: Float[Tensor, "*batch keys values"],
    attn_mask: Float[Tensor, ...] | Bool[Tensor, ...] | None,
    is_causal: bool,
    scale: float | None,
    enable_gqa: bool,
    drop: Callable[[Tensor], Tensor] = lambda weights: weights,
) -> Float[Tensor, "*batch queries values"]:
    """As torch.nn.functional.scaled_dot_product_attention, with weights as `drop` leaves them.

    A query that sees no key has weights of zero.
    """
    if enable_gqa:
        key, value = (part.repeat_interleave(query.shape[-3] // part.shape[-3], -3) for part in (key, value))
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is None:
        return drop(scores.softmax(-1)) @ value
    scores = torch.where(attn_mask, scores, -torch.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    sees_nothing = (scores == -torch.inf).all(-1, keepdim=True)
    weights = torch.where(sees_nothing, 0.0, torch.where(sees_nothing, 0.0, scores).softmax(-1))
    return drop(weights) @ value


def _without_overrides(function: FunctionType) -> FunctionType:
    """A function of torch.nn.functional whose body runs as it is written, so that what it calls is seen one by one."""
    blind = {name: lambda *_: False for name in function.__globals__ if name.startswith("has_torch_function")}
    copied = FunctionType(function.__code__, function.__globals__ | blind, function.__name__, function.__defaults__)
    copied.__kwdefaults__ = function.__kwdefaults__
    return copied


multihead = _without_overrides(functional.multi_head_attention_forward)
MULTIHEAD = inspect.signature(functional.multi_head_attention_forward)
