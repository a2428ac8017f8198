"""Every module of torch.nn: trained in a population and alone as an ordinary loop trains it, or refused; and the table.

`python -m tests.contract.test_torch_layers` writes docs/LAYERS.md anew.
"""

from __future__ import annotations

import re
import warnings
from functools import cache, partial
from pathlib import Path

import pytest
import torch
from tests.contract.torch_layers import ACTIVATIONS, CLASSES, ELSEWHERE, INPUTS, LAYERS, LOSSES, Case
from tests.drawn import Drawn
from torch import Tensor, nn

from expzoo.config.registry import build
from expzoo.engine.adoption.plain import CountedDropout
from expzoo.engine.large import Loop
from expzoo.engine.members.crowd import Unadoptable
from expzoo.engine.program import Member, Program, Row, Structure
from expzoo.spec.layout import Layout, construct
from expzoo.system.arithmetic import exact_arithmetic

TABLE = Path(__file__).parents[2] / "docs" / "LAYERS.md"
CASES = LAYERS | LOSSES
QUICK = {"LazyLinear", "RReLU", "MSELoss", "BCEWithLogitsLoss", "GaussianNLLLoss"}
DEEP = {"RNN", "Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder"}
STEPS, BATCH, SEEDS = 3, 7, (0, 1, 2)
RATE, MOMENTUM = 0.1, 0.9
TOLERANCE = 1e-13  # of weights in float64
HEAD = """# The modules of torch.nn

What a model's forward may call, written by `tests/contract/test_torch_layers.py`, which trains each
of these in float64 beside an ordinary PyTorch loop and compares the weights.

- *in a population*: `together` is one call for all members, `one by one` a call of torch's own
  operation for each, of `refused` the reason is below.
- *alone*: as a network so large that it is trained by itself.
- What layers drop in training is drawn from the member's seed and the step, so that it is the same
  in every crowd; the loop that they are compared with drops the same.
- A parameter that the loss does not reach has a gradient of zero, so weight decay shrinks it; in
  an ordinary loop its gradient is None, and the optimizer leaves it alone.
- Where `torch.linalg` would raise that a matrix is singular, the loss of that member is not a
  number: it alone diverges.
"""


def population(case: Case, *, seeds: tuple[int, ...] = SEEDS, dtype: torch.dtype, alone: bool = False) -> Program:
    """The networks of these seeds after some steps, in a population or each as a large network is trained."""
    with exact_arithmetic(), warnings.catch_warnings(action="ignore"):
        modules = [construct(case.network, seed, dtype) for seed in seeds]
        layout, optimizer = Layout.of(modules[0]), build("optimizer", "sgd", lr=RATE, momentum=MOMENTUM)
        members = [
            Member(Row(layout.row(module)), optimizer, build("schedule", "constant"), seed=seed)
            for seed, module in zip(seeds, modules, strict=True)
        ]
        program = Program(
            Structure(modules[0], case.loss, STEPS),
            members,
            Drawn(seeds, (INPUTS,), CLASSES, BATCH, dtype),
            make_step=partial(Loop, modules[0], case.loss) if alone else None,
        )
        program.advance(0, STEPS)
    return program


def plain_loop(case: Case, seed: int) -> nn.Module:
    """The network as an ordinary loop trains it, which drops what this member drops."""
    module = construct(case.network, seed, torch.float64)
    optimizer = torch.optim.SGD(module.parameters(), lr=RATE, momentum=MOMENTUM)
    feed = Drawn([seed], (INPUTS,), CLASSES, BATCH, torch.float64)
    x, y = (torch.zeros(1, *shape, dtype=kind) for shape, kind in zip(feed.shapes(), feed.types(), strict=True))
    for step in range(STEPS):
        feed.load(step, x, y)
        optimizer.zero_grad()
        with CountedDropout(seed, step):
            outputs = module(x[0])
        case.loss(outputs, y[0]).backward()
        optimizer.step()
    return module


