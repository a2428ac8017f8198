"""What others write is trained and measured as it is written, or refused before training."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.clouds import CALLED, SOUND, model, spec

from expzoo.analysis.cohort import Cohort
from expzoo.analysis.predictions import Predictions
from expzoo.engine.adoption.proof import prove
from expzoo.lab.request import Request
from expzoo.spec.measure import Measure
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from expzoo.lab.lab import Lab
    from expzoo.lab.trained import Trained
    from expzoo.spec.spec import Spec

STATISTICS = """self.norm = nn.BatchNorm1d(4)
        self.norm.running_mean.fill_(2.0)
        self.norm.running_var.fill_(9.0)
        """
NORMED = "return self.last(self.first(self.norm(x)).relu())"
OWN_TRAIN = """    def train(self, mode=True):
        super().train(mode)
        self.norm.eval()
        return self
"""
HELD = {
    "by a train of its own": model(NORMED, STATISTICS) + OWN_TRAIN,
    "by its constructor": model(NORMED, STATISTICS + "self.norm.eval()"),
}


@pytest.mark.parametrize("case", HELD)
def test_a_layer_that_is_held_in_evaluation_mode_keeps_its_statistics(
    write: Callable[..., None], open_lab: Callable[..., Lab], case: str
) -> None:
    write("models", HELD[case])
    assert prove(spec()) is None
    [network] = open_lab().train(Request((spec(),), (Measure("accuracy", "test"),)))
    module = network.module()
    assert module.norm.running_mean.tolist() == [2.0] * 4
    assert module.norm.running_var.tolist() == [9.0] * 4
    x, y = examples(network, "test")
    normed = (x - 2) / (9 + 1e-5) ** 0.5 * module.norm.weight + module.norm.bias
    right = module.last(module.first(normed).relu()).argmax(1) == y
    assert network.value() == pytest.approx(100 * right.double().mean().item())
    assert network.value() > 95


def test_a_layer_that_adapts_is_evaluated_with_the_averages_of_the_data(
    write: Callable[..., None], open_lab: Callable[..., Lab]
) -> None:
    write("models", model(NORMED, STATISTICS))
    [network] = open_lab().train([spec()])
    torch.testing.assert_close(network.module().norm.running_mean, examples(network, "train")[0].mean(0))
    assert network.value() > 95


def examples(network: Trained, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    data = network.spec.dataset.build().split(split, 0)
    return torch.tensor(data.x), torch.tensor(data.y)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("outputs.mul_(2).mean().item()", "changes the outputs it is given"),
        ("outputs.mean().item() + (targets.fill_(1) * 0).sum().item()", "or the targets"),
        ("outputs.mean().item() + random.random()", "another number the second time"),
    ],
)
def test_a_planted_fault_of_a_metric_is_refused_before_training(
    write: Callable[..., None], open_lab: Callable[..., Lab], body: str, why: str
) -> None:
    write("models", model())
    write("metrics", CALLED.format(body=f"return {body}"))
    lab = open_lab()
    with pytest.raises(BadInput, match=f"metric=given: .*{why}"):
        lab.train(Request((spec(),), (Measure("given", "test"),)))
    assert not lab.account.trained


@pytest.mark.parametrize("loss", ["bce", "mse", "squared_hinge", "bce_of_probabilities"])
def test_one_output_is_that_of_class_1_to_every_loss_and_metric(
    write: Callable[..., None], open_lab: Callable[..., Lab], loss: str
) -> None:
    last = ".sigmoid()" if loss == "bce_of_probabilities" else ""
    write("models", model(f"return self.last(self.first(x - 2.0).relu()){last}", outputs=1))
    measures = tuple(Measure(metric, "test") for metric in ("accuracy", "error", "nll", "brier"))
    [network] = open_lab().train(Request((spec(loss, steps=400),), measures))
    x, y = examples(network, "test")
    outputs = network.module()(x)[:, 0].detach().double()
    chance = outputs.clamp(0, 1) if loss in ("mse", "bce_of_probabilities") else outputs.sigmoid()
    assert network.value("accuracy") == pytest.approx(100 * ((chance > 0.5) == y).double().mean().item())
    assert network.value("accuracy") > 95
    assert network.value("error") == pytest.approx(100 - network.value("accuracy"))
    true = torch.where(y == 1, chance, 1 - chance)
    assert network.value("nll") == pytest.approx(-true.log().clamp_min(-100).mean().item(), rel=1e-5)
    assert network.value("brier") == pytest.approx(2 * (1 - true).square().mean().item(), rel=1e-5)
    two = Predictions().logits(network, "test")
    assert two.shape == (400, 2)
    assert 100 * np.mean(two.argmax(1) == y.numpy()) == pytest.approx(network.value("accuracy"))


def test_one_output_gives_the_mean_chance_of_class_1_in_an_ensemble(
    write: Callable[..., None], open_lab: Callable[..., Lab]
) -> None:
    write("models", model(outputs=1))
    cohort = Cohort(open_lab().train([spec("bce").replace(seed=seed) for seed in (1, 2)]))
    chances = cohort.predict("test").double().sigmoid().mean(0)
    torch.testing.assert_close(cohort.ensemble("test").double().sigmoid(), chances, rtol=1e-5, atol=1e-6)


# Data.


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        ("train nan", "2 of 400 examples of the train split have NaN in x, the first at index 7"),
        ("test nan", "2 of 400 examples of the test split have NaN in x, the first at index 7"),
        ("test inf", "2 of 400 examples of the test split have infinity in x, the first at index 7"),
        ("train label", "2 of 400 examples of the train split have a label outside 0..1, the first at index 7: 5"),
        ("test label", "2 of 400 examples of the test split have a label outside 0..1, the first at index 7: 5"),
        ("train one", "all 400 examples of the train split have label 1: there is nothing to tell apart"),
    ],
)
def test_data_that_train_to_nothing_are_refused_before_training(
    write: Callable[..., None], open_lab: Callable[..., Lab], spoilt: str, why: str
) -> None:
    write("models", model())
    lab = open_lab()
    with pytest.raises(BadInput) as caught:
        lab.train([spec(spoilt=spoilt)])
    assert str(caught.value) == f"dataset=clouds: {why}"
    assert not lab.account.trained


# Before training, once.


def test_a_proof_is_made_once_for_each_source_and_kept(
    write: Callable[..., None], open_lab: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    proved: list[Spec] = []
    monkeypatch.setattr("expzoo.lab.adoption.prove", lambda asked, *_: proved.append(asked))

    def train(steps: int) -> int:
        """How many proofs were made when networks of so many steps were asked for."""
        before = len(proved)
        open_lab().train([spec(steps=steps).replace(seed=seed) for seed in range(3)])
        return len(proved) - before

    write("models", model())
    assert [train(2), train(2), train(3)] == [1, 0, 0]
    write("models", model() + "# another source\n")
    assert [train(3), train(4), train(5)] == [0, 1, 0]
    write("models", "# what another plugin may import\n", "_helper")
    assert [train(6), train(7)] == [1, 0]


def test_what_is_refused_stays_refused_and_nothing_is_kept(
    write: Callable[..., None], open_lab: Callable[..., Lab], tmp_path: Path
) -> None:
    write("models", model("x -= 2.0\n        return self.last(self.first(x).relu())"))
    for lab in (open_lab(), open_lab()):
        for _ in range(2):
            with pytest.raises(BadInput, match="model=given: its forward changes its input in place"):
                lab.train([spec()])
        assert not lab.account.trained
    kept = [path.read_text() for path in (tmp_path / "store").rglob("*.json")]
    assert not [text for text in kept if "model" in text]  # the data are proved all the same
    assert kept


def test_the_packages_own_plugins_are_not_proved_by_runs(
    open_lab: Callable[..., Lab], base: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("expzoo.lab.adoption.prove", lambda *_: pytest.fail("a plugin of the package was proved"))
    open_lab().train([base.replace(stop={"steps": 2})])


def test_what_an_in_place_forward_meant_has_the_accuracy_of_the_ordinary_loop(
    write: Callable[..., None], open_lab: Callable[..., Lab]
) -> None:
    write("models", model(**SOUND["a name for x - 2"]))
    [network] = open_lab().train([spec(steps=400)])
    assert network.value() > 97


def test_networks_that_start_by_numpy_start_alike_in_two_stores_and_are_their_own(
    write: Callable[..., None], open_lab: Callable[..., Lab]
) -> None:
    write("models", model(**SOUND["its own start by NumPy"]))
    specs = [spec(steps=3).replace(seed=seed) for seed in (1, 2)]
    one, other = (open_lab(store).train(specs) for store in ("one", "other"))
    for mine, theirs in zip(one, other, strict=True):
        assert np.array_equal(mine.row(0), theirs.row(0))
        assert np.array_equal(mine.row(), theirs.row())
    assert not np.array_equal(one[0].parameters(0)["first.weight"], one[1].parameters(0)["first.weight"])


def generators() -> str:
    """Where the generators are that everybody in a process shares."""
    return repr((random.getstate(), np.random.get_state(), torch.get_rng_state()))  # noqa: NPY002


def test_a_proof_leaves_the_shared_generators_where_they_were(write: Callable[..., None]) -> None:
    write("models", model(**SOUND["its own start by NumPy"]))
    before = generators()
    assert prove(spec()) is None
    assert before == generators()
