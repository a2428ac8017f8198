"""The contract suite notices what it is there for: each plugin below breaks one rule, and the message says which."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from expzoo.config import registry
from expzoo.system.errors import BadInput
from expzoo.testing import check_plugin, plugin_cases

HEAD = """
import numpy as np
import torch
from torch import nn
from expzoo.plugin import Arrays, Count, Split, batches, register
from expzoo.study import Findings, Request

@register
"""

DATASET = """class Given(Arrays):
    '''Random examples.'''
    def __init__(self) -> None:
        x = np.random.default_rng(0).normal(size=(60, 3))
        super().__init__(5, train=(x[:40], np.arange(40) % 2), test=(x[40:], np.arange(20) % 2))
"""

MODEL = """class Given(nn.Module):
    '''One layer.'''
    def __init__(self, inputs, outputs) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs[0], outputs)
    def forward(self, x):
        return self.layer(x)
"""

LOSS = """class Given:
    '''Squared outputs.'''
    def __call__(self, outputs, targets):
        return outputs.square().mean()
"""

OPTIMIZER = """class Given:
    '''Gradient descent.'''
    state = ()
    lr = 0.1
    def __init__(self, *, lr: float = 0.1) -> None:
        self.lr, self.count = lr, 0
    def step(self, theta, grad, state, lr, step):
        theta.sub_(grad, alpha=lr)
"""

STOP = """class Given:
    '''Ten steps.'''
    at_most, every, watches, must_end = 10, 5, ("loss", "train"), False
    def done(self, history):
        return history[-1] < 0.1
"""

SCHEDULE = """class Given:
    '''Constant.'''
    def factor(self, step, steps):
        return 1.0
"""

METRIC = """class Given:
    '''The mean output.'''
    def __call__(self, outputs, targets):
        return outputs.double().mean().item()
"""

ANALYSIS = """class Given:
    '''One network a seed.'''
    def measure(self, setting):
        networks = yield Request(tuple(setting.specs()))
        return Findings([row for network in networks for row in network.rows(("accuracy", "test"), arm="all")])
    def judge(self, table, arrays):
        return []
    def draw(self, table, arrays):
        return []
"""

WHOLE = {
    "dataset": DATASET,
    "model": MODEL,
    "loss": LOSS,
    "optimizer": OPTIMIZER,
    "stop": STOP,
    "schedule": SCHEDULE,
    "metric": METRIC,
    "analysis": ANALYSIS,
}

STREAM = """np.arange(20) % 2))
    batch_last = False
    def batches(self, seeds, start, stop):
        shape = (stop - start, len(seeds), 5)
        return MADE, np.zeros(shape, int)
