"""Large networks, trained one by one by torch's own kernels: the numbers of a tape, the bits of any company."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from expzoo.config.registry import build
from expzoo.engine import large as loop
from expzoo.engine.large import Loop, is_large
from expzoo.engine.members.crowd import Unadoptable
from expzoo.runs.contract.networks import check_adoption, trained
from expzoo.spec.component import Component
from expzoo.spec.contracts import Split

if TYPE_CHECKING:
    from expzoo.spec.spec import Spec


@pytest.fixture
def spec(base: Spec) -> Spec:
    part = Component.of
    return base.replace(
        dataset=part("dataset", "digits", batch_size=9),
        model=part("model", "wide_resnet", depth=10, width=4, dropout=0.3),
        optimizer=part("optimizer", "sgd", lr=0.05),
    )


def by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "LARGE", 1)


def test_a_loop_gives_what_a_tape_gives(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = [spec.replace(seed=seed, dtype="float64") for seed in (3, 4)]
    together = trained(specs)
    by_itself(monkeypatch)
    monkeypatch.setattr("expzoo.engine.program.Tape", lambda *_: pytest.fail("a tape was made"))
    for one, other in zip(trained(specs), together, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)


def test_a_loop_gives_what_a_plain_loop_gives(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    by_itself(monkeypatch)
    check_adoption(spec.replace(dtype="float64"))


def test_a_member_has_the_same_bits_in_any_company(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    by_itself(monkeypatch)
    specs = [spec.replace(seed=seed) for seed in (3, 4, 5)]
    together = trained(specs)
    assert not np.array_equal(together[0], together[1])
    for index in (0, 2):
        [alone] = trained([specs[index]])
        np.testing.assert_array_equal(alone, together[index])


def test_what_is_large_follows_from_the_network_and_the_batch() -> None:
    for width, batch, large in ((16, 100, True), (2, 100, False), (2, 20000, True)):
        dataset = build("dataset", "textures", train_size=max(batch, 100), batch_size=batch, noise=0.0)
        dataset.split = lambda name, seed: Split(np.zeros((2, 3, 32, 32), np.float32), np.zeros(2, np.int64))
        assert is_large(build("model", "resnet", (3, 32, 32), 10, width=width), dataset, 0) == large


def test_what_a_crowd_cannot_have_a_loop_refuses_too() -> None:
    class Drawn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(x + torch.randn_like(x))

    module, x, y = Drawn(), torch.zeros(1, 3, 2), torch.zeros(1, 3, dtype=torch.long)
    parameters = {name: value.detach().clone().unsqueeze(0) for name, value in module.named_parameters()}
    gradients = {name: torch.zeros_like(value) for name, value in parameters.items()}
    with pytest.raises(Unadoptable, match="global generator"):
        Loop(module, build("loss", "cross_entropy"), parameters, gradients, x, y)


def test_a_process_that_keeps_freed_memory_needs_no_new_pages() -> None:
    """Five tensors of 16 MB, taken and freed again and again; in a process of its own, since the setting stays.

    Where the freed pieces lie settles within a few rounds (the heap may grow by a tensor once more), so the last of
    several rounds counts.
    """
    code = """
import platform, resource, torch
from expzoo.system import machine

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        held = [torch.zeros(2**22).add_(1) for _ in range(5)]
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

machine.keep_freed_memory()
again = [faults() for _ in range(5)][-1]
assert again < 2000 or platform.libc_ver()[0] != "glibc", again  # 20,000 pages hold the five
"""
    subprocess.run([sys.executable, "-c", code], check=True)
