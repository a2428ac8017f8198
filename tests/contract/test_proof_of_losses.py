"""The proof of adoption of losses: every planted fault is refused, by name and in one line."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.clouds import CALLED, model, spec
from tests.contract.test_proof import refused

from expzoo.components.feasibility import loss_faults
from expzoo.engine.adoption.proof import prove
from expzoo.spec.component import Component

ERROR = "(outputs - (targets[:, None] == torch.arange(2)).to(outputs.dtype)).square()"
LOSSES = {
    "its outputs in place": (f"outputs -= 1\n        return {ERROR}.mean()", "changes the outputs"),
    "its targets in place": (f"found = {ERROR}.mean()\n        targets += 1\n        return found", "or targets"),
    "random": (f"return {ERROR}.mean() * random.random()", "another number the second time"),
    "no mean": (f"return {ERROR}.mean(1)", r"a tensor of shape \(8,\), not a tensor of shape \(\)"),
    "a sum": (f"return {ERROR}.sum()", "no mean over examples, but their sum"),
    "a default that is filled": (
        f"return self.go(outputs, targets)\n    def go(self, outputs, targets, seen=[]):\n        seen.append(1)\n"
        f"        return {ERROR}.mean()",
        r"changes a default of Given\.go",
    ),
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


def test_a_loss_that_has_parameters_is_refused_by_name(write: Callable[..., None]) -> None:
    write("models", model())
    made = "def __init__(self):\n        super().__init__()\n        self.t = nn.Parameter(torch.ones(3))"
    source = CALLED.format(body=f"return {ERROR}.mean() * self.t")
    source = source.replace("class Given:", f"class Given(nn.Module):\n    {made}")
    write("losses", source.replace("__call__", "forward"))
    assert "loss=given: its parameter t would stay as it is" in refused(spec(loss="given"))


def test_a_sound_loss_is_proved(write: Callable[..., None]) -> None:
    write("models", model())
    write("losses", CALLED.format(body=f"return {ERROR}.mean()"))
    assert prove(spec(loss="given")) is None


def test_cross_entropy_of_one_output_is_refused(write: Callable[..., None]) -> None:
    write("models", model(outputs=1))
    why = "of one output it is 0 whatever the weights; give loss=bce, or two outputs"
    assert refused(spec()) == f"loss=cross_entropy: {why}"
    one = spec(outputs=1)
    assert loss_faults(one, one.dataset.build()) == [f"loss=cross_entropy: {why}"]
    assert loss_faults(one.replace(loss=Component.of("loss", "bce")), one.dataset.build()) == []
