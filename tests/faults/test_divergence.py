"""A member whose loss stops being finite is frozen and said; nobody else notices. Who ends early leaves likewise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from expzoo.analysis.pruning import Pruning
from expzoo.engine.assembly import Assembler
from expzoo.lab.request import Request
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure
from expzoo.spec.spec import RandomMask
from expzoo.spec.when import every
from expzoo.system.randomness import member_seed, permutation
from expzoo.system.signals import Interrupted

BOMB = '''
from expzoo.plugin import Natural, register


@register
class Bomb:
    """A learning rate that is absurd at one step: the weights overflow, or only what is computed from them."""

    def __init__(self, *, at: Natural = 0, large: bool = False) -> None:
        self.at, self.size = at, 1e30 if large else 1e45

    def factor(self, step: int, steps: int) -> float:
        return self.size if step == self.at else 1.0
'''


@pytest.fixture
def bomb(tmp_path, monkeypatch):
    """The schedule that throws a member out after the update of a given step."""
    folder = tmp_path / "home" / "schedules"
    folder.mkdir(parents=True)
    (folder / "bomb.py").write_text(BOMB)
    monkeypatch.setenv("EXPZOO_PLUGINS", str(folder.parent))
    return lambda step, **options: Component.of("schedule", "bomb", at=step, **options)


@pytest.fixture
def sane(base):
    base = base.replace(optimizer=Component.of("optimizer", "sgd", lr=0.05), stop={"steps": 40})
    masks = (None, RandomMask(0.5))
    return [base.replace(seed=member_seed(1, index), mask=masks[index % 2]) for index in range(6)]


def bits(trained):
    """What may not depend on how training was cut into blocks or on who else was there."""
    return {
        t.key: (t.network.status, t.step, t.row().tobytes(), t.row(0).tobytes(), t.losses.tobytes()) for t in trained
    }


@pytest.mark.usefixtures("blas")
@pytest.mark.parametrize("optimizer", [{"name": "sgd", "lr": 1e6}, {"name": "adam", "lr": 1e30}])
@pytest.mark.check("R16")
def test_an_absurd_rate_freezes_its_member_and_nobody_else_notices(sane, open_lab, optimizer):
    absurd = sane[0].replace(optimizer=Component.from_config("optimizer", optimizer))
    kind = type(absurd.optimizer).of("optimizer", optimizer["name"])
    others = [member.replace(optimizer=kind) for member in sane[1:]]
    without = bits(open_lab("without").train(others))
    assert all(status == "finished" for status, *_ in without.values())
    lab = open_lab("with")
    mixed = lab.train([*others[:2], absurd, *others[2:]])
    [frozen] = open_lab("alone").train([absurd])
    assert bits(mixed) == without | bits([frozen])
    assert lab.account.diverged == {absurd.key}
    assert frozen.diverged
    assert frozen.step < 40
    assert math.isnan(frozen.value())
    assert np.isfinite(frozen.row()).all()
    assert np.isfinite(frozen.losses).all()
    assert len(frozen.losses) == frozen.step + 1  # of its last row too
    again = open_lab("with")
    assert bits(again.train([absurd, *others])) == without | bits([frozen])
    assert not again.account.trained


BOMBS = (0, 1, 6, 7, 13, 38, 39)  # the updates that throw a member out


@pytest.mark.parametrize("longest", [1, 7, 50])
@pytest.mark.check("R16")
def test_a_bomb_at_any_step_in_any_member_freezes_the_row_before_it(sane, open_lab, bomb, monkeypatch, longest):
    monkeypatch.setattr("expzoo.engine.device.LONGEST", longest)
    known = open_lab("without").train(Request(tuple(sane), steps=BOMBS))
    without = bits(known)
    for attempt, step in enumerate(BOMBS):
        thrown = sane[attempt % 6].replace(schedule=bomb(step))
        members = [thrown if index == attempt % 6 else member for index, member in enumerate(sane)]
        found = open_lab(f"bomb at {step}").train(Request(tuple(members), steps=(step,)))
        [frozen] = [trained for trained in found if trained.diverged]
        assert frozen.key == thrown.key
        assert frozen.step == step
        assert frozen.row().tobytes() == known[attempt % 6].row(step).tobytes()
        rest = bits([trained for trained in found if not trained.diverged])
        assert rest == {key: value for key, value in without.items() if key in rest}
        assert len(rest) == 5


def test_a_loss_that_overflows_in_the_last_update_is_noticed(sane, open_lab, bomb):
    for step in (38, 39):
        thrown = sane[0].replace(schedule=bomb(step, large=True))
        [frozen] = open_lab(f"{step}").train(Request((thrown,), (Measure("loss", "train"),)))
        assert (frozen.diverged, frozen.step) == (True, step)


def test_what_is_kept_of_a_frozen_member_does_not_depend_on_when_it_was_looked_at(sane, open_lab, bomb):
    thrown = sane[1].replace(schedule=bomb(10))
    reference = bits(open_lab("plain").train([thrown]))
    for steps in ((9,), (10,), (11,), (12,), (10, 11, 12, 40)):
        looks = (Measure("loss", "test", every(1)),) if 40 in steps else (Measure("loss", "test", every(11)),)
        [frozen] = open_lab(f"{steps}").train(Request((thrown,), looks, steps))
        assert bits([frozen]) == reference
        assert max(frozen.network.rows) == frozen.step == 10
        assert all(np.isfinite(row).all() for row in frozen.network.rows.values())
        assert max(frozen.curve("loss")) == 10
        assert math.isnan(frozen.value("loss"))
        rows = frozen.rows(("loss", "test"), arm="dense", curve=True)
        assert [row["step"] for row in rows if row["end"]] == [10]
        assert (rows[-1]["value"], rows[-1]["diverged"]) == (math.log(10), True)


@pytest.mark.parametrize("stopped", [10, 11, 12])
def test_a_member_that_was_stopped_on_the_brink_freezes_at_the_same_row(sane, open_lab, bomb, monkeypatch, stopped):
    monkeypatch.setattr("expzoo.engine.device.LONGEST", 1)
    members = [sane[0], sane[1].replace(schedule=bomb(10)), sane[2]]
    undisturbed = bits(open_lab("undisturbed").train(members))
    lab = open_lab()
    after_block = lab.interruption.after_block

    def asked_then(trainer, session):
        lab.interruption.asked = session.step >= stopped
        after_block(trainer, session)

    lab.interruption.after_block = asked_then
    with pytest.raises(Interrupted):
        lab.train(members)
    assert bits(open_lab().train(members)) == undisturbed


@pytest.mark.check("R17")
def test_when_all_members_diverge_training_ends_early(sane, open_lab, bomb):
    members = [member.replace(schedule=bomb(step), stop={"steps": 5000}) for step, member in enumerate(sane)]
    lab = open_lab()
    found = lab.train(members)
    assert [trained.step for trained in found] == list(range(6))
    assert all(trained.diverged for trained in found)
    assert lab.account.member_steps <= 6 * 100
    assert lab.account.diverged == {member.key for member in members}


def test_what_descends_from_a_diverged_network_is_said_to_have_diverged_and_the_others_go_on(sane, open_lab, bomb):
    pruning = Pruning((0.5, 0.8), rewind_step=20)
    chains = [pruning.tickets(member) for member in (sane[0], sane[2].replace(schedule=bomb(10)))]
    lab = open_lab()
    good, bad = (lab.train(chain) for chain in chains)
    assert [ticket.diverged for ticket in (*good, *bad)] == [False, False, True, True]
    assert all(math.isnan(ticket.value()) for ticket in bad)
    assert bits(open_lab("together").train([*chains[1], *chains[0]])) == bits([*good, *bad])


# Members that end early by their stop rule.


@pytest.fixture
def fitting(base):
    rule = Component.of("stop", "fitted", loss=1.75, every=5, at_most=120)
    base = base.replace(stop=rule, dataset={"batch_size": 40})
    rates = (0.02, 0.005, 0.01, 0.0001, 0.03)
    return [base.replace(seed=member_seed(2, i), optimizer={"lr": rates[i % 5]}) for i in range(10)]


def test_a_fitted_member_leaves_and_takes_nobodys_bits_along(fitting, open_lab, monkeypatch):
    sizes = []
    build = Assembler.program

    def spy(self, trainees, rows=None):
        sizes.append(len(trainees) if rows is not None else 0)
        return build(self, trainees, rows)

    monkeypatch.setattr(Assembler, "program", spy)
    whole = open_lab("whole").train(fitting)
    rebuilt = [size for size in sizes if size]
    assert rebuilt
    assert max(rebuilt) <= 5
    statuses = [trained.network.status for trained in whole]
    assert statuses[3] == statuses[8] == "not_fitted"
    assert set(statuses) == {"finished", "not_fitted"}
    assert len({trained.step for trained in whole}) > 3
    order = permutation(0, "order", 0, 10)
    assert bits(open_lab("turned").train([fitting[index] for index in order])) == bits(whole)
    for member, trained in zip(fitting[:5], whole, strict=False):
        assert bits(open_lab("alone").train([member])) == bits([trained])


def test_a_fitted_member_is_fitted_at_its_step_and_was_not_before(fitting, open_lab):
    measure = Measure("loss", "train", every(5))
    for trained in open_lab().train(Request(tuple(fitting), (measure,))):
        values = trained.curve("loss", "train")
        assert all(value > 1.75 for step, value in values.items() if 0 < step < trained.step)
        assert (values[trained.step] <= 1.75) == (trained.network.status == "finished")
        assert trained.step == 120 or trained.network.status == "finished"
        assert len(trained.losses) == trained.step


def test_members_may_diverge_after_others_have_left(fitting, open_lab, bomb):
    thrown = [m.replace(schedule=bomb(100), optimizer={"lr": 0.0001}) for m in fitting[:2]]
    late = fitting[3].replace(schedule=bomb(95))
    members = [*fitting, *thrown, late]
    found = bits(open_lab("whole").train(members))
    assert {found[member.key][:2] for member in thrown} == {("diverged", 100)}
    assert found[late.key][:2] == ("diverged", 95)
    assert {key: value for key, value in found.items() if key in {m.key for m in fitting}} == bits(
        open_lab("without").train(fitting)
    )
    for member in (*thrown, late):
        assert bits(open_lab("alone").train([member])) == {member.key: found[member.key]}
