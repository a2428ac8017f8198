"""What is done so that an analysis fits: other scores, validation data, views, sizes, and what is said elsewhere."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from expzoo.analysis import needs, scored
from expzoo.components.datasets import pixel_positions
from expzoo.config import registry
from expzoo.config.check import resolved
from expzoo.runs.plan import Plan, plan
from expzoo.runs.results import abroad
from expzoo.science.claims import Claim, paired
from expzoo.spec.layout import Layout
from expzoo.spec.score import Score
from expzoo.system.errors import BadInput, Unfit

if TYPE_CHECKING:
    from expzoo.analysis.contract import Setting

CLAIM = Claim(
    name="mnist1d.x",
    statement="A is more accurate than B.",
    source="a paper",
    published="+8",
    unit="percentage points",
    smallest_effect=1.0,
    direction="greater",
    rule="paired t",
)


def planned(*words: str) -> Plan:
    return plan(resolved(["population.size=2", *words]))


def asked(name: str, setting: Setting, **options: Any) -> Any:
    """The first question of an analysis."""
    return next(registry.build("analysis", name, **options).measure(setting))


def test_claims_about_accuracy_are_asked_by_the_score_of_the_data() -> None:
    cells, wrong, plain = (Score.of(metric) for metric in ("cell_accuracy", "brier", "accuracy"))
    assert scored.by(CLAIM, plain) is CLAIM
    by_cells = scored.by(CLAIM, cells)
    assert (by_cells.statement, by_cells.smallest_effect) == ("A is more accurate than B, by cell accuracy.", 1.0)
    by_brier = scored.by(CLAIM, wrong)
    assert (by_brier.unit, by_brier.smallest_effect) == ("brier", 0.0)
    lower = {0: 0.2, 1: 0.3}, {0: 0.5, 1: 0.7}
    assert paired(by_brier, *(scored.gains(values, wrong) for values in lower)).effect == pytest.approx(0.35)


def test_the_first_score_of_records_is_no_loss_and_no_column_of_an_analysis() -> None:
    assert Score.first(["loss", "outer_loss", "entropy", "cell_accuracy", "accuracy"]).metric == "cell_accuracy"
    with pytest.raises(ValueError, match="higher or lower"):
        Score.first(["loss", "outer_loss"])


def test_validation_data_are_held_out_for_who_needs_them_alone() -> None:
    both = planned("+experiment=random_labels", "analysis=[learning_curves,temperature_calibration]")
    [(name, own)] = both.held_out.items()
    assert (name, own.base.dataset["validation_size"]) == ("temperature_calibration", 400)
    assert both.setting.base == planned("+experiment=random_labels", "analysis=[learning_curves]").setting.base
    assert own.base == both.setting.base.replace(dataset={"validation_size": 400})
    [note] = both.notes()
    assert note == (
        "analysis=temperature_calibration: 400 examples of dataset=mnist1d are held out for validation, since "
        "dataset.validation_size is 0"
    )
    given = planned("analysis=[temperature_calibration]", "dataset.validation_size=7")
    assert (given.held_out, given.notes()) == ({}, [])


def test_training_has_fewer_examples_only_where_there_are_no_others() -> None:
    whole = planned("analysis=[temperature_calibration]", "dataset=digits", "dataset.train_size=1297")
    data = whole.held_out["temperature_calibration"].base.dataset
    assert (data["train_size"], data["validation_size"]) == (1197, 100)
    part = planned("analysis=[temperature_calibration]", "dataset=digits", "dataset.train_size=1000")
    data = part.held_out["temperature_calibration"].base.dataset
    assert (data["train_size"], data["validation_size"]) == (1000, 100)
    with pytest.raises(BadInput, match="needs the split validation, and dataset=mnist1d_classes has none"):
        planned("analysis=[temperature_calibration]", "dataset=mnist1d_classes")


def test_what_was_published_stands_at_home_only() -> None:
    verdict = paired(CLAIM, {0: 1.0, 1: 2.0}, {0: 0.0, 1: 0.0})
    home = ("dataset=mnist1d|mnist1d_classes", "model=mlp")
    assert needs.away(home, {"dataset": "mnist1d_classes", "model": "mlp"}) == []
    away = needs.away(home, {"dataset": "textures", "model": "cnn2d"})
    told = abroad(verdict, home, away)
    assert (told.claim, told.published) == ("textures.x", "")
    assert told.statement == "A is more accurate than B (the same question on dataset=textures, model=cnn2d)."
    assert abroad(verdict, home, ["model=cnn1d"]).claim == "mnist1d.x"
    assert abroad(replace(verdict, claim="lth.x"), home, away).claim == "lth.x"


@pytest.mark.parametrize("home", [registry.load("analysis", name).HOME for name in registry.available("analysis")])
def test_homes_are_of_datasets_and_models_that_there_are(home: tuple[str, ...]) -> None:
    for kind, _, names in (word.partition("=") for word in home):
        assert kind in ("dataset", "model")
        assert {*names.split("|")} <= {*registry.available(kind)}


def test_life_has_validation_boards_of_their_own() -> None:
    life = registry.build("dataset", "life", test_size=20)
    splits = {name: life.split(name, 0).x for name in ("validation", "test", "fresh")}
    assert {x.shape for x in splits.values()} == {(20, 1, 5, 5)}
    assert not any(np.array_equal(a, b) for a, b in itertools.combinations(splits.values(), 2))


@pytest.mark.parametrize("name", ["textures", "digits"])
def test_views_move_the_pixels_of_all_splits_alike(name: str) -> None:
    sizes = {"train_size": 30, "test_size": 20, "batch_size": 10, "seed": 3, "draw": "member"}
    plain, shuffled, flipped = (
        registry.build("dataset", name, view=view, **sizes) for view in ("plain", "shuffled", "flipped")
    )
    orders = []
    for split in ("train", "test", "fresh"):
        x, moved = plain.split(split, 7).x, shuffled.split(split, 7).x
        assert np.array_equal(flipped.split(split, 7).x, x[..., ::-1])
        assert np.array_equal(plain.split(split, 7).y, shuffled.split(split, 7).y)
        flat, seen = (values.reshape(*values.shape[:2], -1) for values in (x, moved))
        distinct = np.lexsort(flat.reshape(-1, flat.shape[-1])), np.lexsort(seen.reshape(-1, seen.shape[-1]))
        orders.append([np.array_equal(flat[..., distinct[0]], seen[..., distinct[1]]), not np.array_equal(x, moved)])
    assert orders == [[True, True]] * 3
    fresh = registry.build("dataset", name, fresh=1, **sizes)
    assert not np.array_equal(fresh.split("train", 7).x, plain.split("train", 7).x)


def test_fresh_textures_are_those_of_the_split_and_keep_the_order_of_pixels() -> None:
    sizes = {"train_size": 30, "test_size": 20, "batch_size": 10}
    own, after = (registry.build("dataset", "textures", fresh=k, view="shuffled", **sizes) for k in (0, 1))
    assert np.array_equal(own.split("fresh", 0).x, after.split("test", 0).x)
    assert own.order_identity(0) == after.order_identity(0)
    with pytest.raises(BadInput, match="augment flip moves pixels of images"):
        registry.build("dataset", "textures", view="shuffled", augment="flip")
    assert pixel_positions("flipped", 2, 3, 0).tolist() == [2, 1, 0, 5, 4, 3]


@pytest.mark.parametrize(("model", "last"), [("lenet", "layers.11"), ("cnn2d", "linear"), ("convnet_si", "last")])
def test_the_first_and_the_last_layer_can_be_frozen_in_any_model(model: str, last: str) -> None:
    layout = Layout.of(registry.build("model", model, (1, 8, 8), 10))
    for place, names in (
        ("last.*", [name for name in layout.names if name.startswith(f"{last}.")]),
        ("first.weight", [layout.names[0]]),
    ):
        trained = registry.build("parametrisation", "frozen", parameters=[place]).trainable(layout)
        frozen = [name for name, entries in layout.weights(biases=True) if not trained[entries].any()]
        assert frozen == names


def test_double_descent_takes_its_networks_from_the_config_but_for_the_notebooks() -> None:
    small = {"widths": (2, 3, 4, 5, 6), "filters": (2, 3, 4, 5, 6), "null_width": 3}

    def models(*words: str, **options: Any) -> set[str]:
        specs = asked("double_descent", planned(*words).setting, **small, **options).specs
        assert {spec.dataset["label_noise"] for spec in specs} == {0.0, 0.15}
        return {spec.model.name for spec in specs}

    assert models() == {"mlp", "cnn1d"}
    assert models(networks="base") == {"mlp"}
    assert models("model=gru") == {"gru"}
    assert models("dataset=textures", "model=cnn2d") == {"cnn2d"}
    with pytest.raises(Unfit, match="read sequences"):
        models("dataset=textures", "model=cnn2d", networks="notebook")


def test_the_threshold_is_asked_of_classes_only_where_they_can_be_chosen() -> None:
    small = {"sizes": (20, 40), "widths": (1, 2, 4)}
    own = asked("interpolation_threshold", planned().setting, **small).specs
    assert {(spec.dataset.name, spec.dataset["classes"]) for spec in own} == {
        ("mnist1d_classes", k) for k in (2, 5, 10)
    }
    assert {spec.model["residual"] for spec in own} == {False}
    others = asked("interpolation_threshold", planned("dataset=digits", "model=lenet").setting, **small).specs
    assert {(spec.dataset["train_size"], spec.dataset["batch_size"]) for spec in others} == {(20, 20), (40, 40)}
    assert {spec.model["width"] for spec in others} == {1, 2, 4}


@pytest.mark.parametrize(
    ("words", "worlds"),
    [
        ((), {"fresh", "shuffled", "flipped", "chunk_shuffled"}),
        (("dataset=digits",), {"fresh", "shuffled", "flipped"}),
        (("dataset=textures",), {"fresh", "shuffled", "flipped"}),
    ],
)
def test_tickets_are_transferred_to_the_views_that_there_are(words: tuple[str, ...], worlds: set[str]) -> None:
    specs = asked("ticket_transfer", planned(*words).setting, levels=2).specs
    told = {("fresh" if spec.dataset["view"] == "plain" else spec.dataset["view"]) for spec in specs}
    assert told == worlds
    assert {spec.dataset["fresh"] for spec in specs} == {1}


def test_what_a_transfer_asks_of_one_draw_does_not_compare_with_another() -> None:
    """As of photographs, of which there are no others: the mirrored ones remain."""
    arms = ("dense", "ticket", "random", "reinit", "dense_again")
    worlds = {"shuffled", "flipped"}
    rows = [
        {"key": "k", "seed": seed, "arm": arm, "world": world, "step": 1, "split": "test", "metric": "accuracy"}
        | {"value": 50.0 + seed + len(arm), "end": True}
        for seed, arm, world in itertools.product(range(6), arms, worlds)
    ]
    [verdict] = registry.build("analysis", "ticket_transfer").judge(pl.DataFrame(rows), {})
    assert verdict.claim == "mnist1d.ticket_survives_flipping"
    assert verdict.note.endswith("on the draw that it was found on")


def test_metalearning_names_no_published_rate_elsewhere() -> None:
    for words, is_home in (((), True), (("dataset=digits",), False), (("model=gru",), False)):
        assert planned(*words).setting.meets(registry.load("analysis", "metalearn_learning_rate").HOME) == is_home


def test_noise_on_units_needs_layers_of_one_width() -> None:
    options = {"last_losses": 5, "outer_steps": 1, "hidden": 4}
    data = ("dataset=digits", "stop.steps=6", "optimizer=rmsprop")
    assert asked("metalearn_activation", planned(*data, "model=mlp").setting, **options).lessons
    lenet = planned(*data, "model=lenet").setting
    with pytest.raises(Unfit, match=r"give analysis\.metalearn_activation\.noise=0"):
        asked("metalearn_activation", lenet, **options)
    assert asked("metalearn_activation", lenet, **options, noise=0.0).lessons


def test_what_no_result_could_support_is_said_beforehand() -> None:
    """Five seeds are the least of a t interval; the claims of a file and those of Python."""
    few = planned("+experiment=lottery_ticket", "analysis=[iterative_pruning]", "population.size=4")
    [line] = few.beforehand()
    assert line.startswith("analysis=iterative_pruning: even a perfect result of population.size=4 would not support")
    assert "mnist1d.lottery_ticket_beats_dense" in line
    assert planned("+experiment=lottery_ticket", "population.size=5").beforehand() == []
    elsewhere = planned(
        "+experiment=lottery_ticket",
        "analysis=[iterative_pruning]",
        "population.size=4",
        "dataset=digits",
        "model=lenet",
    )
    assert "digits.lottery_ticket_beats_dense" in elsewhere.beforehand()[0]
    assert "mnist1d" not in elsewhere.beforehand()[0]
    in_words = planned("+experiment=large_learning_rate", "population.size=3")
    assert in_words.beforehand()[0].endswith(
        "population.size=3 would not support li.large_lr_generalises_after_annealing, li.annealing_helps_large_lr"
    )
    rates = [planned("+experiment=life_plateau", f"population.size={size}").beforehand() for size in (4, 72)]
    assert "life.stuck_networks_answer_all_dead" not in str(rates[1])
    assert "life.plateau_is_all_dead" in str(rates[0])
