"""A cohort of convolutions, pooling, recurrence, attention and batch normalisation against plain loops over modules."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradgradcheck
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils.parametrizations import weight_norm

from expzoo.analysis.cohort import Cohort
from expzoo.engine.layers.differentiable import DifferentiableFunctions
from expzoo.spec.component import Component
from expzoo.system.arithmetic import exact_arithmetic

if TYPE_CHECKING:
    from expzoo.lab.trained import Trained
    from expzoo.spec.spec import Spec

WIDE = torch.float64

PLUGIN = '''"""Layers of many kinds."""

from typing import Literal

import torch
from torch import nn

from expzoo.plugin import register


class Last(nn.Module):
    """The last output of a recurrent layer, or of attention."""

    def __init__(self, layer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x):
        x = x.unflatten(1, (4, 3))
        return (self.layer(x, x, x) if isinstance(self.layer, nn.MultiheadAttention) else self.layer(x))[0][:, -1]


@register
class Layered(nn.Sequential):
    """12 positions through a layer of the kind that is asked for."""

    def __init__(
        self,
        inputs,
        outputs,
        *,
        kind: Literal[
            "batch", "images", "max", "mean", "gru", "lstm", "rnn", "layer", "group", "attention", "encoder"
        ] = "batch",
    ) -> None:
        image, both = nn.Unflatten(1, (1, 3, 4)), {"batch_first": True, "bidirectional": True}
        layers = {
            "batch": [nn.Linear(12, 5), nn.BatchNorm1d(5), nn.Tanh()],
            "images": [image, nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3), nn.SiLU(), nn.Flatten()],
            "max": [image, nn.Conv2d(1, 3, 3, padding=1), nn.MaxPool2d(2, 1, padding=1), nn.Tanh(), nn.Flatten()],
            "mean": [nn.Unflatten(1, (1, 12)), nn.Conv1d(1, 3, 3), nn.Tanh(), nn.AvgPool1d(3), nn.Flatten()],
            "gru": [Last(nn.GRU(3, 2, num_layers=2, **both))],
            "lstm": [Last(nn.LSTM(3, 2, **both))],
            "rnn": [Last(nn.RNN(3, 3, batch_first=True))],
            "layer": [nn.Linear(12, 5), nn.LayerNorm(5), nn.GELU()],
            "group": [nn.Linear(12, 6), nn.GroupNorm(2, 6), nn.Softplus(), nn.Dropout(0.5)],
            "attention": [Last(nn.MultiheadAttention(3, 1, batch_first=True))],
            "encoder": [nn.Unflatten(1, (4, 3)), nn.TransformerEncoderLayer(3, 1, 5, batch_first=True), nn.Flatten()],
        }
        super().__init__(*layers[kind], nn.LazyLinear(outputs))
        self.eval()(torch.zeros(2, 12))  # gives the last layer its shape
        self.train()
'''
KINDS = ("batch", "images", "max", "mean", "gru", "lstm", "rnn", "layer", "group", "attention", "encoder")


@pytest.fixture(scope="module")
def layered(
    tmp_path_factory: pytest.TempPathFactory, train_small: Callable[..., list[Trained]], small_spec: Callable[..., Spec]
) -> Iterator[Callable[..., list[Trained]]]:
    """Trains two networks with a layer of this kind, on options of the dataset."""
    home = tmp_path_factory.mktemp("home")
    (home / "models").mkdir()
    (home / "models" / "layered.py").write_text(PLUGIN)

    def trained(kind: str, **dataset: Any) -> list[Trained]:
        model = Component.of("model", "layered", kind=kind)
        return train_small(*(small_spec(seed, **dataset).replace(model=model) for seed in range(2)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPZOO_PLUGINS", str(home))
        yield trained


def examples(network: Trained, split: str) -> tuple[Tensor, Tensor]:
    found = network.spec.dataset.build().split(split, network.spec.seed)
    return torch.tensor(found.x).to(WIDE), torch.tensor(found.y)


def plain(network: Trained, row: Tensor, cohort: Cohort) -> nn.Module:
    """An ordinary module in evaluation mode, its averages those of one pass over all training data."""
    module = cohort.layout.load(copy.deepcopy(network.module()).to(WIDE), row)
    kept = [part for part in module.modules() if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)]
    for part in kept:
        part.train()
        part.momentum = 1.0
    module(examples(network, "train")[0])
    return module.eval()


def as_row(cohort: Cohort, values: dict[str, Tensor]) -> Tensor:
    row = torch.zeros(cohort.layout.size, dtype=WIDE)
    for name, view in cohort.layout.view(row).items():
        view.copy_(values[name].detach())
    return row


class ByAutograd:
    """The training loss of a network at a row, by torch's own layers and backward pass."""

    def __init__(self, network: Trained, row: Tensor, cohort: Cohort, rows: Any = slice(None)) -> None:
        module, (x, y) = plain(network, row, cohort), examples(network, "train")
        self.cohort, self.parameters = cohort, dict(module.named_parameters())
        with sdpa_kernel(SDPBackend.MATH):  # the other kernels of attention are differentiable once
            loss = nn.functional.cross_entropy(module(x[rows]), y[rows])
        first = torch.autograd.grad(loss, list(self.parameters.values()), create_graph=True)
        self.gradients = dict(zip(self.parameters, first, strict=True))

    @property
    def grad(self) -> Tensor:
        return as_row(self.cohort, self.gradients)

    def hvp(self, vector: Tensor) -> Tensor:
        along = sum((self.gradients[name] * value).sum() for name, value in self.cohort.layout.view(vector).items())
        values = list(self.parameters.values())
        second = torch.autograd.grad(along, values, materialize_grads=True, retain_graph=True)
        return as_row(self.cohort, dict(zip(self.parameters, second, strict=True)))


