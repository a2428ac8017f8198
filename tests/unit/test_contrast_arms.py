"""Arms of a contrast: their specs are those of the command line and of the Python that says the same."""

from __future__ import annotations

import math
from typing import Any

import pytest
from tests.contrasts import arm, specs

import expzoo
from expzoo.analysis.contract import Setting
from expzoo.analysis.pruning import Pruning, geometric
from expzoo.analysis.studies.contrast.arms import Cell
from expzoo.config.registry import build
from expzoo.spec.spec import Fresh, Known, Magnitude, Permuted, RandomMask, Rewind, SignFlip, Spec
from expzoo.system.errors import BadInput, Unfit

WORDS, NAMED = ("stop.steps=60", "budget=smoke"), {"view": {"20": {}, "plain": {}}}


@pytest.fixture(scope="module")
def start() -> Spec:
    return Spec.from_config(expzoo.compose(*WORDS))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, []),
        ({"model.width": 25}, ["model.width=25"]),
        ({"model": "cnn1d"}, ["model=cnn1d"]),
        ({"optimizer": "rates_sgd"}, ["optimizer=rates_sgd"]),  # a preset of conf/optimizer
        ({"dataset": "pooling"}, ["dataset=pooling"]),  # a preset in an experiment's file, of this budget
        ({"model.width": 7, "model": "mlp"}, ["model=mlp", "model.width=7"]),
        ({"schedule": "step", "schedule.fractions": [0.3, 0.6], "schedule.gamma": 0.2},
         ["schedule=step", "schedule.fractions=[0.3,0.6]", "schedule.gamma=0.2"]),
        ({"dataset.view": "shuffled", "optimizer.lr": 0.5}, ["dataset.view=shuffled", "optimizer.lr=0.5"]),
        ({"optimizer.lr": 1}, ["optimizer.lr=1"]),
        ({"dataset.train_size": None}, ["dataset.train_size=null"]),
        ({"constraint": "sphere"}, ["constraint=sphere"]),
        ({"constraint": "free", "parametrisation": "plain"}, ["constraint=free"]),
    ],
    ids=str,
)  # fmt: skip
def test_an_arm_is_what_the_same_words_are_on_a_command_line(
    start: Spec, settings: dict[str, Any], words: list[str]
) -> None:
    typed = Spec.from_config(expzoo.compose(*WORDS, *words))
    made = arm(start, settings)
    assert made == typed
    assert made.dataset.looking == typed.dataset.looking


def test_a_type_of_numbers_and_nothing_else_changes(start: Spec) -> None:
    assert arm(start, {"dtype": "float64"}) == start.replace(dtype="float64")


