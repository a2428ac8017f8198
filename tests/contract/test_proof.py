"""The proof of adoption finds what would train as something else: every planted fault, by name and in one line."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from expzoo.analysis.cohort import Cohort
from expzoo.analysis.predictions import Predictions
from expzoo.components.feasibility import loss_faults, model_faults
from expzoo.engine.adoption.proof import prove
from expzoo.lab.request import Request
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure
from expzoo.spec.spec import Spec
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from expzoo.lab.lab import Lab
    from expzoo.lab.trained import Trained

DATA = '''"""Two clouds."""
import numpy as np
from expzoo.plugin import Arrays, Count, normals, register

@register
class Clouds(Arrays):
    """Points around 2 +- 1 of each axis, whose class says which."""
    def __init__(self, *, batch_size: Count = 20, outputs: Count = 2, spoilt: str = "") -> None:
        y = np.arange(800) % 2
        x = 2 + normals(0, "clouds", 0, 3200).reshape(800, 4) * 0.5 + (2 * y - 1)[:, None]
        splits = {"train": (x[:400].copy(), y[:400].copy()), "test": (x[400:].copy(), y[400:].copy())}
        if spoilt:
            where, what = spoilt.split()
            if what == "one":
                splits[where][1][:] = 1
            elif what == "label":
                splits[where][1][[7, 9]] = 5
            else:
                splits[where][0][[7, 9], 1] = float(what)
        super().__init__(batch_size, **splits)
        self.outputs = outputs
'''

HEAD = '''"""Given."""
import itertools
import random
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from expzoo.plugin import register

COUNT = 0

'''
MODEL = '''@register
class Given(nn.Module):
    """Two layers."""
    def __init__(self, inputs, outputs) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 16), nn.Linear(16, {outputs})
        {more}
    def forward(self, x):
        {forward}
'''
PLAIN = "return self.last(self.first(x - 2.0).relu())"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Puts plugins called `given` into a home of this test's own, which has two clouds of points."""
    monkeypatch.setenv("EXPZOO_PLUGINS", str(tmp_path / "plugins"))

    def write(folder: str, source: str, name: str = "given") -> None:
        file = tmp_path / "plugins" / folder / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)

    write("datasets", DATA, "clouds")
    yield write
    for name in [
        name for name in sys.modules if name.startswith("expzoo.plugins.") and name.endswith((".given", ".clouds"))
    ]:
        del sys.modules[name]


def model(forward: str = PLAIN, more: str = "pass", outputs: str | int = "outputs") -> str:
    return HEAD + MODEL.format(forward=forward, more=more, outputs=outputs)


def spec(loss: str = "cross_entropy", name: str = "given", steps: int = 200, **data: object) -> Spec:
    part = Component.of
    return Spec(
        dataset=part("dataset", "clouds", **data),
        model=part("model", name),
        optimizer=part("optimizer", "adam", lr=0.01),
        schedule=part("schedule", "constant"),
        loss=part("loss", loss),
        stop=part("stop", "steps", steps=steps),
        seed=1,
    )


SOUND = {
    "two layers": {},
    "a name for x - 2": {"forward": "x = x - 2.0\n        return self.last(self.first(x).relu())"},
    "one output": {"outputs": 1},
    "dropout": {"more": "self.drop = nn.Dropout(0.3)", "forward": "return self.last(self.drop(self.first(x).relu()))"},
    "dropout in place": {
        "more": "self.drop = nn.Dropout(0.3, inplace=True)",
        "forward": "return self.last(self.drop(self.first(x)).relu())",
    },
    "batch normalisation": {
        "more": "self.norm = nn.BatchNorm1d(16)",
        "forward": "return self.last(self.norm(self.first(x)).relu())",
    },
    "relu in place after a layer": {"forward": "return self.last(F.relu_(self.first(x)))"},
    "its own start by NumPy": {"more": "self.first.weight.data.copy_(torch.from_numpy(np.random.randn(16, 4)))"},
    "its own start by random": {"more": "self.first.bias.data.fill_(random.gauss(0, 1))"},
    "zeros made in the forward": {"forward": "return self.last(torch.zeros(len(x), 16) + self.first(x).relu())"},
    "computed in float32": {"forward": "return self.last(self.first(x).relu().float().to(x.dtype))"},
    "what it saw is kept for a look": {
        "forward": "self.seen = {'h': self.first(x)}\n        return self.last(self.seen['h'].relu())"
    },
    "a constant that is filled once": {
        "more": "self.scale = None",
        "forward": "self.scale = self.scale or 2.0\n        return self.last(self.first(x * self.scale).relu())",
    },
    "float32 alone": {
        "more": "self.eye = torch.eye(16)",
        "forward": "return self.last(self.first(x).relu() @ self.eye)",
    },
}
"""What is trained as it is written."""


