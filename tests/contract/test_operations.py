"""What the tape's tables promise: these operations give a member the same bits whatever members it is computed with.

Each is run as the tape runs it, on buffers like its own, for 33 members and for few of them in other places.
"""

from __future__ import annotations

import pytest
import torch

from expzoo.engine.members import operations
from expzoo.engine.members.batching_rules import RULES
from expzoo.engine.members.memory import Pool, crowd_layout
from expzoo.system.arithmetic import exact_arithmetic

aten = torch.ops.aten
MEMBERS = 33
SHAPES = [(100, 10), (100, 37), (33, 25), (5, 7), (25, 3), (1, 1)]

UNARY = {"abs", "clone", "logical_not", "neg", "relu", "sign"}
BINARY = {"add", "copy", "div", "eq", "ge", "gt", "le", "logical_and", "lt", "maximum", "minimum", "mul", "ne", "sub"}

# Operation on one network -> its arguments, from x and y (rows, columns); what is not here is unary or binary.
ARGUMENTS = {
    aten._log_softmax.default: lambda x, y: ([x, 1, False], {}),
    aten._log_softmax_backward_data.default: lambda x, y: ([x, y.log_softmax(1), 1, x.dtype], {}),
    aten._softmax.default: lambda x, y: ([x, 0, False], {}),
    aten._softmax_backward_data.default: lambda x, y: ([x, y.softmax(0), 0, x.dtype], {}),
    aten._to_copy.default: lambda x, y: ([x], {"dtype": torch.float64}),
    aten.addmm.default: lambda x, y: ([y[0, : x.shape[1]], y.mT, x], {}),
    aten.amax.default: lambda x, y: ([x, [0], True], {}),
    aten.amin.default: lambda x, y: ([x, [1]], {}),
    aten.baddbmm.default: lambda x, y: ([y.mT[None, :, :1], x.mT[None], y[None, :, :3]], {}),
    aten.bmm.default: lambda x, y: ([x.mT[None], y[None]], {}),
    aten.cat.default: lambda x, y: ([[x, y], 1], {}),
    aten.clamp.default: lambda x, y: ([x, -0.3, 0.4], {}),
    aten.clamp_max.default: lambda x, y: ([x, 0.4], {}),
    aten.clamp_min.default: lambda x, y: ([x, -0.3], {}),
    aten.constant_pad_nd.default: lambda x, y: ([x, [1, 2, 0, 1], 0.5], {}),
    aten.cumsum.default: lambda x, y: ([x, 1], {}),
    aten.fill.Scalar: lambda x, y: ([x, 0.1], {}),
    aten.flip.default: lambda x, y: ([x, [1]], {}),
    aten.gather.default: lambda x, y: ([x, 0, y.argsort(0)], {}),
    aten.mean.default: lambda x, y: ([x], {}),
    aten.mean.dim: lambda x, y: ([x, [0], True], {}),
    aten.mm.default: lambda x, y: ([x.mT, y], {}),
    aten.rsub.Scalar: lambda x, y: ([x, 0.3], {}),
    aten.scatter.src: lambda x, y: ([x, 1, y.argsort(1), y], {}),
    aten.scatter.value: lambda x, y: ([x, 0, y.argsort(0)[:1], 0.7], {}),
    aten.select_backward.default: lambda x, y: ([x[0], list(x.shape), 0, 0], {}),
    aten.slice_backward.default: lambda x, y: ([x[:, 1:], list(x.shape), 1, 1, 2**62, 1], {}),
    aten.sqrt.default: lambda x, y: ([x.abs()], {}),
    aten.stack.default: lambda x, y: ([[x, y], 1], {}),
    aten.sum.default: lambda x, y: ([x], {}),
    aten.sum.dim_IntList: lambda x, y: ([x, [0]], {}),
    aten.threshold_backward.default: lambda x, y: ([x, y, 0], {}),
    aten.where.ScalarOther: lambda x, y: ([x > 0, x, 0.3], {}),
    aten.where.ScalarSelf: lambda x, y: ([x > 0, 0.3, y], {}),
    aten.where.self: lambda x, y: ([x > 0, x, y], {}),
}


def arguments(target, x, y):
    """Of one network."""
    if target in ARGUMENTS:
        return ARGUMENTS[target](x, y)
    if target._overloadname == "Scalar":
        return [x, 0.3], {}
    name = target.overloadpacket.__name__
    assert name in UNARY | BINARY, f"say what the arguments of {target} are"
    return ([x, y] if name in BINARY else [x]), {}


def drawn(start, stop, shape, salt=0):
    """The numbers of members start..stop-1."""
    return [torch.randn(shape, generator=torch.Generator().manual_seed(1000 * salt + i)) for i in range(start, stop)]


