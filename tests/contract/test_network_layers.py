"""Convolutions, pooling, recurrence and what goes with them: a member's bits are its own, its steps plain PyTorch's."""

from __future__ import annotations

import copy

import pytest
import torch
from tests.drawn import STEPS, Drawn, program
from tests.drawn import assert_own_bits as assert_same
from torch import nn
from torch.nn import functional

from expzoo.components.activations import ACTIVATIONS, activation
from expzoo.config.registry import build
from expzoo.engine.layers import image_convolution
from expzoo.engine.members.crowd import Unadoptable
from expzoo.spec.layout import construct
from expzoo.system.arithmetic import exact_arithmetic

LENGTH, CLASSES = 24, 5


def registered(name, **options):
    return lambda: build("model", name, (LENGTH,), CLASSES, **options)


def on_images(*layers):
    """Layers on images of 4 x 6, then five outputs."""

    def made():
        module = nn.Sequential(nn.Unflatten(1, (1, 4, 6)), *(layer() for layer in layers), nn.Flatten())
        width = module(torch.zeros(2, LENGTH)).shape[1]
        return nn.Sequential(module, nn.Linear(width, CLASSES))

    return made


def conv2d(*sizes, **options):
    return lambda: nn.Conv2d(*sizes, **options)


class LongMemory(nn.Module):
    """A layer of nn.LSTM, which the engine knows nothing of."""

    def __init__(self):
        super().__init__()
        self.lstm, self.last = nn.LSTM(8, 3, batch_first=True), nn.Linear(3, CLASSES)

    def forward(self, x):
        return self.last(self.lstm(x.unflatten(1, (3, 8)))[0][:, -1])


MODULES = {
    "logistic": registered("logistic"),
    "cnn1d": registered("cnn1d", channels=7),
    "cnn1d with gelu": registered("cnn1d", channels=3, activation="gelu"),
    "gru": registered("gru", hidden=3),
    "gru, two layers one way": registered("gru", hidden=5, layers=2, bidirectional=False),
    "batch normalised": on_images(
        conv2d(1, 3, 3, bias=False), lambda: nn.BatchNorm2d(3), nn.ReLU, lambda: nn.MaxPool2d(2)
    ),
    "pointwise": on_images(conv2d(1, 3, 3, padding=1), nn.LeakyReLU, conv2d(3, 5, 1), nn.SiLU, conv2d(5, 1, 1)),
    "circular": on_images(conv2d(1, 3, 3, padding=1, padding_mode="circular"), lambda: nn.AvgPool2d(2, 1, 1)),
    "lstm": LongMemory,
}


def assert_own_bits(make, batch):
    crowds = ([30], [4, 17], [32, 0, 9], [6, 5, 4, 3, 2, 1, 0], [31, 3, 30, 8, 9, 10, 1, 2])
    assert_same(lambda seeds, graph: program(make, seeds, (LENGTH,), CLASSES, batch=batch, graph=graph), 33, crowds)


@pytest.mark.usefixtures("blas")
@pytest.mark.parametrize("batch", [11, 16])
@pytest.mark.parametrize("name", MODULES)
def test_a_member_has_the_same_bits_alone_and_in_any_crowd(name, batch):
    assert_own_bits(MODULES[name], batch)


def test_large_images_have_the_same_bits_in_any_crowd(monkeypatch):
    monkeypatch.setattr(image_convolution, "LARGE", 0)
    assert_own_bits(MODULES["batch normalised"], 11)


def test_dropout_is_drawn_for_each_member_and_step():
    make = on_images(conv2d(1, 3, 3), nn.Dropout2d, nn.ReLU, lambda: nn.Dropout(0.3))
    assert_own_bits(make, 11)
    with exact_arithmetic():
        population = program(make, [1, 2], (LENGTH,), CLASSES)
        gradients = []
        for step, seeds in ((0, [1, 2]), (0, [1, 2]), (1, [1, 2]), (0, [5, 2])):
            population.tape.run(step, seeds)
            gradients.append(population.grad.clone())
    first, again, later, other = gradients
    assert torch.equal(first, again)
    assert not torch.equal(first[0], later[0])
    assert not torch.equal(first[0], other[0])
    assert torch.equal(first[1], other[1])


@pytest.mark.usefixtures("blas")
@pytest.mark.parametrize("name", MODULES)
def test_training_in_float64_is_that_of_a_plain_loop(name):
    seeds = [3, 8, 1]
    with exact_arithmetic():
        population = program(MODULES[name], seeds, (LENGTH,), CLASSES, dtype=torch.float64)
        population.advance(0, STEPS)
    for member, seed in enumerate(seeds):
        module = construct(MODULES[name], seed, torch.float64)
        optimizer, feed = (
            torch.optim.Adam(module.parameters(), lr=0.01),
            Drawn([seed], (LENGTH,), CLASSES, 11, torch.float64),
        )
        x, y = torch.zeros(1, 11, LENGTH, dtype=torch.float64), torch.zeros(1, 11, dtype=torch.int64)
        for step in range(STEPS):
            feed.load(step, x, y)
            optimizer.zero_grad()
            functional.cross_entropy(module(x[0]), y[0]).backward()
            optimizer.step()
        for key, value in population.layout.view(population.theta[member]).items():
            torch.testing.assert_close(value, module.get_parameter(key).detach(), rtol=1e-9, atol=1e-10, msg=key)


