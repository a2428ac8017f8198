"""Ordinary modules in a population: plain autograd's gradient and the same bits in any crowd, or refused by name."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from tests import drawn
from torch import nn

from expzoo.config.registry import build
from expzoo.engine.large import Loop
from expzoo.engine.members.crowd import Unadoptable
from expzoo.engine.program import Member, Program, Row, Structure
from expzoo.spec.layout import Layout, construct
from expzoo.system.arithmetic import exact_arithmetic

INPUTS, HIDDEN, CLASSES = 8, 25, 3


class Between(nn.Module):
    """Two linear layers and what is between them: `function(parts, hidden)` of any modules by name."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)
        self.first, self.last = nn.Linear(INPUTS, HIDDEN), nn.Linear(HIDDEN, CLASSES)

    def forward(self, x):
        return self.last(self.function(self, self.first(x)))


def activated(activation):
    return lambda: nn.Sequential(nn.Linear(INPUTS, HIDDEN), activation(), nn.Linear(HIDDEN, CLASSES))


def between(function, **makers):
    return lambda: Between(function, **{name: make() for name, make in makers.items()})


def image(*layers):
    """Layers on one channel of 8 positions, then as many outputs as there are classes."""
    return lambda: nn.Sequential(nn.Unflatten(1, (1, 8)), *(make() for make in layers), nn.Flatten(), nn.LazyLinear(3))


def conv(*args, **options):
    return lambda: nn.Conv1d(*args, **options)


class Constant(Between):
    """A constant of as many elements as there are hidden units, in an operation without a rule."""

    def __init__(self):
        super().__init__(lambda parts, h: h.abs().add(0.1).pow(parts.exponents))
        self.register_buffer("exponents", torch.linspace(0.5, 2, HIDDEN))


PLAIN = (
    *(nn.CELU, nn.ELU, nn.GELU, nn.Hardshrink, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.LeakyReLU, nn.LogSigmoid),
    *(nn.Mish, nn.PReLU, nn.ReLU, nn.ReLU6, nn.SELU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Softshrink, nn.Softsign),
    *(nn.Tanh, nn.Tanhshrink),
)

ACTIVATIONS = {activation.__name__: activated(activation) for activation in PLAIN} | {
    "GELU by tanh": activated(lambda: nn.GELU("tanh")),
    "ReLU in place": activated(lambda: nn.ReLU(inplace=True)),
    "Softmax": activated(lambda: nn.Softmax(1)),
    "LogSoftmax": activated(lambda: nn.LogSoftmax(1)),
}

LAYERS = {
    "BatchNorm1d": activated(lambda: nn.BatchNorm1d(HIDDEN)),
    "BatchNorm1d without statistics": activated(lambda: nn.BatchNorm1d(HIDDEN, track_running_stats=False)),
    "Bilinear": between(lambda parts, h: parts.layer(h, h), layer=lambda: nn.Bilinear(HIDDEN, HIDDEN, HIDDEN)),
    "Embedding": between(lambda parts, h: h + parts.layer((h[:, 0] > 0).long()), layer=lambda: nn.Embedding(2, HIDDEN)),
    "GLU": activated(lambda: nn.Sequential(nn.Linear(HIDDEN, 2 * HIDDEN), nn.GLU())),
    "GRU": between(
        lambda parts, h: parts.layer(h.unflatten(1, (5, 5)))[0].flatten(1),
        layer=lambda: nn.GRU(5, 5, batch_first=True, bidirectional=False),
    ),
    "GRUCell": between(lambda parts, h: parts.layer(h), layer=lambda: nn.GRUCell(HIDDEN, HIDDEN)),
    "GroupNorm": activated(lambda: nn.GroupNorm(5, HIDDEN)),
    "LayerNorm": activated(lambda: nn.LayerNorm(HIDDEN)),
    "MultiheadAttention": between(
        lambda parts, h: parts.layer(*[h.unflatten(1, (5, 5))] * 3, need_weights=False)[0].flatten(1),
        layer=lambda: nn.MultiheadAttention(5, 1, batch_first=True),
    ),
    "RMSNorm": activated(lambda: nn.RMSNorm(HIDDEN)),
}