def together(each):
    """What all members have, a member axis first in every tensor, where a tape would put it."""
    first = each[0]
    if isinstance(first, torch.Tensor):
        _, batch = Pool(first.device).get(*crowd_layout(first, len(each)), first.dtype)
        return batch.copy_(torch.stack(each))
    if isinstance(first, list) and first and isinstance(first[0], torch.Tensor):
        return [together(list(parts)) for parts in zip(*each, strict=True)]
    return first


def run(target, given, options, count, one):
    """The operation as a tape runs it, over what was in the buffer before; each of `count` results is like `one`."""
    _, buffer = Pool(one.device).get(*crowd_layout(one, count), one.dtype)
    for _ in range(2):
        for call in operations.write_into(target, given, options, buffer.fill_(3)):
            call()
    return buffer


def computed(target, x, y):
    """Of all members at once, by the rule if there is one."""
    each = [arguments(target, *pair) for pair in zip(x, y, strict=True)]
    given = [together(list(parts)) for parts in zip(*(args for args, _ in each), strict=True)]
    args, options = each[0]
    one = target(*args, **options)
    if target in RULES:
        target, given = RULES[target](*given)
    return run(target, list(given), options, len(x), one)


@pytest.mark.usefixtures("blas")
@pytest.mark.parametrize("target", sorted(operations.ROUNDED_ONCE | RULES.keys(), key=str), ids=str)
def test_operations_on_all_members_are_exact_in_any_crowd_and_right(target):
    with exact_arithmetic():
        for shape in SHAPES:
            x, y = drawn(0, MEMBERS, shape), drawn(0, MEMBERS, shape, 1)
            whole = computed(target, x, y)
            for start, stop in ((0, 2), (5, 8), (26, 33), (31, 33)):
                few = computed(target, x[start:stop], y[start:stop])
                assert torch.equal(few, whole[start:stop]), (shape, start, stop)
            args, options = arguments(target, x[7], y[7])
            torch.testing.assert_close(whole[7], target(*args, **options), rtol=1e-4, atol=1e-5)


REDUCTIONS = [aten.amax.default, aten.amin.default, aten.mean.dim, aten.sum.dim_IntList]


@pytest.mark.parametrize("target", REDUCTIONS, ids=str)
@pytest.mark.parametrize("axes", [[0], [1], [0, 1]])
def test_reductions_over_any_axes_of_a_member_are_exact_in_any_crowd(target, axes):
    with exact_arithmetic():
        for shape in (*SHAPES, (3000, 37)):
            x = drawn(0, 9, shape)
            results = {}
            for start, stop in ((0, 9), (0, 2), (4, 7), (7, 9)):
                rule, given = RULES[target](together(x[start:stop]), axes)
                results[start, stop] = run(rule, list(given), {}, stop - start, target(x[0], axes))
            for (start, stop), few in results.items():
                assert torch.equal(few, results[0, 9][start:stop])
            torch.testing.assert_close(results[0, 9][3], target(x[3], axes), rtol=1e-5, atol=1e-4)


# What layers of a network multiply: x (batch, k) by a weight as it lies or transposed, and gradients.
PRODUCTS = [(100, 40, 37), (33, 25, 10), (33, 40, 25), (5, 7, 7), (25, 3, 3), (100, 37, 10), (101, 221, 223), (7, 1, 5)]


@pytest.mark.usefixtures("blas")
@pytest.mark.parametrize("shape", PRODUCTS, ids=str)
def test_products_are_exact_in_any_crowd(shape):
    rows, inner, columns = shape
    forms = {
        "x w": lambda x, w: (x, w),
        "x w.T": lambda x, w: (x, w.mT.contiguous().mT),
        "x.T w": lambda x, w: (x.mT.contiguous().mT, w),
    }
    with exact_arithmetic():
        for name, form in forms.items():
            x, w = drawn(0, 9, (rows, inner)), drawn(0, 9, (inner, columns), 1)
            pairs = [form(*pair) for pair in zip(x, w, strict=True)]
            results = {}
            for start, stop in ((0, 9), (0, 2), (3, 5), (4, 9), (7, 9)):
                given = [together(list(part)) for part in zip(*pairs[start:stop], strict=True)]
                results[start, stop] = run(aten.bmm.default, given, {}, stop - start, x[0] @ w[0])
            for (start, stop), few in results.items():
                assert torch.equal(few, results[0, 9][start:stop]), (name, start, stop)
            torch.testing.assert_close(results[0, 9], torch.stack(x) @ torch.stack(w), rtol=1e-4, atol=1e-4)