def test_factors_are_of_what_is_there(start: Spec) -> None:
    lr, width = start.optimizer.option("lr", float), start.model.option("width", int)
    assert arm(start, {"optimizer.lr": "x0.5"}).optimizer["lr"] == lr * 0.5
    assert arm(start, {"model.width": "x2"}).model["width"] == width * 2
    assert arm(start, {"optimizer": "sgd", "optimizer.lr": "x2"}).optimizer["lr"] == 2 * arm(
        start, {"optimizer": "sgd"}
    ).optimizer.option("lr", float)
    swept = specs(start, arms={"a": {"optimizer.lr": 0.1}, "b": {}}, sweep={"optimizer.lr": ["x0.5", "x1", "x2"]})
    assert [spec.optimizer["lr"] for spec in swept.values()] == [0.05, 0.1, 0.2, lr / 2, lr, 2 * lr]
    both = specs(start, arms={"a": {"optimizer.lr": "x3"}}, cross={"f": {"half": {"optimizer.lr": "x0.5"}}})
    assert both["a, f half"].optimizer["lr"] == pytest.approx(1.5 * lr)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model.width": "x0.013"}, "model.width must be a whole number at least 1, not 1.3"),
        ({"dataset.view": "x2"}, "a factor is of a number, not of 'plain'"),
        ({"model.wdth": 3}, "model has no wdth: did you mean width?"),
        ({"model": "mpl"}, "there is no model=mpl: did you mean mlp?"),
        ({"model": 3}, "must be the name of a model, not 3"),
        ({"model": ["gru", "mpl"]}, "there is no model=mpl: did you mean mlp?"),
        ({"dtype": "float16"}, "must be one of float32, float64, not 'float16'"),
        ({"constraint.size": 3}, "there is no constraint that has options: choose one"),
        ({"optimizer.lr": "fast"}, "optimizer.lr must be a number above 0, not 'fast'"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_said_with_their_place(start: Spec, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        arm(start, settings)
    [key] = settings
    assert str(refused.value).startswith(f"arms.a.{key}: ")
    assert said in str(refused.value)


def test_every_fault_of_a_cell_is_said(start: Spec) -> None:
    with pytest.raises(BadInput) as refused:
        specs(
            start,
            arms={"a": {"model.wdth": 3, "optimizer": "admm"}},
            cross={"f": {"l": {"dataset.vieww": 1}}},
            sweep={"loss.s": [1, 2]},
        )
    places = [line.partition(": ")[0] for line in str(refused.value).splitlines()]
    assert {*places} == {"arms.a.model.wdth", "arms.a.optimizer", "cross.f.l.dataset.vieww", "sweep.loss.s"}


def test_of_several_models_the_first_that_reads_the_data(start: Spec) -> None:
    pixels = specs(
        start,
        arms={"a": {"model": ["cnn1d", "cnn2d"]}},
        cross={"data": {"signals": {}, "images": {"dataset": "textures"}}},
    )
    assert [spec.model.name for spec in pixels.values()] == ["cnn1d", "cnn2d"]
    with pytest.raises(BadInput, match="none of model=cnn2d, resnet reads these data"):
        arm(start, {"model": ["cnn2d", "resnet"]})


def test_crossing_and_sweeping_lay_settings_over_the_arms(start: Spec) -> None:
    options: dict[str, Any] = {
        "arms": {"a": {"model.width": 5}, "b": {"optimizer": "sgd"}},
        "cross": {"view": {"plain": {}, "shuffled": {"dataset.view": "shuffled"}}},
        "sweep": {"optimizer.lr": [0.1, 0.2]},
    }
    made = specs(start, **options)
    assert [*made][:3] == [
        "a, view plain, optimizer.lr 0.1",
        "a, view plain, optimizer.lr 0.2",
        "a, view shuffled, optimizer.lr 0.1",
    ]
    assert len(made) == 8
    typed = Spec.from_config(expzoo.compose(*WORDS, "optimizer=sgd", "dataset.view=shuffled", "optimizer.lr=0.2"))
    assert made["b, view shuffled, optimizer.lr 0.2"] == typed
    assert made["a, view plain, optimizer.lr 0.1"] == start.replace(model={"width": 5}, optimizer={"lr": 0.1})


def test_crossed_levels_that_are_numbers_can_be_followed(start: Spec) -> None:
    options: dict[str, Any] = {
        "cross": {
            "batch": {"20": {"dataset.batch_size": 20}, "80": {"dataset.batch_size": 80, "optimizer.lr": "x4"}},
            "ratio": {"0.5": {"optimizer.lr": "x0.5"}, "1": {}},
        },
    }
    made = specs(start, **options)
    rate = start.optimizer.option("lr", float)
    assert {cell: spec.optimizer.option("lr", float) / rate for cell, spec in made.items()} == {
        "base, batch 20, ratio 0.5": 0.5,
        "base, batch 20, ratio 1.0": 1,
        "base, batch 80, ratio 0.5": 2,
        "base, batch 80, ratio 1.0": 4,
    }
    followed = {"exponent_of": {"mean": [{"ratio": 0.5}, {"ratio": 1}]}, "over": "batch", "equal": 0, "within": 0.1}
    claim = build("analysis", "contrast", **options, claims={"c": followed}).words.claims["c"]
    weights = {term.cell.words: term.weight for term in claim.conditions[0].terms()}
    assert sum(weights.values()) == pytest.approx(0)
    assert weights["base, batch 80, ratio 0.5"] == pytest.approx(0.5 / math.log(4))
    with pytest.raises(BadInput, match="a slope is over numbers"):
        build("analysis", "contrast", cross=NAMED, claims={"c": {"slope_of": "base", "over": "view"}})


TICKET = {
    "repeat": {"from": "dense", "times": 3},
    "mask": {"magnitude": {"of": "previous", "keep": 0.7}},
}


@pytest.mark.parametrize("step", [None, 20])
@pytest.mark.parametrize(("scope", "biases"), [("layer", True), ("global", False)])
def test_a_chain_of_tickets_is_that_of_pruning(start: Spec, step: int | None, scope: Any, biases: bool) -> None:
    mask = {"magnitude": TICKET["mask"]["magnitude"] | {"scope": scope, "biases": biases}}
    rewound = {"init": {"rewind": {"of": "dense", "step": step}}} if step else {}
    made = specs(start, arms={"dense": {}, "ticket": {**TICKET, "mask": mask, **rewound}})
    [*_, ticket] = Pruning(geometric(0.7, 3), scope, biases, step or 0).tickets(start)
    assert made["ticket"] == ticket


def test_each_round_keeps_its_own_share_of_the_last_layer(start: Spec) -> None:
    mask = {"magnitude": TICKET["mask"]["magnitude"] | {"last": 0.9, "biases": False}}
    ticket = specs(start, arms={"dense": {}, "ticket": {**TICKET, "mask": mask}})["ticket"]
    previous = start
    for number in (1, 2, 3):
        sparsity, last = round(1 - 0.7**number, 6), round(1 - 0.9**number, 6)
        previous = start.replace(mask=Magnitude(previous, sparsity, biases=False, last=last))
    assert ticket == previous
    once = {"magnitude": {"of": "dense", "sparsity": 0.5, "last": 0.25}}
    made = specs(start, arms={"dense": {}, "ticket": {"mask": once}})["ticket"]
    assert made.mask == Magnitude(start, 0.5, last=0.25)


def test_every_recipe_is_that_of_python(start: Spec) -> None:
    made = specs(
        start,
        arms={
            "dense": {},
            "ticket": {"mask": {"magnitude": {"of": "dense", "sparsity": 0.5, "step": 10}}},
            "random": {"mask": {"random": {"sparsity": 0.5, "draw": 2, "biases": False}}},
            "kept": {"mask": {"random": {"keep": 0.7}}, "repeat": {"times": 2}},
            "permuted": {"mask": {"permuted": {"of": "ticket", "draw": 1}}},
            "same": {"mask": {"same": {"of": "ticket"}}, "init": {"fresh": {"draw": 1}}},
            "flipped": {"init": {"sign_flip": {"of": "dense", "k": 3, "seed": 4}}},
            "rewound": {"init": {"rewind": {"of": "dense", "step": "final"}}, "stop.steps": 20},
            "known": {"init": {"known": {"name": "life", "layers": [0, 2]}}},
            "unmasked": {"mask": {"same": {"of": "dense"}}},
        },
    )
    mask = Magnitude(start, 0.5, step=10)
    assert made["ticket"] == start.replace(mask=mask)
    assert made["random"] == start.replace(mask=RandomMask(0.5, 2, biases=False))
    assert made["kept"] == start.replace(mask=RandomMask(0.51))
    assert made["permuted"] == start.replace(mask=Permuted(mask, 1))
    assert made["same"] == start.replace(mask=mask, init=Fresh(1))
    assert made["flipped"] == start.replace(init=SignFlip(start, 3, 4))
    assert made["rewound"] == start.replace(init=Rewind(start, "final"), stop={"steps": 20})
    assert made["known"] == start.replace(init=Known("life", (0, 2)))
    assert made["unmasked"] == start


def test_arms_made_from_others_are_made_at_their_own_level(start: Spec) -> None:
    made = specs(
        start,
        arms={"dense": {}, "ticket": {"model.width": 9, **TICKET}},
        cross={"view": {"plain": {}, "shuffled": {"dataset.view": "shuffled"}}},
    )
    ticket = made["ticket, view shuffled"]
    sources = [source.dataset["view"] for source, _ in ticket.sources()]
    assert (ticket.dataset["view"], sources, ticket.model["width"]) == ("shuffled", ["shuffled"], 9)


def test_the_baseline_again_differs_in_its_start_only(start: Spec) -> None:
    claims = {"zoo.a": {"greater": ["b", "a"]}, "zoo.b": {"greater": ["c", "b"]}, "zoo.c": {"less": ["c", "b"]}}
    arms = {"a": {}, "b": {"model.width": 9}, "c": {"mask": {"magnitude": {"of": "b", "sparsity": 0.5}}}}
    made = specs(start, arms=arms, claims=claims)
    assert [words for words in made if "again" in words] == ["a, again", "b, again"]
    assert made["a, again"] == start.replace(init=Fresh(draw=1))
    assert made["b, again"] == start.replace(init=Fresh(draw=1), model={"width": 9})
    controlled = {"zoo.a": {"greater": ["b", "a"], "control": {"less": ["a", "b"]}}}
    assert not [words for words in specs(start, arms=arms, claims=controlled) if "again" in words]


def test_what_an_arm_was_tuned_to_holds_for_those_made_from_it(start: Spec) -> None:
    arms = {"dense": {"optimizer.lr": 0.1}, "ticket": TICKET, "other": {}}
    tuned = {Cell("dense"): {"optimizer.lr": 0.3, "schedule": "cosine"}, Cell("other"): {"optimizer.lr": "x2"}}
    made = specs(start, cells=tuned, arms=arms)
    chain, ticket = [], made["ticket"]
    while ticket.mask:
        chain.append(ticket)
        [(ticket, _)] = ticket.mask.sources()
    assert len(chain) == 3
    assert {(spec.optimizer["lr"], spec.schedule.name) for spec in (*chain, ticket)} == {(0.3, "cosine")}
    assert made["other"].optimizer["lr"] == 2 * start.optimizer.option("lr", float)


def test_many_arms_made_from_one_another_are_made_at_once(start: Spec) -> None:
    """Each from the two before it: a network that is made anew for everyone who asks would be made 2**40 times."""
    arms: dict[str, Any] = {"a0": {}, "a1": {"model.width": 100}}
    for number in range(2, 60):
        older, old = f"a{number - 2}", f"a{number - 1}"
        mask = {"magnitude": {"of": old, "sparsity": number / 100}}
        arms[f"a{number}"] = {"mask": mask, "init": {"rewind": {"of": older, "step": 5}}}
    assert len({spec.key for spec in specs(start, arms=arms).values()}) == len(arms) - 1


IMPOSSIBLE = {
    "another shape": (
        {"a": {}, "b": {"model.width": 9, "init": {"rewind": {"of": "a"}}}},
        {},
        "arms.b: is made from a network of another shape",
    ),
    "a step beyond the end": (
        {"a": {}, "b": {"init": {"rewind": {"of": "a", "step": 61}}}},
        {},
        "arms.b: is made from step 61 of a network that is trained for 60 steps",
    ),
    "no solution": ({"a": {"init": {"known": {"name": "life"}}}}, {}, "arms.a: "),
    "data that cannot be": ({"a": {"dataset.batch_size": 100000}}, {}, "arms.a: dataset: batch_size 100000"),
    "a mask of none": (
        {"a": {}, "b": {"mask": {"permuted": {"of": "a"}}}},
        {},
        "arms.b.mask: the arm a has no mask by magnitude",
    ),
    "a look beyond the end": ({}, {"x": "loss/train at step 61"}, "measure.x: 'loss/train at step 61' lies beyond"),
    "a split that is none": ({}, {"x": "loss/tset"}, "measure.x: 'loss/tset' needs the split tset"),
    "no validation data": ({}, {"x": "calibrated nll/test"}, "measure.x: 'calibrated nll/test' needs the split valid"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_be_trained_or_seen_is_said_before_anything_is(start: Spec, name: str) -> None:
    arms, measure, said = IMPOSSIBLE[name]
    analysis = build("analysis", "contrast", arms=arms, measure=measure)
    with pytest.raises(Unfit) as refused:
        next(analysis.measure(Setting(start, (1, 2), "smoke")))
    assert str(refused.value).startswith(f"analysis.contrast: {said}")


def test_models_that_do_not_read_the_data_are_left_out(start: Spec) -> None:
    arms = {"mlp": {}, "resnet": {"model": "resnet"}}
    asked = next(build("analysis", "contrast", arms=arms).measure(Setting(start, (1, 2), "smoke")))
    assert {spec.model.name for part in asked.parts() for spec in part.specs} == {"mlp"}
    with pytest.raises(Unfit, match="arm resnet: model=resnet reads image or board inputs, not sequence"):
        next(build("analysis", "contrast", arms={"resnet": arms["resnet"]}).measure(Setting(start, (1,), "smoke")))