@cache
def loops(name: str) -> list[nn.Module]:
    with exact_arithmetic(), warnings.catch_warnings(action="ignore"):
        return [plain_loop(CASES[name], seed) for seed in SEEDS]


def assert_as_loops(name: str, program: Program) -> None:
    for index, (seed, module) in enumerate(zip(SEEDS, loops(name), strict=True)):
        start = dict(construct(CASES[name].network, seed, torch.float64).named_parameters())
        for key, value in program.layout.view(program.theta[index]).items():
            expected = module.get_parameter(key).detach()
            torch.testing.assert_close(value, expected, rtol=0, atol=TOLERANCE, msg=f"{name}: {key} of seed {seed}")
            if not key.startswith("first."):
                assert not torch.equal(expected, start[key]), f"{name}: {key} is not trained at all"


def found(name: str) -> tuple[str, str, str]:
    """What the table says of a module: in a population, alone, and why not. AssertionError if a weight is another."""
    said, reasons = [], []
    for alone in (False, True):
        try:
            program = population(CASES[name], dtype=torch.float64, alone=alone)
        except Unadoptable as error:
            said.append("refused")
            reasons.append(str(error))
            continue
        assert_as_loops(name, program)
        one_by_one = not alone and program.tape.member_by_member
        said.append("yes" if alone else "one by one" if one_by_one else "together")
    assert len(set(reasons)) <= 1
    return said[0], said[1], "".join(reasons[:1])


def row(name: str) -> str:
    """A module's line of the table."""
    return " | ".join((f"| `nn.{name}`", *found(name))).rstrip() + " |"


def table() -> str:
    """The whole text."""
    parts = [HEAD]
    for title, cases in (("Layers", LAYERS), ("Losses, in a loss plugin", LOSSES)):
        lines = ["| module | in a population | alone | why not |", "|---|---|---|---|", *map(row, sorted(cases))]
        parts.append("\n".join([f"## {title}", "", *lines, ""]))
    parts.append(
        "\n".join(["## Neither", "", *(f"- `nn.{name}`: {why}" for name, why in sorted(ELSEWHERE.items())), ""])
    )
    return "\n".join(parts)


def is_quick(name: str) -> bool:
    """Whether a module stands for others like it; activations are compared in test_adoption.py too."""
    is_one_of_many = name in DEEP or name.startswith("Lazy") or name.endswith(("1d", "3d")) or name in ACTIVATIONS
    return name in QUICK or (name in LAYERS and not is_one_of_many)


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if is_quick(n) else pytest.mark.slow) for n in CASES])
def test_a_module_of_torch_is_trained_as_an_ordinary_loop_trains_it_or_refused_as_the_table_says(name: str) -> None:
    lines = TABLE.read_text().splitlines()
    assert row(name) in lines, "write the table anew: python -m tests.contract.test_torch_layers"


def test_the_table_has_every_module_of_torch_and_no_other() -> None:
    public = {name for name, value in vars(nn).items() if isinstance(value, type) and issubclass(value, nn.Module)}
    assert public <= CASES.keys() | ELSEWHERE.keys()
    assert set(re.findall(r"^(?:\| |- )`nn\.(\w+)`", TABLE.read_text(), re.M)) == CASES.keys() | ELSEWHERE.keys()
    assert TABLE.read_text().startswith(HEAD)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_module_of_torch_has_the_same_bits_in_any_crowd(name: str) -> None:
    def bits(seeds: tuple[int, ...]) -> dict[int, bytes]:
        theta: Tensor = population(CASES[name], seeds=seeds, dtype=torch.float32).theta
        return {seed: theta[index].numpy().tobytes() for index, seed in enumerate(seeds)}

    try:
        whole = bits((*range(9),))
    except Unadoptable:
        assert found(name)[0] == "refused"
        return
    assert len({*whole.values()}) == 9
    for seeds in ((4,), (8, 3), (7, 1, 0, 2, 5)):
        assert bits(seeds) == {seed: whole[seed] for seed in seeds}


if __name__ == "__main__":
    TABLE.write_text(table())
