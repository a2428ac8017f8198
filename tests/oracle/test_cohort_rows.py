"""A cohort's members, averages and alignment, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from expzoo.analysis.cohort import Cohort
from expzoo.science.numerics.alignment import permuted
from expzoo.science.numerics.symmetry import hidden_units
from expzoo.spec.component import Component
from expzoo.spec.spec import Fresh, Spec

if TYPE_CHECKING:
    from expzoo.lab.trained import Trained

WIDE = torch.float64
Train = Callable[..., "list[Trained]"]
SmallSpec = Callable[..., Spec]


def test_some_members(networks: list[Trained]) -> None:
    cohort = Cohort(networks)
    cohort.predict()
    for chosen, indices in ((1, [1]), (slice(1, None), [1, 2]), ([2, 0], [2, 0])):
        part = cohort[chosen]
        assert len(part) == len(indices)
        assert part.specs == [cohort.specs[index] for index in indices]
        assert torch.equal(part.rows, cohort.rows[indices])
        assert torch.equal(part.predict(), cohort.predict()[indices])
        assert part.loss().tolist() == cohort.loss()[indices].tolist()


# Averages.


def test_averages(networks: list[Trained]) -> None:
    cohort = Cohort(networks, dtype="float64")
    torch.testing.assert_close(cohort.average(), cohort.rows.mean(0))
    expected = 0.75 * cohort.rows[0] + 0.25 * cohort.rows[2]
    torch.testing.assert_close(cohort.average([3, 0, 1]), expected)
    torch.testing.assert_close(cohort.average([3, 1], rows=cohort.rows[[0, 2]]), expected)
    outputs = cohort.predict()
    torch.testing.assert_close(cohort.ensemble(of="outputs"), outputs.mean(0))
    mixed = outputs.softmax(-1)
    torch.testing.assert_close(cohort.ensemble().softmax(-1), mixed.mean(0))
    torch.testing.assert_close(cohort.ensemble(weights=[1, 1, 0]).exp(), (mixed[0] + mixed[1]) / 2)


@pytest.mark.parametrize(
    ("weights", "why"), [([1, 2], r"shape \(2,\) must have the shape \(3,\)"), ([1, 0, -1], "sum other than 0")]
)
def test_impossible_weights(networks: list[Trained], weights: list[float], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Cohort(networks).average(weights)


# Alignment.


def shuffled(network: Trained, cohort: Cohort, seed: int) -> Trained:
    """The same function with its hidden units in another order."""
    module = network.module()
    units = hidden_units(module)
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(group.width, generator=generator) for group in units]
    row = torch.zeros(cohort.layout.size)
    for name, view in cohort.layout.view(row).items():
        view.copy_(permuted(dict(module.named_parameters()), units, orders)[name].detach())
    rows = {0: row.numpy(), network.step: row.numpy()}
    return replace(network, network=replace(network.network, rows=rows))


@pytest.mark.parametrize("residual", [True, False])
def test_a_permuted_copy_is_realigned_exactly(train_small: Train, small_spec: SmallSpec, residual: bool) -> None:
    [network] = train_small(small_spec(width=30).replace(model={"depth": 3, "residual": residual}))
    reference = Cohort([network])
    copies = [shuffled(network, reference, seed) for seed in range(3)]
    cohort = Cohort([network, *copies])
    assert not torch.equal(cohort.rows[1], cohort.rows[0])
    torch.testing.assert_close(cohort.predict()[1:], cohort.predict()[:1].expand(3, -1, -1), rtol=1e-4, atol=1e-5)
    assert torch.equal(cohort.align(), cohort.rows[:1].expand(4, -1))


def test_aligned_networks_are_the_same_functions_and_nearer(train_small: Train, small_spec: SmallSpec) -> None:
    cohort = Cohort(train_small(*(small_spec(seed, width=12) for seed in range(3))), dtype="float64")
    before = cohort.rows.clone()
    aligned = cohort.align(to=1)
    assert torch.equal(cohort.rows, before)
    assert torch.equal(aligned[1], before[1])
    assert not torch.equal(aligned, before)
    assert cohort.loss(aligned).tolist() == pytest.approx(cohort.loss().tolist(), rel=1e-13)
    assert torch.equal(aligned.sort(1).values, before.sort(1).values)
    distances = [(rows - before[1]).norm(dim=1) for rows in (aligned, before)]
    assert (distances[0][[0, 2]] < distances[1][[0, 2]]).all()


# What is no cohort, and what cannot be asked of one.


def test_networks_that_are_no_cohort(train_small: Train, small_spec: SmallSpec, networks: list[Trained]) -> None:
    other = train_small(
        small_spec(width=5), small_spec(loss="mse"), small_spec(final_seq_length=30), small_spec(train_split=0.4)
    )
    with pytest.raises(ValueError, match="at least one network"):
        Cohort([])
    with pytest.raises(ValueError, match="one model, not"):
        Cohort([networks[0], other[0]])
    with pytest.raises(ValueError, match="one loss, not"):
        Cohort([networks[0], other[1]])
    with pytest.raises(ValueError, match="one shape of data"):
        Cohort([networks[0], other[2]])
    for step in (7, "best"):
        with pytest.raises(ValueError, match=f"has no row at {step}, only at 0, 20, 40: ask for it in the Request"):
            Cohort(networks, step=step)
    with pytest.raises(ValueError, match="dtype 'float16' must be float32 or float64"):
        Cohort(networks, dtype="float16")  # type: ignore[arg-type]
    [mapped] = train_small(
        small_spec().replace(parametrisation=Component.of("parametrisation", "subspace", dimension=8), fixed=(Fresh(),))
    )
    with pytest.raises(ValueError, match="are not weights: it has a parametrisation"):
        Cohort([mapped])
    unequal = Cohort([networks[0], other[3]])
    with pytest.raises(ValueError, match=r"train splits have \[80, 100\] examples: make a cohort of each"):
        unequal.grad()


@pytest.mark.usefixtures("any_shape")
def test_rows_and_vectors_that_do_not_fit(networks: list[Trained]) -> None:
    cohort = Cohort(networks)
    size = cohort.layout.size
    for rows in (cohort.rows[0], cohort.rows[:, :-1]):
        with pytest.raises(ValueError, match=rf"must have the shape \(k, {size}\)"):
            cohort.loss(rows)
    with pytest.raises(ValueError, match="vectors of shape"):
        cohort.hvp(None, cohort.rows[:2])
    with pytest.raises(ValueError, match="did you mean accuracy"):
        cohort.measure("acuracy")
    with pytest.raises(ValueError, match="there is no split"):
        cohort.predict("tets")


def test_float64_networks_stay_float64(train_small: Train, small_spec: SmallSpec, networks: list[Trained]) -> None:
    wide = train_small(small_spec().replace(dtype="float64"))
    assert Cohort(wide).rows.dtype == WIDE
    with pytest.raises(ValueError, match="one dtype, not float32, float64"):
        Cohort([*networks, *wide])
    assert Cohort([*networks, *wide], dtype="float64").loss().shape == (4,)


def test_what_the_caller_set_stays(networks: list[Trained], threads: Callable[[int], None]) -> None:
    threads(2)
    cohort = Cohort(networks)
    cohort.predict(), cohort.loss(), cohort.grad(), cohort.align()
    assert torch.get_num_threads() == 2
    assert torch.is_grad_enabled()