@pytest.mark.parametrize("case", SOUND)
def test_a_sound_module_is_proved(write: Callable[..., None], case: str) -> None:
    write("models", model(**SOUND[case]))
    assert prove(spec("bce" if SOUND[case].get("outputs") == 1 else "cross_entropy")) is None


FAULTS = {
    "its input in place": (
        "x -= 2.0\n        return self.last(self.first(x).relu())",
        "pass",
        "changes its input in place",
    ),
    "an activation in place on its input": ("return self.last(self.first(F.relu_(x)).relu())", "pass", "x.clone()"),
    "its input in place in evaluation": (
        "x.mul_(1.0 if self.training else 2.0)\n        return self.last(self.first(x).relu())",
        "pass",
        "in place",
    ),
    "random in the forward": (
        "return self.last(self.first(x * (1 + 0.1 * random.random())).relu())",
        "pass",
        "draws random numbers",
    ),
    "NumPy in the forward": (
        "return self.last(self.first(x + float(np.random.rand())).relu())",
        "pass",
        "draws random numbers",
    ),
    "a generator in the forward": (
        "return self.last(self.first(x + self.rng.normal()).relu())",
        "self.rng = np.random.default_rng(0)",
        r"changes self\.rng",
    ),
    "torch in the forward": ("return self.last(self.first(x + torch.randn_like(x)).relu())", "pass", "randn_like"),
    "a counter": (
        "self.calls += 1\n        return self.last(self.first(x).relu()) / self.calls",
        "self.calls = 0",
        r"it changes self\.calls",
    ),
    "a counter that does nothing yet": (
        "self.calls += 1\n        return self.last(self.first(x).relu()) * (2.0 if self.calls > 1000 else 1.0)",
        "self.calls = 0",
        r"it changes self\.calls",
    ),
    "a counter of the class": (
        "Given.calls = getattr(Given, 'calls', 0) + 1\n        return self.last(self.first(x).relu())",
        "pass",
        r"it changes Given\.calls",
    ),
    "a counter of the file": (
        "global COUNT\n        COUNT += 1\n        return self.last(self.first(x).relu())",
        "pass",
        "it changes COUNT",
    ),
    "an iterator": (
        "return self.last(self.first(x).relu()) * next(self.rates)",
        "self.rates = itertools.cycle([1.0, 0.5, 0.25])",
        "loss at step 1",
    ),
    "an average that is no buffer": (
        "h = self.first(x).relu()\n        self.mean = 0.9 * self.mean + 0.1 * h.mean().detach()\n"
        "        return self.last(h - self.mean)",
        "self.mean = torch.tensor(0.0)",
        "in a population",
    ),
    "a start by a generator of its own": (
        PLAIN,
        "self.first.weight.data.copy_(torch.from_numpy(np.random.default_rng().normal(size=(16, 4))))",
        r"different values of the parameter first\.weight.*default_rng",
    ),
    "a drawn tensor that is no parameter": (
        "return self.last(self.first(x).relu() * self.drawn)",
        "self.drawn = torch.rand(16)",
        "in a population its loss at step 0",
    ),
    "a drawn buffer": (
        "return self.last(self.first(x).relu() * self.drawn)",
        "self.register_buffer('drawn', torch.rand(16))",
        "its buffer drawn is drawn at random",
    ),
    "noise in evaluation": (
        "return self.last(F.dropout(self.first(x).relu(), 0.5, training=True))",
        "pass",
        "evaluated twice",
    ),
    "its parameters in place": (
        "self.first.weight.data.clamp_(-0.01, 0.01)\n        return self.last(self.first(x).relu())",
        "pass",
        r"changes the parameter first\.weight",
    ),
    "no gradient": ("return self.last(self.first(x).relu()).detach()", "pass", "do not depend on its parameters"),
    "one axis": (
        "return self.last(self.first(x).relu())[:, 0]",
        "pass",
        r"its forward returns a tensor of shape \(8,\) for 8 examples, not a tensor of shape \(8, 2\) or \(8, 1\)",
    ),
    "a tuple": ("return self.last(self.first(x).relu()), x", "pass", "its forward returns a tuple for 8 examples"),
    "a dict": ("return {'logits': self.last(self.first(x).relu())}", "pass", "its forward returns a dict for 8"),
    "a tuple in training": (
        "y = self.last(self.first(x).relu())\n        return (y, y) if self.training else y",
        "pass",
        "returns a tuple",
    ),
}
"""forward, more of the constructor, and what the refusal says."""


