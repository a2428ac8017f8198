"""A training that was stopped anywhere and goes on from its partial files ends with the same bits and history."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from expzoo.analysis.pruning import Pruning
from expzoo.config.registry import available
from expzoo.engine.evaluation import Evaluator
from expzoo.engine.session import Session
from expzoo.lab.populations import Irreproducible
from expzoo.lab.request import Request
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure
from expzoo.spec.spec import RandomMask
from expzoo.spec.when import every
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.randomness import member_seed
from expzoo.system.signals import Interrupted

MEASURES = (Measure("accuracy", "test", every(10)), Measure("loss", "train", every(15)))


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch):
    """Blocks of at most 7 steps: training can be stopped between them."""
    monkeypatch.setattr("expzoo.engine.device.LONGEST", 7)


def request(specs, steps=(20,)):
    return Request(tuple(specs), MEASURES, steps)


def everything(trained):
    """All that is kept of networks, with every bit."""
    return {
        t.key: (
            t.network.status,
            t.step,
            t.network.events,
            {step: row.tobytes() for step, row in sorted(t.network.rows.items())},
            t.losses.tobytes(),
            {label: dict(sorted(values.items())) for label, values in t.network.measured.items()},
        )
        for t in trained
    }


def interrupt(lab, when):
    """As a signal would that comes in a block after which `when` is true of the session and the number of blocks."""
    after_block, blocks = lab.interruption.after_block, itertools.count(1)

    def asked_then(trainer, session):
        lab.interruption.asked = when(session, next(blocks))
        after_block(trainer, session)

    lab.interruption.after_block = asked_then
    return lab


def stop(lab, asked, step):
    """Stop training at the end of the block that reaches this step."""
    with pytest.raises(Interrupted):
        interrupt(lab, lambda session, _: session.step >= step).train(asked)


def crowd(base, count):
    masks = (None, RandomMask(0.7))
    return [base.replace(seed=member_seed(3, index), mask=masks[index % 2]) for index in range(count)]


@pytest.mark.parametrize("optimizer", available("optimizer"))
def test_members_that_were_stopped_at_different_steps_go_on_together(base, open_lab, optimizer):
    members = crowd(base.replace(optimizer=Component.of("optimizer", optimizer)), 6)
    undisturbed = everything(open_lab("undisturbed").train(request(members)))
    for step, some in ((3, members[:2]), (24, members[2:4]), (55, members[4:5])):
        stop(open_lab(), request(some), step)
    lab = open_lab()
    assert [lab.store.load_partial(member.key).step for member in members[:5]] == [5, 5, 25, 25, 60 - 5]
    assert everything(lab.train(request(members))) == undisturbed
    assert lab.account.member_steps == 2 * 55 + 2 * 35 + 5 + 60
    assert all(lab.store.load_partial(member.key) is None for member in members)


@pytest.mark.check("D4")
def test_forty_members_stopped_after_each_of_forty_steps(base, open_lab, monkeypatch):
    monkeypatch.setattr("expzoo.engine.device.LONGEST", 1)
    members = crowd(base.replace(stop={"steps": 40}, dataset={"batch_size": 33}), 40)
    undisturbed = {t.key: (t.row().tobytes(), t.losses.tobytes()) for t in open_lab("undisturbed").train(members)}
    lab = open_lab()
    with exact_arithmetic():
        trainees = [lab.assembler.trainee(member, {}, None, frozenset(), ()) for member in members]
        build = lab.assembler.program
        session = Session(build(trainees), trainees, Evaluator(), lambda _: None, build, longest=1)
        for start, end in session.blocks[:-1]:
            session.advance(start, end)
            lab.store.save_partial(session.partials()[end])
    assert {t.key: (t.row().tobytes(), t.losses.tobytes()) for t in lab.train(members)} == undisturbed
    assert lab.account.member_steps == 40 + sum(range(1, 40))


@pytest.mark.check("D4")
@pytest.mark.parametrize("schedule", ["constant", "batch_growth"])
def test_a_training_that_is_stopped_again_and_again_ends_the_same(base, open_lab, schedule):
    grown = {"fractions": (0.3, 0.7), "factor": 3} if schedule == "batch_growth" else {}
    asked = request(crowd(base.replace(schedule=Component.of("schedule", schedule, **grown)), 3))
    undisturbed = everything(open_lab("undisturbed").train(asked))
    for step in range(5, 60, 6):
        stop(open_lab(), asked, step)
    assert everything(open_lab().train(asked)) == undisturbed


def test_the_same_lab_goes_on_after_an_interruption(base, open_lab):
    asked = request(crowd(base, 2))
    lab = open_lab()
    stop(lab, asked, 20)
    del lab.interruption.after_block
    assert everything(lab.train(asked)) == everything(open_lab("undisturbed").train(asked))


@pytest.mark.parametrize("name", [name for name in available("stop") if name != "steps"])
def test_a_stop_rule_remembers_what_it_saw(base, open_lab, name):
    options = {"fitted": {"loss": 1.9}, "plateau": {"patience": 3, "fall": 0.05}, "early": {"patience": 2}}
    rule = Component.of("stop", name, every=5, at_most=200, **options.get(name, {}))
    base = base.replace(stop=rule, dataset={"validation_size": 60, "batch_size": 20}, optimizer={"lr": 0.02})
    members = crowd(base, 4)
    undisturbed = open_lab("undisturbed").train(request(members))
    assert len({trained.step for trained in undisturbed}) > 1
    assert max(trained.step for trained in undisturbed) < 200
    first = min(trained.step for trained in undisturbed)
    for step in (first - 5, first + 1):
        stop(open_lab(), request(members), step)
    assert everything(open_lab().train(request(members))) == everything(undisturbed)


@pytest.mark.parametrize("name", ["early", "plateau"])
def test_a_stop_rule_remembers_what_it_saw_though_other_test_data_are_wanted(base, open_lab, name):
    rule = Component.of("stop", name, every=5, at_most=200, patience=3)
    base = base.replace(stop=rule, dataset={"validation_size": 60, "batch_size": 20}, optimizer={"lr": 0.02})
    [undisturbed] = open_lab("undisturbed").train([base])
    assert 25 < undisturbed.step < 200
    stop(open_lab(), [base], undisturbed.step - 5)
    other = base.replace(dataset={"test_size": 70})
    assert other.key == base.key
    [found] = open_lab().train([other])
    assert found.step == undisturbed.step
    assert found.row().tobytes() == undisturbed.row().tobytes()


def test_a_chain_of_pruning_goes_on_wherever_it_was_stopped(base, open_lab):
    pruning = Pruning((0.5, 0.8), rewind_step=20)
    asked = request([ticket for seed in (1, 2) for ticket in pruning.tickets(base.replace(seed=seed))])
    undisturbed = everything(open_lab("undisturbed").train(asked))
    for attempt in range(100):
        try:
            found = interrupt(open_lab(), lambda _, blocks: blocks == 5).train(asked)
        except Interrupted:
            continue
        assert attempt > 5
        assert everything(found) == undisturbed
        return
    pytest.fail("it never ended")


# What is wanted may change in between.


def test_more_may_be_wanted_than_when_it_was_stopped(base, open_lab):
    members = crowd(base, 2)
    stop(open_lab(), Request(tuple(members)), 40)
    assert everything(open_lab().train(request(members))) == everything(open_lab("undisturbed").train(request(members)))


def test_less_may_be_wanted_than_when_it_was_stopped(base, open_lab):
    members = crowd(base, 2)
    stop(open_lab(), request(members), 40)
    lab = open_lab()
    found = lab.train(Request(tuple(members)))
    assert lab.account.member_steps == 2 * 20
    for one, other in zip(found, open_lab("undisturbed").train(members), strict=True):
        assert one.row().tobytes() == other.row().tobytes()
        assert one.losses.tobytes() == other.losses.tobytes()


def test_a_ticket_may_want_a_row_that_was_passed(base, open_lab):
    stop(open_lab(), [base], 40)
    [ticket] = Pruning((0.5,), rewind_step=20).tickets(base)
    assert everything(open_lab().train(request([ticket]))) == everything(
        open_lab("undisturbed").train(request([ticket]))
    )


def test_replaying_for_another_look_keeps_what_was_there_and_ends_with_the_same_bits(base, open_lab):
    members = crowd(base, 2)
    lab = open_lab()
    before = everything(lab.train(request(members, steps=(10,))))
    after = everything(lab.train(Request(tuple(members), (Measure("loss", "test", every(30)),), steps=(31, 50))))
    for key, (status, step, events, rows, losses, measured) in before.items():
        assert after[key][:3] == (status, step, events)
        assert after[key][4] == losses
        assert after[key][3].keys() == {0, 10, 31, 50, 60}
        assert rows.items() <= after[key][3].items()
        assert measured.items() <= after[key][5].items()
    assert lab.account.member_steps == 4 * 60
    cached = open_lab()
    assert everything(cached.train(request(members, steps=(10, 31)))) == after
    assert not cached.account.trained


def test_what_can_be_measured_on_kept_rows_trains_nothing(base, open_lab):
    open_lab().train(request([base], steps=(30,)))
    lab = open_lab()
    [trained] = lab.train(Request((base,), (Measure("loss", "fresh"),), steps=(30,)))
    assert not lab.account.trained
    [other] = open_lab("other").train(Request((base,), (Measure("loss", "fresh"),)))
    assert trained.value("loss", "fresh") == other.value("loss", "fresh")


def test_a_stored_network_with_other_bits_is_said_and_kept(base, open_lab):
    lab = open_lab()
    [trained] = lab.train([base])
    trained.network.rows[60] = np.nextafter(trained.row(), np.float32(1))
    lab.store.save(trained.network)
    with pytest.raises(Irreproducible, match=trained.key):
        open_lab().train(request([base]))
    kept = open_lab().store.load(base.key)
    assert kept.rows[60].tobytes() == trained.network.rows[60].tobytes()


@pytest.mark.parametrize(
    ("damage", "both"),
    [
        (lambda content: content[:100], False),
        (lambda content: b"", False),
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), True),
    ],
    ids=["cut short", "empty", "a flipped bit in both"],
)
@pytest.mark.check("R22")
def test_a_damaged_partial_file_costs_only_the_steps_after_the_one_before(base, open_lab, caplog, damage, both):
    undisturbed = everything(open_lab("undisturbed").train(request([base])))
    for step in (20, 40):
        stop(open_lab(), request([base]), step)
    lab = open_lab()
    partials = sorted(lab.store.root.rglob("partial*.safetensors"))
    assert [path.name for path in partials] == ["partial.previous.safetensors", "partial.safetensors"]
    for path in partials if both else partials[1:]:
        path.write_bytes(damage(path.read_bytes()))
    assert everything(lab.train(request([base]))) == undisturbed
    assert lab.account.member_steps == (60 if both else 40)
    assert "partial.safetensors" in caplog.text