"""

BROKEN = [
    ("dataset", "'''Random examples.'''", "", "needs a docstring"),
    ("dataset", "test=(x[40:]", "test=(x[20:40]", "20 examples of the test split are in the train split too"),
    ("dataset", "default_rng(0)", "default_rng()", "differs from object to object"),
    (
        "dataset",
        "np.arange(20) % 2))",
        "np.arange(20) % 2))\n        self.outputs = 1.0",
        "must be whole numbers above 0, not",
    ),
    (
        "dataset",
        "np.arange(20) % 2))",
        "np.arange(20) % 2))\n    def indices(self, seed, start, stop):\n"
        "        return np.zeros((stop - start, 5), int) + start",
        r"indices\(seed, 3, 9\) depends on where the call starts",
    ),
    (
        "dataset",
        "np.arange(20) % 2))",
        "np.arange(20) % 2))\n    def split(self, name, seed):\n"
        "        found = super().split(name, seed)\n"
        "        return Split(found.x + np.float32(seed % 1000), found.y)",
        "two seeds have one identity",
    ),
    (
        "dataset",
        "np.arange(20) % 2))",
        "np.arange(20) % 2))\n    def split(self, name, seed):\n"
        "        return self._splits['train' if name == 'train' else 'test']",
        "20 examples of the validation split are in the test split too",
    ),
    (
        "dataset",
        "np.arange(20) % 2))\n",
        STREAM.replace("MADE", "np.zeros((*shape, 3))"),
        "two seeds or two steps see the same batch",
    ),
    (
        "dataset",
        "np.arange(20) % 2))\n",
        STREAM.replace("MADE", "np.zeros((*shape, 4))"),
        r"has x of shape \(9, 2, 5, 4\), not \(9, 2, 5, 3\)",
    ),
    (
        "dataset",
        "np.arange(20) % 2))\n",
        STREAM.replace("MADE", "np.random.default_rng(start).normal(size=(*shape, 3))"),
        "depend on the call, on the company or on earlier calls",
    ),
    ("model", "outputs)\n    def", "outputs + 1)\n    def", r"gives outputs of shape \(2, 11\), not \(2, 10\)"),
    ("model", "self.layer(x)", "self.layer(x + torch.randn_like(x))", "randn_like, which draws from torch's global"),
    ("model", "inputs[0], outputs", "inputs[7], outputs", "takes the examples of no registered dataset; mnist1d:"),
    (
        "model",
        "return self.layer(x)",
        "self.calls = getattr(self, 'calls', 0) + 1\n        return self.layer(x) * self.calls",
        r"it changes self\.calls while it is used: a population traces one forward",
    ),
    ("loss", ".mean()", ".sum()", "is no mean over examples"),
    ("loss", ".mean()", ".mean(1)", r"gives a tensor of shape \(6,\)"),
    ("loss", "outputs.square().mean()", "(outputs * outputs.detach()).mean()", "finite differences"),
    ("optimizer", "alpha=lr)", "alpha=lr).add_(1e-3)", "weights of zero with a gradient of zero do not stay zero"),
    ("optimizer", "alpha=lr)", "alpha=lr * grad.norm().item())", "updated otherwise in a crowd"),
    (
        "optimizer",
        "theta.sub_(grad, alpha=lr)",
        "self.count += 1; theta.sub_(grad, alpha=lr / self.count)",
        "updated otherwise in a crowd|a new object with the same state goes on otherwise",
    ),
    ("optimizer", "theta.sub_", "theta.sub", "leaves weights where they are"),
    ("stop", "history[-1] < 0.1", "history.pop() < 0.1", "changes the history"),
    ("stop", "= 10, 5,", "= 10, 50,", "every is 50, not a number of steps up to at_most 10"),
    ("schedule", "return 1.0", "return 1.0 - step", "not a finite number of at least 0"),
    ("metric", ".mean()", "[0].mean()", "depends on the order of the examples"),
    ("metric", "outputs.double()", "outputs.mul_(2)", "changes the outputs"),
    ("analysis", "yield Request(tuple(setting.specs()))", "yield setting.specs()", "not a Request"),
    ("analysis", "setting.specs()", "setting.specs()[:0]", "asks for no network"),
    ("analysis", "return Findings(", "return list(", "not Findings"),
    ("analysis", "return []\n    def", "return ['yes']\n    def", "not verdicts"),
    (
        "analysis",
        "tuple(setting.specs())",
        "tuple(setting.specs(model={'wdth': 3}))",
        "has no wdth: did you mean width",
    ),
]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Puts a plugin called `given` into a home of this test's own."""
    monkeypatch.setenv("EXPZOO_PLUGINS", str(tmp_path))

    def write(kind: str, source: str) -> None:
        file = tmp_path / registry.FOLDERS[kind] / "given.py"
        file.parent.mkdir()
        file.write_text(HEAD + source)

    yield write
    for name in [name for name in sys.modules if name.startswith("expzoo.plugins.") and name.endswith(".given")]:
        del sys.modules[name]


@pytest.mark.parametrize("kind", WHOLE)
def test_a_plugin_that_keeps_the_contract_passes(write: Callable[[str, str], None], kind: str) -> None:
    write(kind, WHOLE[kind])
    assert (kind, "given") in plugin_cases()
    check_plugin(kind, "given")


@pytest.mark.parametrize("layer", ["Dropout(0.3)", "BatchNorm1d(inputs[0])", "Sequential(nn.Dropout(), nn.Dropout())"])
def test_layers_that_differ_in_training_keep_the_contract(write: Callable[[str, str], None], layer: str) -> None:
    write(
        "model",
        MODEL.replace("nn.Linear(inputs[0], outputs)", f"nn.Sequential(nn.{layer}, nn.Linear(inputs[0], outputs))"),
    )
    check_plugin("model", "given")


@pytest.mark.parametrize(("kind", "old", "new", "why"), BROKEN)
def test_a_broken_rule_is_named(write: Callable[[str, str], None], kind: str, old: str, new: str, why: str) -> None:
    source = WHOLE[kind].replace(old, new)
    assert source != WHOLE[kind]
    write(kind, source)
    with pytest.raises(AssertionError, match=why) as caught:
        check_plugin(kind, "given")
    assert str(caught.value).startswith(f"{kind}=given: ")


def test_an_unknown_plugin_or_kind_is_bad_input() -> None:
    with pytest.raises(BadInput, match="no kind of plugin called modle: did you mean model"):
        check_plugin("modle", "mlp")
    with pytest.raises(BadInput, match="no model=mlpp: did you mean mlp"):
        check_plugin("model", "mlpp")


def test_a_wrong_option_is_named() -> None:
    with pytest.raises(AssertionError, match="model=mlp: raised BadInput: model has no wdth: did you mean width"):
        check_plugin("model", "mlp", wdth=3)
