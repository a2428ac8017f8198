"""Ordinary modules before they become rows: lazy layers get shapes, and what no row can hold is refused."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn
from torch.nn import utils
from torch.nn.utils import parametrizations, prune

from expzoo.spec.layout import Layout, construct, drawn_buffer
from expzoo.spec.modules import settled


def changed(change):
    """Two layers of which the first is changed in place."""
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    with warnings.catch_warnings(action="ignore"):
        change(module[0])
    return module


class Computed(nn.Linear):
    """Keeps what it computed of its weights."""

    def __init__(self):
        super().__init__(3, 2)
        self.norm = self.weight.norm()


REFUSED = {
    "prunes 0.weight with torch.nn.utils.prune, .*parametrisation=masked": lambda: changed(
        lambda layer: prune.l1_unstructured(layer, "weight", 0.5)
    ),
    "prunes 0.bias": lambda: changed(lambda layer: prune.random_unstructured(layer, "bias", 1)),
    "weight_norm on 0.weight, .*parametrizations.weight_norm": lambda: changed(utils.weight_norm),
    "spectral_norm on 0.weight, .*matrix_norm": lambda: changed(utils.spectral_norm),
    "has spectral_norm on 0.weight": lambda: changed(parametrizations.spectral_norm),
    "has spectral_norm on weight": lambda: parametrizations.spectral_norm(nn.Linear(4, 4)),
    "orthogonal on 0.weight, .*use_trivialization=False": lambda: changed(parametrizations.orthogonal),
    "Computed keeps norm, computed from parameters": Computed,
    "Sequential keeps 0.norm, computed": lambda: nn.Sequential(Computed()),
    "lazy parameter weight without a shape": lambda: nn.LazyLinear(3),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_more_than_its_parameters_is_refused_in_one_line(why):
    with pytest.raises(ValueError, match=why) as refusal:
        Layout.of(REFUSED[why]())
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "change", [parametrizations.weight_norm, lambda one: parametrizations.orthogonal(one, use_trivialization=False)]
)
def test_parametrised_layers_are_their_parameters(change):
    module, other = (construct(lambda: changed(change), seed) for seed in (1, 2))
    layout, x = Layout.of(module), torch.randn(3, 4)
    assert not torch.equal(module(x), other(x))
    torch.testing.assert_close(layout.load(other, layout.row(module))(x), module(x))


def lazy():
    return nn.Sequential(
        nn.LazyConv1d(3, 2),
        nn.LazyBatchNorm1d(),
        nn.Dropout(),
        nn.Flatten(),
        nn.LazyLinear(4),
        nn.ReLU(),
        nn.Linear(4, 2),
    )


def test_lazy_layers_start_from_their_own_seed_and_are_otherwise_untouched():
    x = torch.randn(5, 2, 6)
    one, again, other = (construct(lambda: settled(lazy(), lambda: x[:2]), seed) for seed in (1, 1, 2))
    rows = [Layout.of(module).row(module) for module in (one, again, other)]
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])
    assert all(part.training for part in one.modules())
    assert not any(hook for part in one.modules() for hook in part._forward_pre_hooks)
    assert one[1].num_batches_tracked == 0
    assert one[4].in_features == 15
    for layer in (one[0], one[4]):  # as an ordinary layer of this size begins
        bound = layer.weight[0].numel() ** -0.5
        assert 0.5 * bound < layer.weight.abs().max() <= bound


def test_what_is_not_lazy_is_not_run():
    settled(nn.Linear(2, 2), lambda: pytest.fail("it was asked for an example"))


class Fixed(nn.Module):
    """A layer on random features that are no parameters."""

    def __init__(self, kind):
        super().__init__()
        self.last = nn.Linear(3, 2)
        features = torch.randn(4, 3) if "drawn" in kind else torch.ones(4, 3)
        if "buffer" in kind:
            self.register_buffer("features", features)
        else:
            self.features = features


@pytest.mark.parametrize(
    ("kind", "found"), [("drawn buffer", "features"), ("drawn", "features"), ("buffer", None), ("plain", None)]
)
def test_tensors_that_every_seed_draws_otherwise_are_found(kind, found):
    module = construct(lambda: Fixed(kind), 0)
    assert drawn_buffer(module, lambda: construct(lambda: Fixed(kind), 1)) == found