IMAGES = {
    "AvgPool1d": image(conv(1, 5, 3, padding=1), lambda: nn.AvgPool1d(2)),
    "Conv1d": image(conv(1, 5, 3, padding=1), nn.ReLU),
    "Conv1d dilated": image(conv(1, 4, 3, dilation=2), nn.ReLU),
    "Conv1d grouped": image(conv(1, 4, 1), conv(4, 6, 3, groups=2, bias=False), nn.ReLU),
    "Conv1d strided": image(conv(1, 5, 5, stride=2, padding=2), nn.ReLU, conv(5, 7, 3, stride=2, padding=1)),
    "Conv2d": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 2, 4)), nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(40, 3)
    ),
    "InstanceNorm1d": image(conv(1, 5, 3, padding=1), lambda: nn.InstanceNorm1d(5)),
    "MaxPool1d": image(conv(1, 5, 3, padding=1), lambda: nn.MaxPool1d(2)),
    "Mean over positions": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 8)), nn.Conv1d(1, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(5, 3)
    ),
}


FORMULAS = {
    "a constant as long as there are members": Constant,
    "a scalar parameter": between(lambda parts, h: h * parts.scale, scale=lambda: nn.Parameter(torch.tensor(1.5))),
    "an unused layer": between(lambda parts, h: h, layer=lambda: nn.Linear(3, 3)),
    "cat": between(lambda parts, h: torch.cat([h[:, :12], h[:, 12:].relu()], 1)),
    "cumsum": between(lambda parts, h: h.cumsum(1)),
    "detached weights": between(lambda parts, h: h * parts.layer.weight.detach()[0], layer=lambda: nn.Linear(25, 25)),
    "einsum": between(
        lambda parts, h: torch.einsum("bi,ij->bj", h, parts.layer.weight), layer=lambda: nn.Linear(25, 25)
    ),
    "flip and roll": between(lambda parts, h: h.flip(1) + h.roll(3, 1)),
    "index": between(lambda parts, h: h[:, torch.tensor([3, 1, 2] * 8 + [0])]),
    "largest of all": between(lambda parts, h: h / h.abs().max()),
    "logsumexp": between(lambda parts, h: h - h.logsumexp(1, keepdim=True)),
    "mean of all": between(lambda parts, h: h - h.mean()),
    "norm": between(lambda parts, h: h / h.norm(dim=1, keepdim=True)),
    "outer product": between(lambda parts, h: (h[:, :, None] * h[:, None, :]).sum(2)),
    "powers": between(lambda parts, h: h.abs() ** 1.5 + h**2 + (h * h + 1).rsqrt()),
    "product": between(lambda parts, h: h * h[:, :3].prod(1, keepdim=True)),
    "sort": between(lambda parts, h: h.sort(1)[0]),
    "standardised": between(lambda parts, h: (h - h.mean(1, keepdim=True)) / h.std(1, keepdim=True)),
    "sum of all": between(lambda parts, h: h / h.abs().sum()),
    "tied weights": between(
        lambda parts, h: nn.functional.linear(h @ parts.first.weight, parts.first.weight, parts.first.bias)
    ),
    "topk": between(lambda parts, h: h * (h > h.topk(3, 1)[0][:, -1:])),
    "transcendental": between(lambda parts, h: h.sin() + h.atan() + h.erf() + h.abs().log1p() + h.expm1().tanh()),
    "variance over the batch": between(lambda parts, h: h / (h.var(0) + 1).sqrt()),
    "where": between(lambda parts, h: torch.where(h > 0, h.exp(), -h)),
    "one layer without bias": lambda: nn.Linear(INPUTS, CLASSES, bias=False),
    "one hidden unit": lambda: nn.Sequential(nn.Linear(INPUTS, 1), nn.Tanh(), nn.Linear(1, CLASSES)),
}

MODULES = ACTIVATIONS | LAYERS | IMAGES | FORMULAS


class Drawn:
    """Batches that depend on the member's seed and the step."""

    batch_last = False

    def __init__(self, seeds, batch, dtype):
        self.seeds, self.batch, self.dtype = seeds, batch, dtype

    def shapes(self):
        return (self.batch, INPUTS), (self.batch,)

    def types(self):
        return self.dtype, torch.int64

    def prepare(self, start, stop):
        pass

    def load(self, step, x, y):
        for member in range(len(x)):
            seed = self.seeds[min(member, len(self.seeds) - 1)]
            generator = torch.Generator().manual_seed(1000 * seed + step)
            x[member] = torch.randn(x.shape[1:], generator=generator, dtype=x.dtype)
            y[member] = torch.randint(0, CLASSES, y.shape[1:], generator=generator)


def made(make, seed, dtype):
    def built():
        module = make()
        module(torch.zeros(2, INPUTS))  # gives lazy layers their shape
        return module

    return construct(built, seed, dtype)


