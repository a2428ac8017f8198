# ruff: noqa: FBT001 - the signature is that of torch.gru
"""The gated recurrent unit of Cho et al. (2014), as torch.gru computes it, step by step on static memory.

The examples of a batch lie innermost. The gates are called reset, update and new, and lie in that order in the weights:
    r = sigmoid(x_r + h_r)    z = sigmoid(x_z + h_z)    n = tanh(x_n + r h_n)    next h = n + z (h - n)
with h_* = weight h + bias. What comes of the inputs, x_*, is found beforehand for all steps at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from expzoo.engine.members.crowd import KERNELS, Call, Unadoptable, join_members, run
from expzoo.engine.members.memory import empty_crowd
from expzoo.engine.members.products import product

if TYPE_CHECKING:
    from jaxtyping import Float

aten = torch.ops.aten


def _thirds(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Three equal parts of axis 1."""
    first, second, third = rows.chunk(3, 1)
    return first, second, third


def forward_calls(
    gates: Float[Tensor, "members steps 3*hidden batch"],
    hidden: Float[Tensor, "members hidden batch"],
    weight: Float[Tensor, "members 3*hidden hidden"],
    bias: Float[Tensor, "members 3*hidden"],
    order: Sequence[int],
    *,
    out: tuple[Float[Tensor, "members steps hidden batch"], Float[Tensor, "members steps 4*hidden batch"]],
) -> list[Call]:
    """See `gru_forward`."""
    states, kept = out
    size, calls, before = hidden.shape[1], [], hidden
    for step in order:
        x_n, x_rz = gates[:, step].split([size, 2 * size], 1)
        ours, n = kept[:, step].split([3 * size, size], 1)
        (r, z, h_n), rz = _thirds(ours), ours[:, : 2 * size]
        calls += [
            *product(weight, before, ours, bias.unsqueeze(2)),
            partial(rz.add_, x_rz),
            rz.sigmoid_,
            partial(torch.addcmul, x_n, r, h_n, out=n),
            n.tanh_,
            partial(torch.lerp, n, before, z, out=states[:, step]),
        ]
        before = states[:, step]
    return calls


def backward_calls(
    grad: Float[Tensor, "members steps hidden batch"],
    states: Float[Tensor, "members steps hidden batch"],
    kept: Float[Tensor, "members steps 4*hidden batch"],
    hidden: Float[Tensor, "members hidden batch"],
    weight: Float[Tensor, "members 3*hidden hidden"],
    order: Sequence[int],
    *,
    out: tuple[
        Float[Tensor, "members steps 4*hidden batch"],
        Float[Tensor, "members hidden batch"],
        Float[Tensor, "members 3*hidden hidden"],
    ],
) -> list[Call]:
    """See `gru_backward`."""
    changes, d_hidden, d_weight = out
    size = hidden.shape[1]
    carried, new, other = (empty_crowd(hidden[0], len(hidden)) for _ in range(3))
    calls: list[Call] = [d_hidden.zero_]
    for step, earlier in [*pairwise(order[::-1]), (order[0], None)]:
        before = hidden if earlier is None else states[:, earlier]
        r, z, h_n, n = kept[:, step].chunk(4, 1)
        d_xn, d_r, d_z, d_hn = changes[:, step].chunk(4, 1)
        calls += [
            partial(d_hidden.add_, grad[:, step]),
            partial(torch.mul, d_hidden, z, out=carried),
            partial(torch.sub, d_hidden, carried, out=new),
            partial(aten.tanh_backward.grad_input, new, n, grad_input=d_xn),
            partial(torch.sub, before, n, out=other),
            partial(other.mul_, d_hidden),
            partial(aten.sigmoid_backward.grad_input, other, z, grad_input=d_z),
            partial(torch.mul, d_xn, h_n, out=other),
            partial(aten.sigmoid_backward.grad_input, other, r, grad_input=d_r),
            partial(torch.mul, d_xn, r, out=d_hn),
            *product(weight.mT, changes[:, step, size:], d_hidden),
            partial(d_hidden.add_, carried),
        ]
    return calls + _weight_calls(changes[:, :, size:], states, hidden, order, d_weight)


def _weight_calls(changes: Tensor, states: Tensor, hidden: Tensor, order: Sequence[int], out: Tensor) -> list[Call]:
    """The gradient of the weight, a sum over steps of products with the state before each."""
    later, earlier = (slice(1, None), slice(None, -1)) if order[0] == 0 else (slice(None, -1), slice(1, None))
    each = empty_crowd(states.new_empty(len(order) - 1, *out.shape[1:]), len(states))
    total = empty_crowd(out[0], len(states))
    return [
        *product(changes[:, order[0]], hidden.mT, out),
        *(product(changes[:, later], states[:, earlier].mT, each) if len(order) > 1 else ()),
        partial(torch.sum, each, 1, out=total),
        partial(out.add_, total),
    ]


