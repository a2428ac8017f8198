"""Plugins as others write them: data of two clouds of points, and sources of models, losses and metrics on them."""

from __future__ import annotations

from expzoo.spec.component import Component
from expzoo.spec.spec import Spec

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
import collections
import itertools
import random
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from expzoo.plugin import register

COUNT = 0

class Other:
    __slots__ = ("own",)
    calls = 0
    def __init__(self):
        self.own = 0

OTHER = Other()

def tick():
    tick.calls += 1
tick.calls = 0

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


CALLED = (
    HEAD
    + """@register
class Given:
    \"\"\"A number.\"\"\"
    def __call__(self, outputs, targets):
        {body}
"""
)


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