def program(make, seeds, batch=33, dtype=torch.float32, *, alone=False, graph=None):
    modules = [made(make, seed, dtype) for seed in seeds]
    layout, optimizer = Layout.of(modules[0]), build("optimizer", "sgd", lr=0.05)
    schedule = build("schedule", "constant")
    members = [
        Member(Row(layout.row(module)), optimizer, schedule, seed=seed)
        for seed, module in zip(seeds, modules, strict=True)
    ]
    structure, feed = Structure(modules[0], build("loss", "cross_entropy"), 100), Drawn(seeds, batch, dtype)
    step = partial(Loop, modules[0], structure.loss) if alone else None
    return Program(structure, members, feed, graph=graph, make_step=step)


def assert_gradient_of_plain_autograd(make):
    seeds = list(range(HIDDEN))
    with exact_arithmetic():
        population = program(make, seeds, dtype=torch.float64)
        population.advance(0, 3)
        population.feed.load(7, population.x, population.y)
        population.tape.run()
    module, loss = made(make, 0, torch.float64), build("loss", "cross_entropy")
    for member in (0, 1, len(seeds) - 1):
        plain = population.layout.load(copy.deepcopy(module), population.theta[member])
        loss(plain(population.x[member]), population.y[member]).backward()
        for key, value in population.layout.view(population.grad[member]).items():
            expected = plain.get_parameter(key).grad
            expected = torch.zeros_like(value) if expected is None else expected
            torch.testing.assert_close(value, expected, rtol=1e-8, atol=1e-11, msg=key)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_has_the_gradient_of_plain_autograd(name):
    assert_gradient_of_plain_autograd(MODULES[name])


RANDOM = {
    "Dropout": activated(nn.Dropout),
    "Dropout1d": image(conv(1, 5, 3), nn.Dropout1d),
    "GRU with dropout": between(
        lambda parts, h: parts.layer(h.unflatten(1, (5, 5)))[0].flatten(1),
        layer=lambda: nn.GRU(5, 5, num_layers=2, dropout=0.3, batch_first=True),
    ),
    "TransformerEncoderLayer": between(
        lambda parts, h: parts.layer(h.unflatten(1, (5, 5))).flatten(1),
        layer=lambda: nn.TransformerEncoderLayer(5, 1, 7, batch_first=True),
    ),
    "Dropout twice": between(lambda parts, h: parts.layer(parts.layer(h).relu()), layer=lambda: nn.Dropout(0.2)),
}


def assert_own_bits(make, batch=33, members=9, crowds=([4], [8, 3], [7, 1, 0, 2, 5])):
    drawn.assert_own_bits(lambda seeds, graph: program(make, seeds, batch, graph=graph), members, crowds, steps=12)


@pytest.mark.parametrize("name", MODULES | RANDOM)
def test_a_module_has_the_same_bits_in_any_crowd(name):
    assert_own_bits((MODULES | RANDOM)[name])


@pytest.mark.usefixtures("blas")
@pytest.mark.parametrize("name", ["ReLU", "Sigmoid", "Softplus", "LayerNorm", "Conv1d", "MaxPool1d"])
@pytest.mark.parametrize("batch", [5, 100])
def test_the_libraries_and_other_batches_give_the_same_bits_in_any_crowd(name, batch):
    assert_own_bits(MODULES[name], batch, 7, ([6], [5, 2, 3]))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (between(lambda parts, h: h + torch.randn_like(h)), "randn_like"),
        (between(lambda parts, h: h * torch.rand(HIDDEN)), "rand"),
        (between(lambda parts, h: h * torch.empty_like(h).uniform_()), "uniform_"),
        (activated(nn.RReLU), "rrelu"),
    ],
    ids=["randn_like", "rand", "uniform_", "rrelu"],
)
def test_random_functions_are_refused_by_name(make, why):
    with pytest.raises(Unadoptable, match=why):
        program(make, [0, 1])


@pytest.mark.parametrize(
    "make",
    [
        between(lambda parts, h: h if h.sum() > 0 else -h),
        between(lambda parts, h: h * float(h.mean().item())),
        between(lambda parts, h: h[h[:, 0] > 0]),
    ],
    ids=["a branch on values", "a number from a tensor", "a shape from values"],
)
def test_modules_that_cannot_be_trained_in_a_population_are_refused(make):
    with pytest.raises(Unadoptable):
        program(make, [0, 1])


def test_a_module_without_parameters_is_refused():
    with pytest.raises(ValueError, match="no parameters"):
        program(nn.Identity, [0, 1])