@torch.library.custom_op("expzoo::gru_forward", mutates_args=())
def gru_forward(
    gates: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor, order: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """The states after each step, and what the gradient needs.

    Args:
        gates: what comes of the inputs, new, reset and update, (members, steps, 3 hidden, batch).
        hidden: the first state, (members, hidden, batch).
        weight: reset, update and new, (members, 3 hidden, hidden).
        bias: (members, 3 hidden).
        order: the steps as they are gone through: 0, 1, ... or the other way round.

    Returns:
        states (members, steps, hidden, batch), and r, z, h_n and n (members, steps, 4 hidden, batch).
    """
    members, steps, _, batch = gates.shape
    size = hidden.shape[1]
    states, kept = (empty_crowd(gates.new_empty(steps, rows, batch), members) for rows in (size, 4 * size))
    run(forward_calls(gates, hidden, weight, bias, order, out=(states, kept)))
    return states, kept


@torch.library.custom_op("expzoo::gru_backward", mutates_args=())
def gru_backward(
    grad: Tensor, states: Tensor, kept: Tensor, hidden: Tensor, weight: Tensor, order: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of what goes into the gates, of the first state and of the weight, for that of all states.

    The first is (members, steps, 4 hidden, batch): of x_n, of x_r + h_r, of x_z + h_z and of h_n.
    """
    members, steps, size, batch = states.shape
    changes = empty_crowd(states.new_empty(steps, 4 * size, batch), members)
    out = (changes, empty_crowd(hidden[0], members), empty_crowd(weight[0], members))
    run(backward_calls(grad, states, kept, hidden, weight, order, out=out))
    return out


KERNELS[torch.ops.expzoo.gru_forward.default] = forward_calls
KERNELS[torch.ops.expzoo.gru_backward.default] = backward_calls


class _Recurrence(torch.autograd.Function):
    """The states that `gru_forward` gives; differentiable once."""

    @staticmethod
    def forward(*args: Any) -> tuple[Tensor, Tensor]:
        return gru_forward(*args)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _, hidden, weight, _, ctx.order = inputs
        ctx.save_for_backward(*output, hidden, weight)
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        size = grads[0].shape[2]
        changes, d_hidden, d_weight = _RecurrenceBackward.apply(grads[0], *ctx.saved_tensors, ctx.order)
        return changes[:, :, : 3 * size], d_hidden, d_weight, changes[:, :, size:].sum((1, 3)), None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Any, Any]:
        return join_members(_Recurrence, info, in_dims, args)


class _RecurrenceBackward(torch.autograd.Function):
    @staticmethod
    def forward(*args: Any) -> tuple[Tensor, Tensor, Tensor]:
        return gru_backward(*args)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.mark_non_differentiable(*output)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Any, Any]:
        return join_members(_RecurrenceBackward, info, in_dims, args)


def _one_direction(
    steps: Tensor, hidden: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor, *, order: list[int]
) -> Tensor:
    """(steps, inputs, batch) and a first state (hidden, batch) -> the state after each step (steps, hidden, batch)."""
    size = len(hidden)
    weight, bias = (torch.cat([value[2 * size :], value[: 2 * size]]) for value in (w_ih, b_ih))
    gates = torch.bmm(weight.expand(len(steps), *weight.shape), steps) + bias.unsqueeze(1)
    arguments = (value.unsqueeze(0) for value in (gates, hidden, w_hh, b_hh))
    return _Recurrence.apply(*arguments, order)[0].squeeze(0)


def of_each_direction(
    weights: Sequence[Float[Tensor, "gates ..."]], has_biases: bool
) -> Iterator[tuple[Float[Tensor, "gates ..."], ...]]:
    """Weights of inputs and state, biases of inputs and state, of each layer and direction in torch's order."""
    length = 4 if has_biases else 2
    for start in range(0, len(weights), length):
        own = tuple(weights[start : start + length])
        yield own if has_biases else (*own, *(weight.new_zeros(len(weight)) for weight in own))


def gru(
    x: Float[Tensor, "batch steps inputs"] | Float[Tensor, "steps batch inputs"],
    hidden: Float[Tensor, "layers batch hidden"],
    weights: Sequence[Float[Tensor, "gates ..."]],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    training: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[
    Float[Tensor, "batch steps outputs"] | Float[Tensor, "steps batch outputs"], Float[Tensor, "layers batch hidden"]
]:
    """What torch.gru computes for a batch of sequences of one length: the last layer's states and all final ones.

    Nothing is dropped here: what `noise` passes on has no dropout between layers.
    """
    if not isinstance(weights, list | tuple):
        raise Unadoptable("nn.GRU over a PackedSequence cannot be trained in a population; pad the sequences instead")
    steps = x.permute(1, 2, 0) if batch_first else x.permute(0, 2, 1)
    own, finals = of_each_direction(weights, has_biases), []
    forwards = list(range(len(steps)))
    for _ in range(num_layers):
        found = []
        for order in (forwards, forwards[::-1])[: 1 + bidirectional]:
            found.append(_one_direction(steps, hidden[len(finals)].t(), *next(own), order=order))
            finals.append(found[-1][order[-1]].t())
        steps = torch.cat(found, 1) if bidirectional else found[0]
    return steps.permute(2, 0, 1) if batch_first else steps.permute(0, 2, 1), torch.stack(finals)
