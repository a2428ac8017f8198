"""What is not model or loss is proved too: each planted fault of a part is refused by name, in one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.clouds import CALLED, HEAD, model, spec

from expzoo.engine.adoption.fault import Unseen
from expzoo.engine.adoption.looks import look_at_metric
from expzoo.engine.adoption.parts import look_at_part
from expzoo.engine.adoption.probing import look_at_probe
from expzoo.engine.blueprints import Blueprints
from expzoo.spec.component import Component

FOLDERS = {"optimizer": "optimizers", "schedule": "schedules", "stop": "stops", "constraint": "constraints"}
SOURCES = {
    "optimizer": """@register
class Given:
    '''An optimizer.'''
    noisy = False
    state = ("m",)
    def __init__(self, *, lr: float = 0.1) -> None:
        self.lr, self.count, self.m = lr, 0, 0.0
    def step(self, theta, grad, state, lr, step):
        BODY
""",
    "schedule": """@register
class Given:
    '''A schedule.'''
    def __init__(self) -> None:
        self.count = 0
    def factor(self, step: int, steps: int) -> float:
        BODY
""",
    "stop": """@register
class Given:
    '''A stop rule.'''
    must_end = False
    best = None
    watches = ("loss", "test")
    def __init__(self, *, steps: int = 40) -> None:
        self.at_most, self.every, self.low = steps, 5, 1e9
    def done(self, history):
        BODY
""",
    "constraint": """@register
class Given:
    '''A constraint.'''
    def project(self, theta, layout):
        BODY
""",
}
PARTS = [
    ("optimizer", "state['m'].mul_(0.9).add_(grad); theta.sub_(lr * state['m'])", None),
    ("optimizer", "theta.sub_(lr * grad / (grad.norm(dim=1, keepdim=True) + 1e-6))", None),
    ("optimizer", "theta.sub_(lr * grad / (grad.norm() + 1e-6))", "rows are updated otherwise in a crowd"),
    ("optimizer", "theta.sub_(lr * grad + 0.01 * torch.randn_like(theta))", "do not stay zero"),
    ("optimizer", "theta.sub_(lr * grad * random.random())", "otherwise"),
    ("optimizer", "self.count += 1; theta.sub_(lr * grad / self.count)", "a new object with the same state goes on"),
    ("optimizer", "self.m = grad + 0.9 * self.m; theta.sub_(lr * self.m)", "name what it keeps in `state`"),
    ("optimizer", "theta.sub_(lr * (grad.sign() + 0.1))", "do not stay zero"),
    ("schedule", "return 1 / (1 + step)", None),
    ("schedule", "self.count += 1; return 1 / self.count", "depends on what was asked before"),
    ("schedule", "return float('nan')", "not a finite number of at least 0"),
    ("stop", "return len(history) > 3 and history[-1] > history[-2]", None),
    (
        "stop",
        "self.low, before = min(self.low, history[-1]), self.low; return before < history[-1]",
        "depends on earlier questions",
    ),
    ("stop", "return history.pop() < 1", "changes the history"),
    ("constraint", "theta.div_(theta.norm(dim=1, keepdim=True))", None),
    ("constraint", "theta.div_(theta.norm())", "alone has other bits than in a crowd"),
    ("constraint", "theta.clamp_(min=0.01)", "padding between parameters does not stay zero"),
]


@pytest.mark.parametrize(("kind", "body", "why"), PARTS)
def test_a_part_is_a_function_of_what_it_is_handed(
    write: Callable[..., None], kind: str, body: str, why: str | None
) -> None:
    write("models", model())
    write(FOLDERS[kind], HEAD + SOURCES[kind].replace("BODY", body))
    assert_said(look_at_part(Component.of(kind, "given"), spec(), Blueprints()), f"{kind}=given: ", why)  # pyrefly: ignore


def assert_said(fault: object, where: str, why: str | None) -> None:
    if why is None:
        assert fault is None
        return
    said = str(fault)
    assert re.search(why, said), said
    assert said.startswith(where)
    assert "\n" not in said


DATA = """@register
class Given:
    '''Data.'''
    def __init__(self, *, batch_size: int = 20) -> None:
        self.inputs, self.outputs, self.batch_size, self.redraws = (4,), 2, batch_size, False
        self.x = np.random.default_rng(SEED).normal(size=(200, 4)).astype(np.float32)
        self.y, self.rng = np.arange(200) % 2, np.random.default_rng(0)
    def identity(self, seed):
        return 0
    def split(self, name, seed):
        from expzoo.plugin import Split
        if name not in ("train", "test"):
            raise ValueError("no such split")
        where = slice(0, 100) if name == "train" else slice(100, 200)
        return Split(self.x[where] SPLIT, self.y[where])
    def indices(self, seed, start, stop):
        return np.stack([np.random.default_rng([seed, step]).integers(LOW, 100, 20) for step in range(start, stop)])
