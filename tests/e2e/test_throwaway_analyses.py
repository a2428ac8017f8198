"""Six analyses that the core was not written for, each under 40 lines, on the core unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from expzoo.analysis.cohort import Cohort
from expzoo.lab.lab import Lab
from expzoo.lab.request import Request
from expzoo.science.numerics.lanczos import top_eigenvalues
from expzoo.spec.component import Component
from expzoo.spec.recipe import FINAL, Event
from expzoo.spec.spec import Rewind, Spec
from expzoo.store.store import Store
from expzoo.system.machine import machine_class
from expzoo.system.randomness import member_seed


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(Store(tmp_path, machine_class()))


def spec(seed: int = 0, **components: Component) -> Spec:
    parts = {
        "dataset": Component.of("dataset", "mnist1d", num_samples=1000, train_size=200),
        "model": Component.of("model", "mlp", width=16),
        "optimizer": Component.of("optimizer", "adam"),
        "schedule": Component.of("schedule", "constant"),
        "loss": Component.of("loss", "cross_entropy"),
        "stop": Component.of("stop", "steps", steps=150),
    }
    return Spec(seed=member_seed(0, seed), **(parts | components))  # type: ignore[arg-type]


def test_a_bezier_curve_trained_between_two_networks(lab: Lab) -> None:
    ends = spec(0), spec(1)
    bend = spec(2, parametrisation=Component.of("parametrisation", "curve")).replace(
        fixed=tuple(Rewind(end, FINAL) for end in ends), stop={"steps": 300}
    )
    a, b, z = (network.row() for network in lab.train([*ends, bend]))
    places = np.linspace(0, 1, 11)[:, None]
    chord = (1 - places) * a + places * b
    curve = (1 - places) ** 2 * a + 2 * places * (1 - places) * z + places**2 * b
    cohort = Cohort(lab.train([ends[0]]))
    loss = {name: cohort.loss(torch.tensor(rows), "train") for name, rows in {"chord": chord, "curve": curve}.items()}
    assert loss["curve"].max() < 0.5 * loss["chord"].max()


def test_hinge_in_float64_stopped_when_fitted(lab: Lab) -> None:
    fitted = spec(
        loss=Component.of("loss", "squared_hinge"),
        stop=Component.of("stop", "fitted", loss=0.01, every=20, at_most=2000),
    ).replace(dtype="float64")
    [network] = lab.train(Request((fitted,), ()))
    assert network.network.status == "finished"
    assert network.row().dtype == np.float64
    assert network.step < 2000
    assert network.step % 20 == 0


def test_projected_sgd_on_a_sphere_with_a_frozen_layer(lab: Lab) -> None:
    sphere = spec(
        optimizer=Component.of("optimizer", "sgd", lr=0.1),
        constraint=Component.of("constraint", "sphere", radius=3.0, scope="tensor"),
        parametrisation=Component.of("parametrisation", "frozen", parameters=("first.*",)),
    )
    [network] = lab.train(Request((sphere,), (), steps=(0, 70)))
    for step in (0, 70, FINAL):
        trained = [value for name, value in network.parameters(step).items() if not name.startswith("first.")]
        assert all(np.linalg.norm(value) == pytest.approx(3.0, rel=1e-5) for value in trained)
    first, last = network.parameters(0), network.parameters()
    assert np.array_equal(first["first.weight"], last["first.weight"])
    assert not np.allclose(first["last.weight"], last["last.weight"], rtol=1e-2)


def test_a_langevin_chain_keeping_every_tenth_row(lab: Lab) -> None:
    steps = tuple(range(50, 151, 10))
    chains = [spec(0, optimizer=Component.of("optimizer", "sgld", temperature=t)) for t in (0.0, 1e-3)]
    cold, warm = lab.train(Request(tuple(chains), (), steps=steps))
    moved = {
        name: np.std([chain.row(step) for step in steps], 0).sum() for name, chain in [("cold", cold), ("warm", warm)]
    }
    assert len({chain.key for chain in (cold, warm)}) == 2
    assert moved["warm"] > 2 * moved["cold"]


def test_the_top_hessian_eigenvalue_at_the_first_loss_below_a_tenth(lab: Lab) -> None:
    event = Event("loss", "train", at_most=0.1, every=10)
    [network] = lab.train(Request((spec(),), (), events=(event,)))
    step = network.step_of(event)
    assert network.curve("loss", "train")[step] <= 0.1 < network.curve("loss", "train")[step - 10]
    cohort = Cohort([network], dtype="float64")
    row = torch.tensor(network.row(event)).double()

    def matvec(vector: torch.Tensor) -> torch.Tensor:
        return cohort.hvp(row.unsqueeze(0), vector.unsqueeze(0), "train")[0]

    [value] = top_eigenvalues(matvec, len(row), 1)
    [later] = cohort.top_eigenvalues()
    assert value > 0
    assert value != pytest.approx(float(later[0]), rel=1e-3)  # of the last row, not of the event's


def test_per_example_gradients_at_a_checkpoint(lab: Lab) -> None:
    [network] = lab.train(Request((spec(),), (), steps=(50,)))
    cohort = Cohort([network], dtype="float64")
    row = torch.tensor(network.row(50)).double().unsqueeze(0)
    each = cohort.per_example_grad(row, "train")
    assert each.shape[:2] == (1, 200)
    assert torch.allclose(each.mean(1), cohort.grad(row, "train"), rtol=1e-8, atol=1e-12)