def drawn(cohort: Cohort) -> Tensor:
    vectors = torch.randn(len(cohort), cohort.layout.size, dtype=WIDE, generator=torch.Generator().manual_seed(0))
    kept = torch.zeros(cohort.layout.size, dtype=WIDE)
    kept[cohort.layout.places()] = 1
    return vectors * kept


@pytest.mark.parametrize(("kind", "draw"), [("batch", "frozen"), *((kind, "member") for kind in KINDS)])
def test_derivatives_are_those_of_plain_autograd(layered: Callable[..., list[Trained]], kind: str, draw: str) -> None:
    networks = layered(kind, draw=draw)
    cohort = Cohort(networks, dtype="float64")
    vectors, pairs = drawn(cohort), list(zip(networks, cohort.rows, strict=True))
    slow = [ByAutograd(network, row, cohort) for network, row in pairs]
    gradients = torch.stack([one.grad for one in slow])
    torch.testing.assert_close(cohort.grad(), gradients, rtol=1e-9, atol=1e-12)
    products = torch.stack([one.hvp(vector) for one, vector in zip(slow, vectors, strict=True)])
    torch.testing.assert_close(cohort.hvp(None, vectors), products, rtol=1e-8, atol=1e-11)
    torch.testing.assert_close(cohort.hessians()(vectors), products, rtol=1e-8, atol=1e-11)
    each = cohort.per_example_grad()
    one = torch.stack([ByAutograd(network, row, cohort, slice(3, 4)).grad for network, row in pairs])
    torch.testing.assert_close(each[:, 3], one, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(each.mean(1), gradients, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_module_that_is_taken_away_gives_what_the_cohort_predicts(
    layered: Callable[..., list[Trained]], kind: str
) -> None:
    networks = layered(kind, draw="member")
    cohort = Cohort(networks)
    for network, found in zip(networks, cohort.predict(), strict=True):
        module, x = network.module(), torch.tensor(network.spec.dataset.build().split("test", network.spec.seed).x)
        assert not module.training
        with exact_arithmetic(), torch.no_grad():
            assert torch.equal(module(x), found)
        accuracy = 100 * (found.argmax(1) == examples(network, "test")[1]).double().mean().item()
        assert network.value() == pytest.approx(accuracy)


def test_averages_over_batches_are_those_of_each_row_over_its_members_data(
    layered: Callable[..., list[Trained]],
) -> None:
    networks = layered("batch", draw="member")
    cohort = Cohort(networks, dtype="float64")
    for rows in (cohort.rows, 0.5 * cohort.rows.flip(0)):
        slow = []
        for network, row in zip(networks, rows, strict=True):
            module, (x, y) = plain(network, row, cohort), examples(network, "test")
            slow.append(nn.functional.cross_entropy(module(x), y).item())
        assert cohort.loss(rows).tolist() == pytest.approx(slow, rel=1e-9)
        slow_grads = [ByAutograd(network, row, cohort).grad for network, row in zip(networks, rows, strict=True)]
        torch.testing.assert_close(cohort.grad(rows), torch.stack(slow_grads), rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="3 rows: every member has its own train split, so there must be 2"):
        cohort.grad(cohort.rows[[0, 1, 0]])
    alone = cohort[1]
    torch.testing.assert_close(alone.grad(), cohort.grad()[1:], rtol=1e-12, atol=1e-14)


def test_the_top_eigenvalue_with_batch_normalisation_is_that_of_the_dense_hessian(
    layered: Callable[..., list[Trained]],
) -> None:
    networks = layered("batch")
    cohort = Cohort(networks, dtype="float64")
    indices = cohort.layout.places()
    slow = ByAutograd(networks[0], cohort.rows[0], cohort)
    hessian = torch.stack([slow.hvp(vector) for vector in torch.eye(cohort.layout.size, dtype=WIDE)[indices]])
    expected = torch.linalg.eigvalsh(hessian[:, indices])[-1]
    assert cohort[0].top_eigenvalues(tolerance=1e-8).item() == pytest.approx(expected.item(), rel=1e-6)


def doubles(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=WIDE, generator=torch.Generator().manual_seed(seed))


BOTH = {"batch_first": True, "bidirectional": True}
LAYERS = {
    "gru": nn.GRU(3, 4, num_layers=2, bias=False, **BOTH),
    "gru, steps first": nn.GRU(3, 4),
    "lstm": nn.LSTM(3, 4, num_layers=3, **BOTH),
    "lstm, projected": nn.LSTM(3, 4, proj_size=2),
    "rnn, relu": nn.RNN(3, 4, nonlinearity="relu", **BOTH),
    "max pooling, padded and dilated": nn.MaxPool1d(3, stride=2, padding=1, dilation=2),
    "max pooling, rounded up": nn.MaxPool1d(2, ceil_mode=True),
    "mean pooling, padded": nn.AvgPool1d(3, stride=2, padding=1, count_include_pad=False),
    "convolution": nn.Conv1d(6, 4, 3, stride=2, padding=1, groups=2),
    "attention": nn.TransformerEncoderLayer(3, 1, 5, batch_first=True).eval(),
    "weight norm": weight_norm(nn.Linear(3, 4)),
    "weight norm of columns": weight_norm(nn.Linear(3, 4), dim=1),
    "weight norm as a whole": weight_norm(nn.Linear(3, 4), dim=None),
    "weight norm of a convolution": weight_norm(nn.Conv1d(6, 4, 2), dim=-2),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_that_of_torch(name: str) -> None:
    layer, x = LAYERS[name].double(), doubles(5, 6, 3)
    with torch.no_grad():
        expected = layer(x)
        with DifferentiableFunctions():
            found = layer(x)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_second_derivatives_of_weight_norm_are_those_of_finite_differences(dim: int) -> None:
    """Not torch's: along g they are not what differences of its own gradient show (2.13)."""
    v, g = doubles(4, 3).requires_grad_(), doubles(*{0: (4, 1), 1: (1, 3), -1: (1, 1)}[dim], seed=1).requires_grad_()
    with DifferentiableFunctions():
        assert gradgradcheck(lambda v, g: torch._weight_norm(v, g, dim), (v, g))