def test_layers_are_computed_for_all_members_at_once():
    for name in set(MODULES) - {"circular"}:
        assert program(MODULES[name], [0, 1], (LENGTH,), CLASSES).tape.member_by_member == [], name


@pytest.mark.parametrize(("name", "count"), [("logistic", 410), ("cnn1d", 5210), ("gru", 5134)])
def test_registered_models_have_the_published_numbers_of_parameters(name, count):
    module = build("model", name, (40,), 10)
    assert sum(value.numel() for value in module.parameters()) == count
    assert module(torch.zeros(3, 40)).shape == (3, 10)


@pytest.mark.parametrize("name", ["cnn1d", "gru"])
def test_sequences_may_have_channels_but_no_further_axis(name):
    assert build("model", name, (2, 9), 4)(torch.zeros(3, 2, 9)).shape == (3, 4)
    with pytest.raises(ValueError, match=r"reads sequences.*not inputs of shape \(1, 8, 8\)"):
        build("model", name, (1, 8, 8), 4)


def test_a_sequence_too_short_for_three_convolutions_is_refused():
    assert build("model", "cnn1d", (3,), 4)(torch.zeros(2, 3)).shape == (2, 4)
    with pytest.raises(ValueError, match="3 elements or more, not 2"):
        build("model", "cnn1d", (2,), 4)


def test_every_activation_has_a_name_that_cnn1d_takes():
    x = torch.linspace(-3, 3, 13)
    for name in ACTIVATIONS:
        module = activation(name)
        assert not list(module.parameters())
        assert module(x).shape == x.shape
        assert registered("cnn1d", channels=2, activation=name)()(torch.zeros(2, LENGTH)).shape == (2, CLASSES)
    torch.testing.assert_close(activation("gelu_tanh")(x), functional.gelu(x, approximate="tanh"))
    with pytest.raises(ValueError, match="no activation function is called gleu: did you mean"):
        activation("gleu")


class Counting(nn.Linear):
    """Keeps how often it was called, and scales by it."""

    def __init__(self):
        super().__init__(LENGTH, CLASSES)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return super().forward(x) * self.calls


class Clipping(nn.Linear):
    """Changes its weights while it computes."""

    def __init__(self):
        super().__init__(LENGTH, CLASSES)

    def forward(self, x):
        with torch.no_grad():
            self.weight.clamp_(-0.1, 0.1)
        return super().forward(x)


class Packed(nn.Module):
    """Sequences packed by length."""

    def __init__(self):
        super().__init__()
        self.gru, self.last = nn.GRU(1, 3, batch_first=True), nn.Linear(3, CLASSES)

    def forward(self, x):
        lengths = torch.full((len(x),), LENGTH)
        packed = nn.utils.rnn.pack_padded_sequence(x.unsqueeze(-1), lengths, batch_first=True)
        return self.last(self.gru(packed)[1][-1])


REFUSED = {
    "buffer calls: a member is its parameters only": Counting,
    "changes the parameter weight": Clipping,
    "pad the sequences": Packed,
    "nonzero has a size of its own": lambda: nn.Sequential(nn.Linear(LENGTH, CLASSES), Nonzero()),
    "hands a tensor to NumPy": lambda: nn.Sequential(Numbers(), nn.Linear(LENGTH, CLASSES)),
    "_to_sparse, .* write it with other operations": lambda: nn.Sequential(Sparse(), nn.Linear(LENGTH, CLASSES)),
}


class Numbers(nn.Module):
    """Leaves torch and comes back."""

    def forward(self, x):
        return torch.from_numpy(x.detach().numpy() * 2)


class Sparse(nn.Module):
    """Takes another layout on the way."""

    def forward(self, x):
        return x.to_sparse().to_dense()


class Nonzero(nn.Module):
    """Divides by how many are not zero."""

    def forward(self, x):
        return x / len(torch.nonzero(x))


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_be_adopted_is_refused_with_the_way_out(why):
    with pytest.raises(Unadoptable, match=why):
        program(REFUSED[why], [0, 1], (LENGTH,), CLASSES)


def test_what_a_forward_raises_by_itself_is_its_own():
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        program(lambda: nn.Linear(LENGTH + 1, CLASSES), [0, 1], (LENGTH,), CLASSES)


def test_refusing_leaves_the_module_as_it_was():
    module = construct(Counting, 0)
    before = copy.deepcopy(module.state_dict())
    with pytest.raises(Unadoptable):
        program(lambda: module, [0, 1], (LENGTH,), CLASSES)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
