"""What every probe keeps, and each shipped one against a second implementation."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor

from expzoo.analysis.cohort import Cohort
from expzoo.config import registry
from expzoo.engine.assembly import Assembler
from expzoo.engine.evaluation import Evaluator
from expzoo.lab.request import Request
from expzoo.spec.measure import Measure, component, full_name, probe
from expzoo.spec.spec import Magnitude, Rewind, Spec
from expzoo.spec.when import every
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from expzoo.lab.lab import Lab
    from expzoo.lab.trained import Trained

PROBES = registry.available("probe")


@pytest.fixture
def networks(base: Spec, open_lab: Callable[..., Lab]) -> list[Trained]:
    """A dense network and a pruned one."""
    dense = base.replace(model={"width": 4}, dataset={"final_seq_length": 12, "num_samples": 100})
    return open_lab().train([dense, dense.replace(init=Rewind(dense), mask=Magnitude(dense, 0.5))])


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_is_a_number_and_says_whether_it_looks_at_data(name: str, networks: list[Trained]) -> None:
    on_split = registry.load("probe", name).on_split
    assert isinstance(on_split, bool)
    values = Cohort(networks).measure(name, split="train" if on_split else "")
    assert values.shape == (2,)
    assert values.isfinite().all()
    assert torch.equal(values, Cohort(networks).measure(name, split="train" if on_split else ""))


def dense_hessian(network: Trained, count: int, row: Tensor | None = None) -> Tensor:
    """Of the first examples, in the places of a row; rows and columns of pruned weights are zero."""
    assembler, spec = Assembler(), network.spec
    split = spec.dataset.build().split("train", spec.seed)
    x, y = torch.tensor(split.x[:count]).double(), torch.tensor(split.y[:count])
    module, layout = assembler.blueprints.module(spec).double(), assembler.blueprints.layout(spec)

    def loss(row: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(torch.func.functional_call(module, layout.view(row), (x,)), y)

    hessian = torch.autograd.functional.hessian(loss, torch.tensor(network.row()).double() if row is None else row)
    mask = torch.ones(len(hessian)) if network.mask is None else torch.tensor(network.mask)
    return hessian * mask.outer(mask)


def test_probes_are_what_they_say(networks: list[Trained]) -> None:
    cohort = Cohort(networks)
    rows = np.stack([network.row().astype(np.float64) for network in networks])
    first = np.stack([network.row(0).astype(np.float64) for network in networks])
    assert cohort.measure("norm", split="").tolist() == pytest.approx(np.sqrt((rows**2).sum(1)))
    assert cohort.measure("distance", split="").tolist() == pytest.approx(np.sqrt(((rows - first) ** 2).sum(1)))
    gradients = Cohort(networks, dtype="float64").grad(examples=range(30))
    gradients[1] *= torch.tensor(networks[1].mask)
    found = cohort.measure("gradient_norm(examples=30)", split="train")
    torch.testing.assert_close(found, gradients.norm(dim=1), rtol=1e-9, atol=0)
    hessians = [dense_hessian(network, 30) for network in networks]
    top = torch.stack([torch.linalg.eigvalsh(hessian)[-1] for hessian in hessians])
    found = cohort.measure("sharpness(examples=30, tolerance=1e-8)", split="train")
    torch.testing.assert_close(found, top, rtol=1e-6, atol=0)
    for hessian, value in zip(
        hessians, cohort.measure("hessian_trace(samples=400, examples=30)", split="train"), strict=True
    ):
        off_diagonal = hessian - hessian.diag().diag()
        assert abs(value - hessian.trace()) < 4 * (2 * off_diagonal.square().sum() / 400).sqrt()


def test_probes_of_the_spectrum_are_those_of_the_dense_hessian(networks: list[Trained]) -> None:
    cohort, count = Cohort(networks, dtype="float64"), 30
    options = f"examples={count}"
    found = {
        name: cohort.measure(name, split="train")
        for name in (
            f"hessian_outliers({options})",
            f"hessian_outliers({options}, most=4, floor=0.1)",
            f"hessian_bulk({options}, below=0.01)",
            f"gradient_in_top({options}, k=3)",
            f"gradient_in_top({options})",
            f"gradient_overlap({options})",
        )
    }
    for member, network in enumerate(networks):
        hessian = dense_hessian(network, count)
        places = cohort.layout.places()
        if network.mask is not None:
            places = places[torch.tensor(network.mask)[places] != 0]
        hessian = hessian[places][:, places]
        values, vectors = torch.linalg.eigh(hessian)
        values, vectors = values.flip(0), vectors.flip(1)
        gradient = cohort.grad(examples=range(count))[member, places]
        classes = int(network.spec.dataset.build().split("train", network.spec.seed).y[:count].max()) + 1

        def outliers(most: int, floor: float, values: Tensor = values) -> int:
            raised = [max(value, floor * values[0].item()) for value in values[: most + 1].tolist()]
            return 1 + int(np.argmax([a / b for a, b in itertools.pairwise(raised)]))

        product = hessian @ gradient
        expected = [
            outliers(30, 1e-3),
            outliers(4, 0.1),
            100 * (values.abs() <= 0.01 * values[0]).double().mean().item(),
            *(100 * (vectors[:, :k].T @ gradient).square().sum() / gradient.square().sum() for k in (3, classes)),
            gradient @ product / gradient.norm() / product.norm(),
        ]
        assert [values[member].item() for values in found.values()] == pytest.approx(list(map(float, expected)), 1e-6)


def test_probes_that_look_back_are_those_of_plain_loops(networks: list[Trained]) -> None:
    cohort, count = Cohort(networks[:1], dtype="float64"), 30
    network, places = networks[0], cohort.layout.places()
    first, last = torch.tensor(network.row(0)).double(), cohort.rows[0]
    line = torch.stack([first + part / 4 * (last - first) for part in range(5)])
    losses = cohort.loss(line, "train")
    found = cohort.measure("barrier(points=5)", split="train").item()
    assert found == pytest.approx(losses.max().item() - max(losses[0].item(), losses[-1].item()), abs=1e-12)
    hessians = [dense_hessian(network, count, row)[places][:, places] for row in (first, last)]
    before, now = (torch.linalg.eigh(hessian)[1][:, -3:] for hessian in hessians)
    found = cohort.measure(f"top_overlap(k=3, examples={count})", split="train").item()
    assert found == pytest.approx(100 * (now.T @ before).square().sum().item() / 3, rel=1e-5)


def test_all_eigenvalues_of_too_many_weights_are_refused(
    networks: list[Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("expzoo.components.probes.MOST_DENSE", 20)
    with pytest.raises(BadInput, match=r"^hessian_bulk on train: all eigenvalues of \d+ parameters .* at most 20$"):
        Cohort(networks[:1]).measure("hessian_bulk", split="train")


def test_the_spectrum_at_a_kink_is_refused_in_one_line(networks: list[Trained]) -> None:
    cohort = Cohort(networks[:1])
    cohort.rows.zero_()
    with pytest.raises(BadInput, match=r"^hessian_outliers on train: the loss has a kink at these weights, .*tanh.*$"):
        cohort.measure("hessian_outliers", split="train")


def test_probes_in_training(base: Spec, open_lab: Callable[..., Lab]) -> None:
    lab = open_lab()
    request = Request(
        (base,), (probe("norm", when=every(20)), probe("sharpness", "train", examples=25), Measure()), (20,)
    )
    [network] = lab.train(request)
    norms = network.curve("norm", "")
    assert list(norms) == [0, 20, 40, 60]
    assert norms[20] == pytest.approx(np.linalg.norm(network.row(20).astype(np.float64)))
    assert network.value("sharpness(examples=25)", "train") == Cohort([network]).measure(
        "sharpness(examples=25)", split="train"
    )
    rows = network.rows(("norm", ""), ("accuracy", "test"), arm="dense")
    assert [(row["metric"], row["split"], row["step"]) for row in rows] == [("norm", "", 60), ("accuracy", "test", 60)]
    trained = set(lab.account.trained)
    [again] = lab.train(Request((base,), (probe("norm"), Measure("brier"))))
    assert lab.account.trained == trained
    assert again.value("norm", "") == norms[60]
    assert again.value("brier") > 0


def test_what_a_probe_needs_and_is_not_given(networks: list[Trained]) -> None:
    dense, pruned = networks
    path = torch.stack([Cohort([pruned]).rows[0]] * 2)
    with pytest.raises(BadInput, match="distance: what was kept of the network is not known here"):
        Cohort([dense]).measure("distance", path, "")
    with pytest.raises(BadInput, match="sharpness on train: what was kept of the network is not known here"):
        Cohort([pruned]).measure("sharpness", path, "train")
    assert Cohort([dense]).measure("norm", path, "").shape == (2,)
    with pytest.raises(BadInput, match="500 examples are more than the 80 of the split"):
        Cohort([dense]).measure("sharpness(examples=500)", split="train")


@pytest.mark.parametrize(
    "name", ["sharpness", "hessian_outliers", "hessian_bulk", "gradient_in_top", "gradient_overlap"]
)
def test_a_loss_that_overflows_has_no_curvature(name: str, networks: list[Trained]) -> None:
    spec = networks[0].spec
    row = torch.from_numpy(networks[0].row()).double() * 1e200
    with exact_arithmetic():
        [value] = Evaluator().values(spec, row, [Measure(name, "train")])
    assert math.isnan(value)


def test_the_time_of_looking_is_told_apart_from_that_of_training(
    base: Spec, open_lab: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    values, seconds = Evaluator.values, 0.2

    def slow(*args: Any, **options: Any) -> list[float]:
        time.sleep(seconds)
        return values(*args, **options)

    monkeypatch.setattr(Evaluator, "values", slow)
    lab, begin = open_lab(), time.perf_counter()
    lab.train(
        Request((base,), (Measure("accuracy", "test", every(20)),))
    )  # after 20, 40 and 60 steps, and nothing else
    elapsed = time.perf_counter() - begin
    assert lab.account.looking_seconds >= 3 * seconds
    assert lab.account.training_seconds <= elapsed - lab.account.looking_seconds
    again = open_lab()
    again.train(Request((base,), (Measure("error", "test"),)))
    assert again.account.looking_seconds >= seconds
    assert again.account.training_seconds == 0


def test_an_option_that_was_gained_leaves_the_name_as_it_was() -> None:
    """Values that were kept before are found."""
    assert full_name(component("norm")) == "norm"
    assert full_name(component("norm(without='last.*')")) == "norm(without='last.*')"
    assert full_name(component("sharpness(examples=5)")) == "sharpness(examples=5, tolerance=0.001)"


def test_norms_without_some_weights_are_those_of_the_others(networks: list[Trained]) -> None:
    cohort = Cohort(networks)
    for network, without, whole in zip(
        networks, cohort.measure("norm(without='first.*')", split=""), cohort.measure("norm", split=""), strict=True
    ):
        kept = {name: value for name, value in network.parameters().items() if not name.startswith("first.")}
        expected = math.sqrt(sum(np.square(value, dtype=np.float64).sum() for value in kept.values()))
        assert float(without) == pytest.approx(expected, rel=1e-6)
        assert without < whole


def test_effective_sharpness_is_that_of_the_weights_at_norm_1(networks: list[Trained]) -> None:
    """Against the block of the dense Hessian of those weights."""
    name = "effective_sharpness(without='first.*', tolerance=1e-8)"
    for network, seen in zip(networks, Cohort(networks).measure(name, split="train"), strict=True):
        cohort = Cohort([network], dtype="float64")
        layout = cohort.layout
        free = np.ones(layout.size, bool) if network.mask is None else network.mask
        chosen = np.zeros(layout.size, bool)
        for parameter, slot in layout.weights(biases=True):
            chosen[slot] = not parameter.startswith("first.")
        block = np.flatnonzero(chosen & free)
        units = torch.eye(layout.size, dtype=torch.float64)[block]
        dense = torch.stack([cohort.hvp(None, unit.unsqueeze(0), split="train")[0][block] for unit in units])
        top = float(torch.linalg.eigvalsh(dense)[-1])
        assert float(seen) == pytest.approx(top * float(cohort.rows[0][block].square().sum()), rel=1e-5)