"""
DATASETS = {
    "sound": ({}, None),
    "made anew": ({"SEED": ""}, "its train split has other examples when it is made again"),
    "drawn at each call": (
        {"SPLIT": "+ np.random.rand(100, 4).astype(np.float32)"},
        "its train split has other examples when it is made again",
    ),
    "an order that is drawn": (
        {"np.random.default_rng([seed, step]).integers": "np.random.randint"},
        r"indices\(seed, 1, 4\) depends on where the call starts",
    ),
    "an order that goes on": ({"np.random.default_rng([seed, step])": "self.rng"}, "depends on where the call starts"),
    "examples from the end": ({"LOW": "-3"}, "indices from -3 to .* of 100 examples"),
}


@pytest.mark.parametrize("case", DATASETS)
def test_data_are_a_function_of_seed_and_step(write: Callable[..., None], case: str) -> None:
    changes, why = DATASETS[case]
    source = DATA
    for old, new in changes.items():
        source = source.replace(old, new)
    for old, new in {"SEED": "0", "SPLIT": "", "LOW": "0"}.items():
        source = source.replace(old, new)
    write("models", model())
    write("datasets", HEAD + source)
    part: Any = Component.of("dataset", "given")
    assert_said(look_at_part(part, spec().replace(dataset=part), Blueprints()), "dataset=given: ", why)


RIGHT = "float((outputs.argmax(1) == targets).float().mean())"
METRICS = {
    "sound": (f"return {RIGHT}", None),
    "in place": (f"outputs -= 1\n        return {RIGHT}", "changes the outputs it is given"),
    "in place, and raises of drawn outputs": (
        f"if outputs.abs().max() > 2: raise ValueError('no')\n        outputs += 1\n        return {RIGHT}",
        "changes the outputs it is given",
    ),
    "an average over calls": (
        "self.n = getattr(self, 'n', 0) + len(targets)\n"
        f"        self.r = getattr(self, 'r', 0.0) + len(targets) * {RIGHT}\n        return self.r / self.n",
        "another number the second time",
    ),
    "a mean of the first call": (
        "self.mean = getattr(self, 'mean', outputs.mean(0))\n        return float((outputs - self.mean).abs().mean())",
        "another number the second time",
    ),
    "a mean of the first call, seldom seen": (
        "self.mean = getattr(self, 'mean', outputs.mean(0))\n"
        "        return float(((outputs - self.mean).argmax(1) == targets).float().mean())",
        "another number the second time",
    ),
    "a counter": (f"self.n = getattr(self, 'n', 0) + 1\n        return {RIGHT}", r"changes self\.n"),
    "drawn": (f"return {RIGHT} + random.random()", "another number the second time"),
}


@pytest.mark.parametrize("case", METRICS)
def test_a_metric_is_a_function_of_outputs_and_targets(write: Callable[..., None], case: str) -> None:
    body, why = METRICS[case]
    write("models", model())
    write("metrics", CALLED.format(body=body))
    assert_said(look_at_metric(Component.of("metric", "given"), spec(), Blueprints()), "metric=given: ", why)


def test_of_a_metric_that_raises_nothing_is_proved(write: Callable[..., None]) -> None:
    write("models", model())
    write("metrics", CALLED.format(body="raise KeyError('x')"))
    with pytest.raises(Unseen):
        look_at_metric(Component.of("metric", "given"), spec(), Blueprints())


PROBE = """@register
class Given:
    '''A probe.'''
    on_split = SPLIT
    def __call__(self, point):
        BODY
"""
PROBES = {
    "sound": (False, "return point.row.norm().item()", None),
    "a mean over weights": (False, "return point.row[point.places].abs().mean().item()", None),
    "a gradient": (True, "return point.grad(100).norm().item()", None),
    "a curvature": (True, "return point.top(1)[0].item()", None),
    "a parameter by name": (False, "return point.layout.view(point.row)['first.weight'].norm().item()", None),
    "weights in place": (False, "return point.row.mul_(2).norm().item()", "it changes the weights or the data"),
    "first weights in place": (False, "return point.first.sub_(point.row).norm().item()", "it changes the weights"),
    "examples in place": (True, "x, y = point.data()\n        x -= 1\n        return x.std().item()", "or the data"),
    "targets in place": (True, "x, y = point.data()\n        y[:] = 0\n        return x.std().item()", "or the data"),
    "an average over calls": (
        False,
        "self.n = getattr(self, 'n', 0) + 1\n        self.s = getattr(self, 's', 0.0) + point.row.norm().item()\n"
        "        return self.s / self.n",
        "another number the second time",
    ),
    "drawn": (False, "return (point.row * torch.randn_like(point.row)).sum().item()", "another number the second"),
    "a counter": (
        False,
        "self.n = getattr(self, 'n', 0) + 1\n        return point.row.norm().item()",
        r"changes self\.n",
    ),
    "padding": (False, "return point.row.abs().mean().item()", "zeros between the parameters of a row"),
}


@pytest.mark.parametrize("case", PROBES)
def test_a_probe_is_a_function_of_one_network(write: Callable[..., None], case: str) -> None:
    on_split, body, why = PROBES[case]
    write("models", model())
    write("probes", HEAD + PROBE.replace("SPLIT", str(on_split)).replace("BODY", body))
    fault = look_at_probe(Component.of("probe", "given"), spec(), Blueprints())
    assert_said(fault, "probe=given: ", why)


def test_a_probe_of_one_kind_of_model_is_proved_on_the_network_itself(write: Callable[..., None]) -> None:
    write(
        "models",
        model(more="self.own = nn.Parameter(torch.ones(3))", forward="return self.last(self.first(x)) * self.own[0]"),
    )
    body = "return point.layout.view(point.row)['own'].add_(1).norm().item()"
    write("probes", HEAD + PROBE.replace("SPLIT", "False").replace("BODY", body))
    fault = look_at_probe(Component.of("probe", "given"), spec(), Blueprints())
    assert_said(fault, "probe=given: ", "it changes the weights")
