"""Narrow images, whose members are interleaved: own bits in any crowd, and the gradients of plain PyTorch."""

from __future__ import annotations

import pytest
import torch
from tests.drawn import assert_own_bits, program
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from expzoo.engine.assembly import Assembler
from expzoo.engine.device import LEAST_INTERLEAVED
from expzoo.engine.layers import image_convolution
from expzoo.engine.layers.differentiable import DifferentiableFunctions
from expzoo.engine.members.memory import are_interleaved_images, interleaved_layout
from expzoo.science.numerics.empirical import EmpiricalLoss
from expzoo.spec.component import Component
from expzoo.spec.layout import Layout, construct
from expzoo.system.arithmetic import exact_arithmetic

SIZE, CLASSES = (3, 9, 8), 4


class Residual(nn.Module):
    """A block of a residual network that halves the image, with a convolution on its shortcut."""

    def __init__(self, before, after):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after))
        self.shortcut = nn.Conv2d(before, after, 1, 2)

    def forward(self, x):
        return functional.relu(self.second(self.first(x)) + self.shortcut(x))


class Joined(nn.Module):
    """What a convolution makes of images, and the images themselves."""

    def __init__(self, before, after):
        super().__init__()
        self.filters = nn.Conv2d(before, after, 3, padding=1)

    def forward(self, x):
        return torch.cat([self.filters(x), x], 1)


def network(*layers):
    def made():
        body = nn.Sequential(*(layer() for layer in layers), nn.Flatten())
        return nn.Sequential(body, nn.Linear(body(torch.zeros(2, *SIZE)).shape[1], CLASSES))

    return made


def conv(*sizes, **options):
    return lambda: nn.Conv2d(*sizes, **options)


def is_narrow(name):
    return name != "wide"  # whose images lie member by member, channels innermost


def are_given_by_pixel(name):
    return name != "reads images twice"


def norm(channels, **options):
    return lambda: nn.BatchNorm2d(channels, **options)


MODULES = {
    "of fours": network(conv(3, 4, 3, padding=1, bias=False), norm(4), nn.ReLU, lambda: nn.MaxPool2d(2)),
    "of fives": network(conv(3, 5, 3, padding=1), nn.SiLU, norm(5), conv(5, 7, 3), nn.Tanh),
    "without weights": network(conv(3, 8, 3), norm(8, affine=False), nn.LeakyReLU),
    "strides": network(conv(3, 4, 3, 2, 2, dilation=2), nn.ReLU, conv(4, 6, (3, 2), (1, 2), (1, 0)), nn.GELU),
    "residual": network(conv(3, 4, 3, padding=1), lambda: Residual(4, 8), lambda: nn.AdaptiveAvgPool2d(1)),
    "pools": network(conv(3, 4, 3), lambda: nn.MaxPool2d(3, 2, 1), nn.ReLU, lambda: nn.AvgPool2d(2, 1)),
    "groups": network(conv(3, 4, 3, padding=1), conv(4, 4, 3, groups=4), nn.Dropout2d, lambda: nn.GroupNorm(2, 4)),
    "wide": network(conv(3, 9, 3, padding=1), norm(9), nn.ReLU, lambda: nn.MaxPool2d(2), conv(9, 3, 3), norm(3)),
    "reads images twice": network(lambda: Joined(3, 4), nn.ReLU, conv(7, 4, 3)),
    "too wide later": network(conv(3, 4, 3, padding=1), nn.ReLU, conv(4, 65, 3), nn.ReLU, conv(65, 2, 3)),
}


@pytest.fixture(autouse=True)
def every_image_is_large(monkeypatch):
    monkeypatch.setattr(image_convolution, "LARGE", 0)


@pytest.mark.usefixtures("blas")
@pytest.mark.parametrize("name", MODULES)
def test_a_member_has_the_same_bits_alone_and_in_any_crowd(name):
    crowds = ([8], [4, 7], [2, 0, 8], [6, 5, 4, 3, 2])
    assert_own_bits(lambda seeds, graph: program(MODULES[name], seeds, SIZE, CLASSES, batch=6, graph=graph), 9, crowds)


