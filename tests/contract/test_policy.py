"""What a device's policy asks of populations, tried on the processor: fixed sizes, captured tapes, no reads between."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import torch

from expzoo.engine.assembly import Assembler
from expzoo.engine.device import CUDA_CROWDS, Policy, policy_of
from expzoo.engine.evaluation import Evaluator
from expzoo.engine.session import Session
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure
from expzoo.spec.when import every
from expzoo.system.arithmetic import exact_arithmetic

if TYPE_CHECKING:
    from expzoo.spec.spec import Spec

part = Component.of
STEPS = 12
LIFE = {
    "dataset": part("dataset", "life", batch_size=8),
    "model": part("model", "life_net"),
    "loss": part("loss", "bce_of_probabilities"),
}
KINDS = {
    "mlp": {},
    "cnn1d": {"model": part("model", "cnn1d")},
    "gru": {"model": part("model", "gru")},
    "life": LIFE,
    "langevin": {"optimizer": part("optimizer", "sgld")},
    "curve": {"parametrisation": part("parametrisation", "frozen", parameters=("*.bias",))},
}


class Recorder:
    """Stands for a CUDA graph: the calls that it is given, in the memory that they have."""

    def __init__(self) -> None:
        self.captured = 0

    def capture(self, calls):
        self.captured += 1
        recorded = list(calls)

        def replay() -> None:
            for call in recorded:
                call()

        return replay


def fixed(recorder: Recorder) -> Policy:
    """Populations of eight rows, whoever is in them."""
    return Policy(2**30, 8, crowds=(2, 8), longest=500, capture=recorder.capture)


def trained(assembler: Assembler, specs: list[Spec]) -> dict[str, bytes]:
    program = assembler.program([assembler.trainee(spec, {}) for spec in specs])
    assert len(program.theta) == 8
    losses = program.advance(0, STEPS)
    assert len(losses) == len(specs)
    assert all(torch.equal(program.theta[0], idle) for idle in program.theta[len(specs) :])
    return {spec.key: program.row(index).theta.numpy().tobytes() for index, spec in enumerate(specs)}


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_population_of_fixed_size_gives_a_member_the_same_bits_in_any_company(base: Spec, kind: str) -> None:
    specs = [base.replace(stop={"steps": STEPS}, **KINDS[kind]).replace(seed=seed) for seed in range(8)]
    recorder = Recorder()
    with exact_arithmetic():
        whole = trained(Assembler(policy=fixed(recorder)), specs)
        assembler = Assembler(policy=fixed(recorder))
        for company in (specs[:1], specs[5:2:-1], specs[7:]):
            assert trained(assembler, company).items() <= whole.items()
    assert recorder.captured == 3  # once for each size of company: the memory of a program stays where it is


def test_what_the_host_draws_is_not_captured(base: Spec) -> None:
    class Dropped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(40, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 10))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(x)

    recorder = Recorder()
    assembler = Assembler(policy=fixed(recorder))
    assembler.blueprints.shared = assembler.blueprints.module = lambda _: Dropped()
    with exact_arithmetic():
        program = assembler.probe([base])
        program.advance(0, 1)
    assert recorder.captured == 0
    assert len(program.tape.calls) > 1


def test_the_host_waits_for_the_device_once_a_block(base: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted on the processor: everything that would wait for a device is one of these."""
    waits: list[str] = []

    def counted(name: str) -> Callable[..., object]:
        own = getattr(torch.Tensor, name)

        def call(self: torch.Tensor, *args: object, **kwargs: object) -> object:
            waits.append(name)
            return own(self, *args, **kwargs)

        return call

    assembler = Assembler(policy=fixed(Recorder()))
    spec = base.replace(stop={"steps": 60})
    looks = (Measure("loss", "train", every(30)),)
    with exact_arithmetic():
        trainees = [assembler.trainee(spec.replace(seed=seed), {}, measures=looks) for seed in range(5)]
        build, evaluator = assembler.program, Evaluator()
        session = Session(build(trainees), trainees, evaluator, lambda _: None, build, longest=10)
        evaluator.values = lambda spec, weights, measures, network: [0.0] * len(measures)
        for name in ("cpu", "item", "numpy", "tolist", "__bool__", "__float__", "__int__"):
            monkeypatch.setattr(torch.Tensor, name, counted(name))
        for start, stop in session.blocks[:2]:
            session.advance(start, stop)
        assert waits == ["cpu", *["numpy"] * 5] * 2  # the losses of all come at once, and lie here then


def test_how_many_go_together_is_a_matter_of_size_and_device() -> None:
    cpu, cuda = policy_of(torch.device("cpu")), Policy(2**30, CUDA_CROWDS[-1], CUDA_CROWDS)
    assert [cpu.most(size, 2) for size in (2**26, 2**20, 2**10)] == [2, 16, 64]
    assert cpu.most(2**26, 2, interleaved=True) == 4
    assert [cuda.most(size, 2) for size in (2**32, 2**28, 2**24, 2**10)] == [2, 8, 64, 512]
