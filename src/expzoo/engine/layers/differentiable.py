# ruff: noqa: FBT001, FBT002 - the signatures are those of torch.nn.functional
"""Layers that `torch.func` can batch and differentiate to any order and in both modes, where torch's own it cannot.

torch.gru, lstm and rnn have no batching rule and no forward mode, attention and weight normalisation
no forward mode, pooling no batching rule of its second derivative, and a convolution over rows of
weights becomes a grouped one. Recurrence is unrolled here, a pool is a largest element of windows,
and a convolution is a product of unfolded columns. What trains populations is another set,
`functions`, which is quicker and differentiable once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from expzoo.engine.layers.attention import attend, multihead
from expzoo.engine.layers.convolution import convolve, each
from expzoo.engine.layers.pooling import avg_pool
from expzoo.engine.layers.recurrent import of_each_direction

if TYPE_CHECKING:
    from jaxtyping import Float

State = tuple[Tensor, ...]
Cell = Callable[[Tensor, Tensor, State], State]


def _gru_cell(x: Tensor, h: Tensor, state: State) -> State:
    """One step of `torch.nn.GRUCell`, of the gates that come of the input and of the state."""
    (x_r, x_z, x_n), (h_r, h_z, h_n) = x.chunk(3, -1), h.chunk(3, -1)
    new = (x_n + (x_r + h_r).sigmoid() * h_n).tanh()
    return (new + (x_z + h_z).sigmoid() * (state[0] - new),)


def _lstm_cell(x: Tensor, h: Tensor, state: State) -> State:
    """One step of `torch.nn.LSTMCell`: the next output and cell state."""
    entered, kept, new, shown = (x + h).chunk(4, -1)
    cell = kept.sigmoid() * state[1] + entered.sigmoid() * new.tanh()
    return shown.sigmoid() * cell.tanh(), cell


def _tanh_cell(x: Tensor, h: Tensor, state: State) -> State:
    return ((x + h).tanh(),)


def _relu_cell(x: Tensor, h: Tensor, state: State) -> State:
    return ((x + h).relu(),)


def _unrolled(
    cell: Cell, steps: Sequence[Tensor], state: State, weights: Sequence[Tensor]
) -> tuple[list[Tensor], State]:
    """The output of each step (batch, hidden), in the order of `steps`, and the last state."""
    w_ih, w_hh, b_ih, b_hh = weights
    outputs = []
    for x in steps:
        state = cell(functional.linear(x, w_ih, b_ih), functional.linear(state[0], w_hh, b_hh), state)
        outputs.append(state[0])
    return outputs, state


def recurrent(
    cell: Cell,
    x: Float[Tensor, "batch steps inputs"] | Float[Tensor, "steps batch inputs"],
    state: Float[Tensor, "layers batch hidden"] | Sequence[Float[Tensor, "layers batch hidden"]],
    weights: Sequence[Float[Tensor, "gates ..."]],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    training: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """What torch.gru, lstm, rnn_tanh and rnn_relu compute; NotImplemented, as for packed sequences, if left to them."""
    directions = 1 + bidirectional
    plain = isinstance(weights, list | tuple) and len(weights) == (4 if has_biases else 2) * num_layers * directions
    if not plain or (dropout and training):
        return NotImplemented
    first = (state,) if isinstance(state, Tensor) else tuple(state)
    own, finals = of_each_direction(weights, has_biases), []
    steps = list((x.transpose(0, 1) if batch_first else x).unbind(0))
    for _ in range(num_layers):
        found = []
        for turn in (1, -1)[:directions]:
            start = tuple(part[len(finals)] for part in first)
            outputs, last = _unrolled(cell, steps[::turn], start, next(own))
            found.append(outputs[::turn])
            finals.append(last)
        steps = [torch.cat(both, -1) for both in zip(*found, strict=True)]
    return torch.stack(steps, int(batch_first)), *(torch.stack(parts) for parts in zip(*finals, strict=True))


def _windows(images: Tensor, axis: int, size: int, step: int, apart: int) -> Tensor:
    """The windows along an axis; their elements are one more axis, the last."""
    starts = torch.arange(0, images.shape[axis] - apart * (size - 1), step)
    indices = starts.unsqueeze(1) + apart * torch.arange(size)
    chosen = images.index_select(axis, indices.flatten().to(images.device))
    return chosen.unflatten(axis, indices.shape).movedim(axis + 1, -1)


def max_pool(
    axes: int,
    images: Float[Tensor, "batch channels *image"] | Float[Tensor, " channels *image"],
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Float[Tensor, "batch channels *windows"] | Float[Tensor, " channels *windows"]:
    """What max_pool1d, max_pool2d and max_pool3d compute; NotImplemented if left to torch."""
    if ceil_mode or return_indices:
        return NotImplemented
    kernel, before = each(kernel_size, axes), each(padding, axes)
    if any(before):
        images = functional.pad(images, [size for size in before[::-1] for _ in range(2)], value=-torch.inf)
    first = images.dim() - axes
    for axis, geometry in enumerate(zip(kernel, each(stride or kernel, axes), each(dilation, axes), strict=True)):
        images = _windows(images, first + axis, *geometry)
    return images.flatten(-axes).max(-1).values


def attention(
    query: Float[Tensor, "*batch queries width"],
    key: Float[Tensor, "*batch keys width"],
    value: Float[Tensor, "*batch keys values"],
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Float[Tensor, "*batch queries values"]:
    """As torch.nn.functional.scaled_dot_product_attention; NotImplemented, so torch's own, if it drops something."""
    return NotImplemented if dropout_p else attend(query, key, value, attn_mask, is_causal, scale, enable_gqa)


def weight_norm(v: Float[Tensor, "*axes"], g: Float[Tensor, "*axes"], dim: int = 0) -> Float[Tensor, "*axes"]:
    """As torch._weight_norm: v with lengths g, along `dim` or, if that is -1, as a whole."""
    axes = [axis for axis in range(v.dim()) if dim == -1 or axis != dim % v.dim()]
    return v * (g / (v.square().sum(axes, keepdim=True) if axes else v.square()).sqrt())


REPLACED: dict[Any, Any] = {
    functional.scaled_dot_product_attention: attention,
    torch._weight_norm: weight_norm,
    torch.conv1d: convolve,
    torch.conv2d: convolve,
    torch.conv3d: convolve,
    torch.gru: partial(recurrent, _gru_cell),
    torch.lstm: partial(recurrent, _lstm_cell),
    torch.rnn_relu: partial(recurrent, _relu_cell),
    torch.rnn_tanh: partial(recurrent, _tanh_cell),
    functional.max_pool1d: partial(max_pool, 1),
    functional.max_pool2d: partial(max_pool, 2),
    functional.max_pool3d: partial(max_pool, 3),
    torch.avg_pool1d: partial(avg_pool, 1),
    functional.avg_pool2d: partial(avg_pool, 2),
    functional.avg_pool3d: partial(avg_pool, 3),
}


class DifferentiableFunctions(TorchFunctionMode):
    """Inside, torch's functions are those that can be batched and differentiated again and again."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.multi_head_attention_forward:
            with self:
                return multihead(*args, **kwargs)
        result = REPLACED[func](*args, **kwargs) if func in REPLACED else NotImplemented
        return func(*args, **kwargs) if result is NotImplemented else result
