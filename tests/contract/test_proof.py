"""The proof of adoption finds what would train as something else: every planted fault, by name and in one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from tests.clouds import PLAIN, SOUND, model, spec

from expzoo.components.feasibility import model_faults
from expzoo.engine.adoption.proof import prove
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from expzoo.spec.spec import Spec


@pytest.mark.parametrize("case", SOUND)
def test_a_sound_module_is_proved(write: Callable[..., None], case: str) -> None:
    write("models", model(**SOUND[case]))
    assert prove(spec("bce" if SOUND[case].get("outputs") == 1 else "cross_entropy")) is None


@pytest.mark.parametrize("case", ["two layers", "dropout", "batch normalisation", "computed in float32"])
def test_a_network_that_is_trained_alone_is_proved_in_its_own_loop(
    write: Callable[..., None], monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr("expzoo.engine.large.LARGE", 1)
    monkeypatch.setattr("expzoo.engine.program.Tape", lambda *_: pytest.fail("a tape was made"))
    write("models", model(**SOUND[case]))
    assert prove(spec()) is None
    write(
        "models", model("return self.last(self.first(x).relu() * self.drawn)", "self.drawn = torch.rand(16)"), "other"
    )
    assert "its tensor drawn is drawn at random" in refused(spec(name="other"))


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
        r"changes self\.rates",
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
        "its tensor drawn is drawn at random",
    ),
    "a drawn buffer": (
        "return self.last(self.first(x).relu() * self.drawn)",
        "self.register_buffer('drawn', torch.rand(16))",
        "its tensor drawn is drawn at random",
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
    "a default that is filled": (
        "return self.go(x)\n    def go(self, x, seen=[]):\n        seen.append(1)\n"
        "        return self.last(self.first(x).relu()) * (2.0 if len(seen) > 1000 else 1.0)",
        "pass",
        "it changes a default of Given.go",
    ),
    "a counter that is closed over": (
        "return self.last(self.first(x).relu()) * (2.0 if self.count() > 1000 else 1.0)",
        "n = [0]\n        self.count = lambda: n.append(1) or len(n)",
        r"it changes self\.count",
    ),
    "a counter of a function": (
        "tick()\n        return self.last(self.first(x).relu()) * (2.0 if tick.calls > 1000 else 1.0)",
        "pass",
        "it changes an attribute of tick",
    ),
    "a counter of another class": (
        "Other.calls += 1\n        return self.last(self.first(x).relu()) * (2.0 if Other.calls > 1000 else 1.0)",
        "pass",
        r"it changes Other\.calls",
    ),
    "a counter of an object of the file": (
        "OTHER.own += 1\n        return self.last(self.first(x).relu()) * (2.0 if OTHER.own > 1000 else 1.0)",
        "pass",
        "it changes OTHER",
    ),
    "a counter in a slot": (
        "self.other.own += 1\n        return self.last(self.first(x).relu()) * (2.0 if self.other.own > 1000 else 1.0)",
        "self.other = Other()",
        r"it changes self\.other",
    ),
    "a queue": (
        "self.seen.append(1)\n        return self.last(self.first(x).relu()) * (2.0 if len(self.seen) > 1000 else 1.0)",
        "self.seen = collections.deque()",
        r"it changes self\.seen",
    ),
    "a count": (
        "return self.last(self.first(x).relu()) * (2.0 if next(self.calls) > 1000 else 1.0)",
        "self.calls = itertools.count()",
        r"it changes self\.calls",
    ),
    "a seed of torch in the constructor": (
        PLAIN,
        "torch.manual_seed(0); self.first.reset_parameters()",
        r"its constructor calls torch\.manual_seed",
    ),
    "a seed of NumPy in the constructor": (
        PLAIN,
        "np.random.seed(0); self.first.bias.data.fill_(np.random.randn())",
        r"its constructor calls np\.random\.seed",
    ),
    "a hook on a gradient that changes nothing yet": (
        PLAIN,
        "self.first.weight.register_hook(lambda g: g.clamp(-100, 100))",
        r"has a hook on the gradient of first\.weight",
    ),
    "a hook on a layer's gradient": (
        PLAIN,
        "self.first.register_full_backward_hook(lambda *_: None)",
        "has a hook on the gradient of first",
    ),
    "layers in a list": (
        "return self.last(self.hidden[0](self.first(x)).relu())",
        "self.hidden = [nn.Linear(16, 16)]",
        r"uses a tensor of shape \(16, 16\) that has a gradient, but is not reached.*nn\.ModuleList",
    ),
    "a second name of a parameter": (
        "return self.last(F.linear(x, self.weights[0]).relu())",
        "self.weights = [self.first.weight]",
        "no second name",
    ),
    "what is computed once from parameters": (
        "if self.norm is None: self.norm = self.first.weight.detach().norm()\n"
        "        return self.last(F.linear(x, self.first.weight.detach() / self.norm).relu())",
        "self.norm = None",
        "nothing computed from parameters may be kept",
    ),
    "a tensor that it counts in": (
        "self.calls += 1\n        return self.last(self.first(x).relu()) * torch.where(self.calls > 1000, 2.0, 1.0)",
        "self.calls = torch.zeros(())",
        "changes in place a tensor that it keeps",
    ),
    "a parameter of the forward": (
        "if not hasattr(self, 'more'): self.more = nn.Parameter(torch.ones(16))\n"
        "        return self.last(self.first(x).relu() * self.more)",
        "pass",
        "its forward makes the parameter more",
    ),
    "checkpoints": (
        "return self.last(torch.utils.checkpoint.checkpoint(self.first, x, use_reentrant=False).relu())",
        "import torch.utils.checkpoint",
        r"uses torch\.utils\.checkpoint",
    ),
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