@pytest.mark.parametrize("case", FAULTS)
def test_a_planted_fault_of_a_module_is_refused_by_name(write: Callable[..., None], case: str) -> None:
    forward, more, why = FAULTS[case]
    write("models", model(forward, more))
    said = refused(spec())
    assert re.search(why, said), said
    assert said.startswith("model=given: ")
    assert "\n" not in said


def refused(wrong: Spec) -> str:
    """What is said of it."""
    try:
        return str(prove(wrong))
    except BadInput as error:
        return str(error)


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


CUT = {
    "complex64": "nn.Parameter(torch.ones(2, dtype=torch.complex64))",
    "float64": "nn.Parameter(torch.ones(2, dtype=torch.float64))",
    "int64": "nn.Parameter(torch.ones(2, dtype=torch.int64), requires_grad=False)",
}


@pytest.mark.parametrize("kind", CUT)
def test_parameters_that_a_row_would_cut_are_refused_by_name(write: Callable[..., None], kind: str) -> None:
    write("models", model(more=f"self.odd = {CUT[kind]}"))
    said = refused(spec())
    assert re.fullmatch(f"Given.odd is {kind}, which float32 cuts: make .*", said)
    assert any("odd" in fault for fault in model_faults(spec(), spec().dataset.build()))


def test_a_complex_buffer_is_refused_by_name(write: Callable[..., None]) -> None:
    write("models", model(more="self.register_buffer('odd', torch.ones(2, dtype=torch.complex64))"))
    assert re.search(r"odd is complex64, which .* two buffers", refused(spec()))


# Losses and metrics.

CALLED = (
    HEAD
    + """@register
class Given:
    \"\"\"A number.\"\"\"
    def __call__(self, outputs, targets):
        {body}
"""
)
ERROR = "(outputs - (targets[:, None] == torch.arange(2)).to(outputs.dtype)).square()"
LOSSES = {
    "its outputs in place": (f"outputs -= 1\n        return {ERROR}.mean()", "changes the outputs"),
    "its targets in place": (f"found = {ERROR}.mean()\n        targets += 1\n        return found", "or targets"),
    "random": (f"return {ERROR}.mean() * random.random()", "another number the second time"),
    "no mean": (f"return {ERROR}.mean(1)", r"a tensor of shape \(8,\), not a tensor of shape \(\)"),
    "a counter": (f"self.n = getattr(self, 'n', 0) + 1\n        return {ERROR}.mean()", r"changes self\.n"),
}


@pytest.mark.parametrize("case", LOSSES)
def test_a_planted_fault_of_a_loss_is_refused_by_name(write: Callable[..., None], case: str) -> None:
    body, why = LOSSES[case]
    write("models", model())
    write("losses", CALLED.format(body=body))
    said = refused(spec(loss="given"))
    assert re.search(why, said), said
    assert said.startswith("loss=given: ")


def test_a_sound_loss_is_proved(write: Callable[..., None]) -> None:
    write("models", model())
    write("losses", CALLED.format(body=f"return {ERROR}.mean()"))
    assert prove(spec(loss="given")) is None


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


def test_cross_entropy_of_one_output_is_refused(write: Callable[..., None]) -> None:
    write("models", model(outputs=1))
    why = "of one output it is 0 whatever the weights; give loss=bce, or two outputs"
    assert refused(spec()) == f"loss=cross_entropy: {why}"
    one = spec(outputs=1)
    assert loss_faults(one, one.dataset.build()) == [f"loss=cross_entropy: {why}"]
    assert loss_faults(one.replace(loss=Component.of("loss", "bce")), one.dataset.build()) == []


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
    assert not list((tmp_path / "store").rglob("*.json"))


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