@pytest.mark.parametrize("name", [name for name in MODULES if name != "groups"])
def test_gradients_in_float64_are_those_of_a_plain_network(name):
    """Except with dropout, which draws otherwise; its layers are compared in the tests of layers."""
    seeds = [3, 8, 1, 5, 6]
    with exact_arithmetic():
        population = program(MODULES[name], seeds, SIZE, CLASSES, dtype=torch.float64)
    assert population.tape.is_interleaved == is_narrow(name)
    assert population.x[0].is_contiguous(memory_format=torch.channels_last) == are_given_by_pixel(name)
    for step in range(3):  # what is planned on the first batch has to hold for the next
        with exact_arithmetic():
            before = population.snapshot()
            population.look(step)
        gradients = population.layout.views(population.grad)
        for member, seed in enumerate(seeds):
            module = construct(MODULES[name], seed, torch.float64)
            population.layout.load(module, before.theta[member])
            loss = functional.cross_entropy(module(population.x[member].clone()), population.y[member])
            loss.backward()
            torch.testing.assert_close(population.loss[member], loss.detach(), rtol=1e-11, atol=0)
            for key, value in module.named_parameters():
                torch.testing.assert_close(gradients[key][member], value.grad, rtol=1e-8, atol=1e-11, msg=key)
        population._update(step)


def test_the_curvature_of_a_narrow_network_is_the_slope_of_its_gradient():
    module = construct(network(conv(3, 4, 3, padding=1), nn.Tanh, conv(4, 6, 3), nn.Tanh), 3, torch.float64)
    layout = Layout.of(module)

    def loss(row, x, y):
        with DifferentiableFunctions():
            return functional.cross_entropy(functional_call(module, layout.view(row), (x,)), y)

    draw = torch.Generator().manual_seed(0)
    x, rows = (torch.randn(*size, generator=draw, dtype=torch.float64) for size in ((6, *SIZE), (2, layout.size)))
    of, at, y = EmpiricalLoss(loss), layout.row(module).repeat(2, 1), torch.arange(6) % CLASSES
    slope = (of.grad(at + 1e-5 * rows, x, y) - of.grad(at - 1e-5 * rows, x, y)) / 2e-5
    assert slope.abs().max() > 1e-3
    torch.testing.assert_close(of.hvp(at, rows, x, y), slope, rtol=1e-6, atol=1e-8)


def test_what_no_kernel_knows_is_computed_for_all_members_at_once_nevertheless():
    for name in set(MODULES) - {"pools", "groups", "wide", "reads images twice", "too wide later", "residual"}:
        assert program(MODULES[name], [0, 1, 2], SIZE, CLASSES).tape.member_by_member == [], name


@pytest.mark.parametrize("augment", ["none", "crop"])
def test_images_given_by_pixel_are_those_of_the_dataset(base, augment):
    part = Component.of
    dataset = part("dataset", "textures", batch_size=20, train_size=100, test_size=10, augment=augment)
    spec = base.replace(dataset=dataset, model=part("model", "cnn2d", width=4, stages=(1, 1)))
    assembler, specs = Assembler(), [spec.replace(seed=seed) for seed in (4, 7)]
    given, feed = assembler.probe(specs), assembler.feed_of(specs)
    assert given.x[0].is_contiguous(memory_format=torch.channels_last)
    assert not given.x[0].is_contiguous()
    images, labels = torch.zeros(given.x.shape), torch.zeros_like(given.y)
    for step in (0, 1, 7):
        for source, x, y in ((given.feed, given.x, given.y), (feed, images, labels)):
            source.prepare(step, step + 1)
            source.load(step, x, y)
        assert torch.equal(given.x, images)
        assert torch.equal(given.y, labels)


def test_an_interleaved_layout_holds_each_members_channels_together():
    one = torch.zeros(2, 3, 4, 5)
    shape, stride = interleaved_layout(one, 6)
    room = torch.arange(2 * 4 * 5 * 8 * 3)
    crowd = room.as_strided(shape, stride)
    assert are_interleaved_images(crowd)
    assert not are_interleaved_images(torch.zeros(shape))
    assert crowd[1, 0, :, 0, 0].tolist() == [3, 4, 5]
    assert crowd[5, 1, 0, 3, 4] == room.view(2, 4, 5, 8, 3)[1, 3, 4, 5, 0]


def test_a_population_of_narrow_networks_is_large_enough_to_fill_vectors(base):
    part = Component.of
    spec = base.replace(
        dataset=part("dataset", "textures", batch_size=20, train_size=100, test_size=10),
        model=part("model", "cnn2d", width=4, stages=(1, 1)),
    )
    chunks = Assembler().chunks([spec.replace(seed=seed) for seed in range(2 * LEAST_INTERLEAVED)])
    assert [len(chunk) for chunk in chunks] == [LEAST_INTERLEAVED] * 2
