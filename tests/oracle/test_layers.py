"""What the engine puts in the place of torch's functions, against torch's own: the same numbers and gradients."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torch.autograd import gradgradcheck
from torch.func import grad, vmap
from torch.nn import functional

from expzoo.engine.layers import image_convolution
from expzoo.engine.layers.convolution import convolve, fold, unfold, windows_of
from expzoo.engine.layers.dropout import Counters, keep_calls
from expzoo.engine.layers.functions import CrowdFunctions
from expzoo.engine.layers.normalisation import estimate_statistics, has_statistics, without_statistics
from expzoo.engine.layers.pixels import is_by_pixel, stands_for_interleaved
from expzoo.engine.members import products
from expzoo.engine.members.memory import empty_crowd

CONVOLUTIONS = [functional.conv1d, functional.conv2d, functional.conv3d]


def doubles(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_gradients(function, *inputs):
    """The results, and the gradient of some function of them with respect to each input."""
    inputs = [value.detach().requires_grad_() for value in inputs]
    results = function(*inputs)
    results = results if isinstance(results, tuple) else (results,)
    total = sum((result * doubles(*result.shape, seed=1)).sin().sum() for result in results)
    return [*results, *torch.autograd.grad(total, inputs)]


def assert_same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    ("stride", "padding"),
    [*itertools.product((1, 2, 3), (0, 1, 5, "valid")), (1, "same")],  # torch strides no "same"
)
@pytest.mark.parametrize(("dilation", "groups"), [(1, 1), (2, 1), (1, 2), (2, 4)])
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_convolutions_of_any_geometry(axes, stride, padding, dilation, groups):
    images, weight = doubles(3, 4, *(9, 8, 7)[:axes]), doubles(8, 4 // groups, *(3, 2, 3)[:axes])
    arguments = (stride, padding, dilation, groups)
    ours = with_gradients(lambda x, w, b: convolve(x, w, b, *arguments), images, weight, doubles(8))
    theirs = with_gradients(lambda x, w, b: CONVOLUTIONS[axes - 1](x, w, b, *arguments), images, weight, doubles(8))
    assert_same(ours, theirs)


def test_a_window_for_each_axis_and_an_image_without_a_batch():
    images, weight = doubles(4, 9, 8), doubles(5, 4, 3, 1)
    options = {"stride": (2, 1), "padding": (0, 2), "dilation": (1, 3)}
    assert_same([convolve(images, weight, **options)], [functional.conv2d(images, weight, **options)])


@pytest.mark.parametrize(("filters", "is_in_order"), [(5, stands_for_interleaved), (9, is_by_pixel)])
def test_large_images_are_convolved_by_torch_with_the_same_result(filters, is_in_order, monkeypatch):
    images, weight, bias = doubles(3, 4, 9, 8), doubles(filters, 4, 3, 3), doubles(filters)
    ours = with_gradients(lambda x, w, b: image_convolution.convolve(x, w, b, 1, 1), images, weight, bias)
    monkeypatch.setattr(image_convolution, "LARGE", 0)
    theirs = with_gradients(lambda x, w, b: image_convolution.convolve(x, w, b, 1, 1), images, weight, bias)
    assert is_in_order(theirs[0])
    assert not is_in_order(ours[0])
    assert_same(ours, theirs)


def test_a_kernel_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"kernel of \(5,\) does not fit into an image of \(3,\)"):
        convolve(doubles(2, 1, 3), doubles(2, 1, 5))


def test_folding_is_the_adjoint_of_unfolding():
    windows = windows_of((7, 6), (3, 2), 2, 1).pack()
    images = doubles(2, 5, 3, 7, 6)
    columns = unfold(images, windows)
    expected = functional.unfold(images.flatten(0, 1), (3, 2), padding=1, stride=2)
    expected = expected.unflatten(0, (2, 5)).movedim(1, -1).flatten(2)
    torch.testing.assert_close(columns, expected)
    other = doubles(*columns.shape, seed=2)
    torch.testing.assert_close((columns * other).sum(), (images * fold(other, windows, 5)).sum())


def test_convolutions_have_second_derivatives():
    images, weight = doubles(2, 2, 5).requires_grad_(), doubles(3, 2, 3).requires_grad_()
    assert gradgradcheck(lambda x, w: convolve(x, w, None, 2, 1), (images, weight))


def test_convolutions_batch_over_members_and_examples():
    images, weights = doubles(4, 3, 2, 6), doubles(4, 5, 2, 3)

    def loss(weight, example):
        return convolve(example, weight).sin().sum()

    found = vmap(vmap(grad(loss), (None, 0)))(weights, images)
    for member, example in itertools.product(range(4), range(3)):
        expected = grad(lambda w, x: functional.conv1d(x, w).sin().sum())(weights[member], images[member, example])
        torch.testing.assert_close(found[member, example], expected)


MAX, MEAN = [nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d], [nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d]
POOLS = [
    *((MAX, option) for option in ({}, {"ceil_mode": True}, {"dilation": 2})),
    *((MEAN, option) for option in ({}, {"ceil_mode": True}, {"count_include_pad": False})),
]


@pytest.mark.parametrize(("pools", "option"), POOLS)
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 1), (1, 2, 0)])
def test_pooling_of_any_geometry_with_ties(pools, option, axes, kernel, stride, padding):
    pool = pools[axes - 1](kernel, stride, padding, **option)
    images = doubles(3, 4, *(9, 8, 7)[:axes]).relu()  # many zeros tie

    def within(x):
        with CrowdFunctions():
            return pool(x)

    assert_same(with_gradients(within, images), with_gradients(pool, images))
    assert_same([within(images[0])], [pool(images[0])])


GRUS = [
    {"input_size": 1, "hidden_size": 6, "bidirectional": True, "batch_first": True},
    {"input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True},
    {"input_size": 3, "hidden_size": 4, "num_layers": 3, "bias": False},
]


@pytest.mark.usefixtures("blas")
@pytest.mark.parametrize("options", GRUS)
@pytest.mark.parametrize("steps", [1, 2, 9])
def test_gru_agrees_with_torch(options, steps):
    layer = nn.GRU(**options).double()
    batch_first, layers = options.get("batch_first", False), options.get("num_layers", 1)
    x = doubles(*((5, steps) if batch_first else (steps, 5)), options["input_size"])
    first = doubles(layers * (1 + layer.bidirectional), 5, options["hidden_size"])
    parameters = dict(layer.named_parameters())

    def run(x, first, *values):
        return torch.func.functional_call(layer, dict(zip(parameters, values, strict=True)), (x, first))

    def within(*inputs):
        with CrowdFunctions():
            return run(*inputs)

    inputs = (x, first, *parameters.values())
    assert_same(with_gradients(within, *inputs), with_gradients(run, *inputs))


def test_gru_without_a_batch_and_without_a_first_state():
    layer, x = nn.GRU(2, 3).double(), doubles(7, 2)
    with CrowdFunctions():
        ours = layer(x)
    assert_same(ours, layer(x))


NORMALISED = {
    "batch": (nn.BatchNorm2d(4), doubles(5, 4, 3, 2)),
    "batch without weights": (nn.BatchNorm1d(4, affine=False), doubles(5, 4)),
    "batch, evaluated": (nn.BatchNorm1d(4).eval(), doubles(5, 4, 3)),
    "group": (nn.GroupNorm(2, 4), doubles(5, 4, 3)),
    "instance": (nn.InstanceNorm2d(4, affine=True), doubles(5, 4, 3, 2)),
    "layer": (nn.LayerNorm((3, 2)), doubles(5, 4, 3, 2)),
    "layer without weights": (nn.LayerNorm(4, elementwise_affine=False), doubles(5, 4)),
}


@pytest.mark.parametrize("name", NORMALISED)
def test_normalisation_agrees_with_torch(name):
    layer, x = NORMALISED[name]
    layer = layer.double()
    parameters = {key: doubles(*value.shape, seed=3) for key, value in layer.named_parameters()}

    def run(x, *values):
        replaced = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(without_statistics(layer), replaced, (x,))

    def within(*inputs):
        with CrowdFunctions():
            return run(*inputs)

    assert_same(with_gradients(within, x, *parameters.values()), with_gradients(run, x, *parameters.values()))


def test_statistics_are_the_means_over_all_batches():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=0.3), nn.ReLU()).double().eval()
    data = doubles(20, 3)
    assert has_statistics(module)
    assert not has_statistics(nn.Linear(2, 2))
    estimate_statistics(module, data.split(10))
    hidden = module[0](data)
    torch.testing.assert_close(module[1].running_mean, hidden.mean(0))
    variances = torch.stack([part.var(0) for part in hidden.split(10)])
    torch.testing.assert_close(module[1].running_var, variances.mean(0))
    assert (module.training, module[1].training, module[1].momentum) == (False, False, 0.3)


def drawn(seeds, step, call=1, p=0.25, shape=(50, 41)):
    out, counters = empty_crowd(torch.empty(shape), len(seeds)), Counters(seeds, step)
    for run in keep_calls(counters, p, call, out=out):
        run()
    return out


def test_dropout_keeps_a_function_of_seed_step_and_call():
    kept = drawn([3, 4], 7)
    torch.testing.assert_close(kept, drawn([3, 4], 7), rtol=0, atol=0)
    torch.testing.assert_close(kept[1], drawn([9, 4, 3], 7)[1], rtol=0, atol=0)
    others = [kept[1], drawn([3], 8)[0], drawn([3], 7, call=2)[0]]
    assert all(not torch.equal(kept[0], other) for other in others)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_as_often_as_it_should_and_the_mean(p):
    kept = drawn(list(range(40)), 0, p=p)
    assert kept.unique().tolist() == pytest.approx([0, 1 / (1 - p)])
    error = 5 * (p * (1 - p) / kept.numel()) ** 0.5  # five standard deviations
    assert (kept == 0).double().mean().item() == pytest.approx(p, abs=error)


def test_dropout_of_everything_is_zero():
    assert not drawn([1], 0, p=1.0).any()


SHAPES = [(4, 5, 6), (7, 1, 9), (2, 300, 3), (40, 33, 50), (1, 1, 1)]


@pytest.mark.usefixtures("blas")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("several", [None, 3, 11])
@pytest.mark.parametrize(("m", "k", "n"), SHAPES)
def test_products_with_any_factor_transposed_and_any_bias(monkeypatch, dtype, large, several, m, k, n):
    monkeypatch.setattr(products, "LARGE", 0 if large else products.LARGE)
    monkeypatch.setattr(products, "LONG", 1 if large else products.LONG)
    before = (3,) if several is None else (3, several)
    a, b = doubles(*before, m, k).to(dtype), doubles(*before, k, n, seed=1).to(dtype)
    biases = [None, doubles(*before, 1, n, seed=2).to(dtype), doubles(*before, m, 1, seed=2).to(dtype)]
    for first, second, bias in itertools.product((a, a.mT.contiguous().mT), (b, b.mT.contiguous().mT), biases):
        out = torch.empty(*before, m, n, dtype=dtype)
        for call in products.product(first, second, out, bias):
            call()
        expected = (a.double() @ b.double()) + (0 if bias is None else bias)
        torch.testing.assert_close(
            out.double(), expected.double(), rtol=1e-4, atol=1e-4 if dtype.itemsize == 4 else 1e-12
        )
