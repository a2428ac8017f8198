"""A member's bits do not depend on the crowd: not on its size, its order, its packing, or the caller's threads."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.signals import models_of_signals

from expzoo.config.registry import available, build, declared, load
from expzoo.engine.assembly import Assembler
from expzoo.engine.evaluation import Evaluator
from expzoo.engine.session import Session
from expzoo.lab.request import Request
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure
from expzoo.spec.spec import Fresh, RandomMask
from expzoo.spec.when import every
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.randomness import member_seed, permutation

STEPS = 25
SMALL = {"width": 12, "steps": STEPS, "at_most": STEPS, "every": 5, "patience": 2, "warm_up": 3, "milestones": (7, 19)}


def part(kind, name):
    """The plugin with its defaults, but small and short where it has such an option."""
    options = declared(kind, name).options
    return Component.of(kind, name, **{key: value for key, value in SMALL.items() if key in options})


def digest(row):
    return hashlib.sha256(np.ascontiguousarray(row).tobytes()).hexdigest()


def states(specs, assembler=None):
    """Where members are after 25 steps, or where they ended: status, step, sha256 of the row, sha256 of the losses."""
    assembler = assembler or Assembler()
    found = {}

    def commit(network):
        found[network.key] = (network.status, network.step, digest(network.rows[network.step]))

    with exact_arithmetic():
        trainees = [assembler.trainee(spec, {}, None, frozenset(), ()) for spec in specs]
        session = Session(assembler.program(trainees), trainees, Evaluator(), commit, assembler.program)
        for start, stop in session.blocks:
            if start < STEPS:
                session.advance(start, stop)
    for partial in session.partials():
        found[partial.key] = ("running", session.step, digest(partial.theta))
    return [(*found[trainee.spec.key], digest(trainee.network.losses)) for trainee in trainees]


def crowd(base, count, *, masked=True):
    """Members that differ in everything that one population may mix, no two neighbours alike."""
    rates = (0.01, 0.003, 0.03)
    masks = (None, RandomMask(0.5), RandomMask(0.9, biases=False)) if masked else (None,) * 3
    own_company = {name for name in available("schedule") if load("schedule", name).batches}  # whose batches grow
    schedules = [part("schedule", name) for name in available("schedule") if name not in own_company]
    return [
        base.replace(
            seed=member_seed(0, index),
            mask=masks[index // 3 % 3],
            optimizer={"lr": rates[index % 3]},
            schedule=schedules[index % len(schedules)],
        )
        for index in range(count)
    ]


SHAPES = [(100, 37), (33, 25), (5, 7), (25, 3), (100, 10), (100, 100), (101, 221)]  # batch, width


@pytest.mark.usefixtures("blas")
@pytest.mark.parametrize(("batch", "width"), SHAPES)
@pytest.mark.check("D2")
def test_a_member_has_the_same_bits_alone_and_in_any_crowd(base, batch, width):
    base = base.replace(dataset={"batch_size": batch}, model={"width": width}, stop={"steps": STEPS})
    members, assembler = crowd(base, 33), Assembler()
    whole = dict(zip(members, states(members, assembler), strict=True))
    assert len(set(whole.values())) == 33
    for size in (8, 7, 3, 2):
        some = [members[index] for index in permutation(size, "crowd", 0, 33)[:size]]
        assert states(some, assembler) == [whole[member] for member in some]
    for member in members[:: 33 if width > 100 else 5]:
        assert states([member], assembler) == [whole[member]]


CHOSEN = ("model", "loss", "optimizer", "stop")
EVERY_COMBINATION = list(itertools.product(models_of_signals(), *map(available, CHOSEN[1:])))


def covering():
    """Combinations in which every model meets every loss, every optimizer and every stop rule."""
    others = [available(kind) for kind in CHOSEN[1:]]
    for turn, model in enumerate(models_of_signals()):
        for index in range(max(map(len, others))):
            chosen = [names[(index + turn * number) % len(names)] for number, names in enumerate(others)]
            large = [pytest.mark.slow] if model == "lenet_300_100" else []  # of the layers of mlp
            yield pytest.param(model, *chosen, marks=large)


def assert_same_in_a_crowd(base, *, masked=True):
    members, assembler = crowd(base, 5, masked=masked), Assembler()
    whole = states(members, assembler)
    assert len({state[2] for state in whole}) == 5
    assert states(members[3:4], assembler) == whole[3:4]
    assert states(members[4:0:-3], assembler) == whole[4:0:-3]


def assert_combination_is_exact(base, *names):
    parts = {kind: part(kind, name) for kind, name in zip(CHOSEN, names, strict=True)}
    assert_same_in_a_crowd(base.replace(dataset={"batch_size": 33, "validation_size": 60}, **parts))


@pytest.mark.parametrize(CHOSEN, list(covering()))
@pytest.mark.check("D2")
def test_plugins_give_the_same_bits_in_a_crowd(base, model, loss, optimizer, stop):
    assert_combination_is_exact(base, model, loss, optimizer, stop)


@pytest.mark.slow
@pytest.mark.parametrize(CHOSEN, EVERY_COMBINATION)
def test_every_combination_of_plugins_gives_the_same_bits_in_a_crowd(base, model, loss, optimizer, stop):
    assert_combination_is_exact(base, model, loss, optimizer, stop)


MAPS = [(kind, name) for kind in ("constraint", "parametrisation") for name in available(kind)]


@pytest.mark.parametrize(("kind", "name"), MAPS)
@pytest.mark.parametrize("optimizer", ["adam", "sgld"])
def test_every_constraint_and_parametrisation_gives_the_same_bits_in_a_crowd(base, kind, name, optimizer):
    plugin = build(kind, name)
    fixed = tuple(Fresh(draw=10 + i) for i in range(getattr(plugin, "num_fixed", 0)))
    base = base.replace(optimizer=part("optimizer", optimizer), stop={"steps": STEPS}, fixed=fixed)
    assert_same_in_a_crowd(base.replace(**{kind: part(kind, name)}), masked=not getattr(plugin, "maps", False))


@pytest.mark.parametrize("stop", available("stop"))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_stop_rule_ends_a_member_at_the_same_step_in_a_crowd(base, stop, dtype):
    base = base.replace(dataset={"validation_size": 60}, stop=part("stop", stop), dtype=dtype)
    assert_same_in_a_crowd(base)


# Through the lab: packing, order, threads, processes.


def looked_at(members, lab):
    """Everything that is kept of trained members."""
    measures = tuple(Measure(metric, "test", every(10)) for metric in ("accuracy", "loss"))
    trained = lab.train(Request(tuple(members), measures, steps=(13,)))
    return {
        t.key: (digest(t.row()), digest(t.row(13)), digest(t.losses), t.curve("accuracy"), t.curve("loss"))
        for t in trained
    }


@pytest.mark.check("D3")
def test_any_packing_and_order_of_members_gives_the_same_of_everything(base, open_lab, monkeypatch):
    base = base.replace(stop={"steps": STEPS})
    members = [member.replace(dataset={"batch_size": 25 if i % 4 else 33}) for i, member in enumerate(crowd(base, 16))]
    whole = looked_at(members, open_lab("whole"))
    for most in (1, 2, 5):
        monkeypatch.setattr("expzoo.engine.device.MOST_MEMBERS", most)
        order = permutation(most, "order", 0, len(members))
        assert looked_at([members[index] for index in order], open_lab(f"packed {most}")) == whole


@pytest.mark.check("D5")
def test_the_callers_threads_change_nothing_that_is_kept(base, open_lab, threads):
    base = base.replace(
        stop={"steps": STEPS}, dataset={"test_size": 5000}, model={"width": 100}, loss=Component.of("loss", "mse")
    )
    found = []
    for count in (1, 2):
        threads(count)
        found.append(looked_at(crowd(base, 6), open_lab(f"{count} threads")))
        assert torch.get_num_threads() == count
    assert found[0] == found[1]


def test_the_callers_denormals_change_nothing_and_are_restored(base, open_lab):
    tiny = torch.tensor([1e-310], dtype=torch.float64)
    found = []
    try:
        for flushed in (True, False):
            torch.set_flush_denormal(flushed)
            found.append(looked_at(crowd(base.replace(stop={"steps": STEPS}), 3), open_lab(f"flushed {flushed}")))
            assert bool((tiny * 1.0 == 0).item()) == flushed
    finally:
        torch.set_flush_denormal(False)
    assert found[0] == found[1]


@pytest.mark.check("D15")
def test_memory_that_was_not_written_is_never_read(base, open_lab):
    members = crowd(base.replace(stop={"steps": STEPS}, dataset={"batch_size": 33}), 5)
    plain = looked_at(members, open_lab("plain"))
    assert torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)  # fills what is empty with NaN
    try:
        assert torch.empty(3).isnan().all()
        assert looked_at(members, open_lab("filled")) == plain
    finally:
        torch.use_deterministic_algorithms(False)


def test_the_callers_arithmetic_is_restored_after_an_error(threads):
    from threadpoolctl import threadpool_info

    threads(2)
    before = [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]

    def fail_inside():
        with exact_arithmetic():
            raise KeyError(torch.get_num_threads())

    with pytest.raises(KeyError, match="1"):
        fail_inside()
    assert torch.get_num_threads() == 2
    assert [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()] == before


@pytest.mark.check("D1", "D5")
def test_another_process_with_other_threads_and_hashes_gives_the_same_bits(base, open_lab, tmp_path):
    members = crowd(base.replace(stop={"steps": STEPS}), 4)
    here = [digest(trained.row()) for trained in open_lab("here").train(members)]
    program = """
import runpy, sys
from pathlib import Path
crowd = runpy.run_path(sys.argv[1])
from expzoo.lab.lab import Lab
from expzoo.spec.spec import Component, Spec
from expzoo.store.store import Store
of = Component.of
base = Spec(dataset=of("dataset", "mnist1d", num_samples=500, batch_size=25), model=of("model", "mlp", width=20),
            optimizer=of("optimizer", "adam"), schedule=of("schedule", "constant"), loss=of("loss", "cross_entropy"),
            stop=of("stop", "steps", steps=25), seed=0)
lab = Lab(Store(Path(sys.argv[2]), "this-machine"))
print(*[crowd["digest"](trained.row()) for trained in lab.train(crowd["crowd"](base, 4)[::-1])])
"""
    threads = {f"{library}_NUM_THREADS": "2" for library in ("OMP", "MKL", "OPENBLAS")}
    command = [sys.executable, "-c", program, str(Path(__file__)), str(tmp_path / "there")]
    environment = {**os.environ, **threads, "PYTHONHASHSEED": "7"}
    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    assert out.split()[::-1] == here
