"""The key of a network: every change that matters gives a new one, and nothing else does."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from typing import Any

import pytest

from expzoo.config import hydra_source, registry
from expzoo.config.check import compose_job
from expzoo.config.identity import plain, run_id
from expzoo.spec.component import Component
from expzoo.spec.spec import Fresh, Magnitude, Permuted, RandomMask, Rewind, Spec
from expzoo.system.canonical import canonical_json, freeze
from expzoo.system.errors import BadInput
from expzoo.system.randomness import member_seed


def component(kind: str, name: str, **options: Any) -> Component:
    return Component.of(kind, name, **options)


BASE = Spec(
    dataset=component("dataset", "mnist1d"),
    model=component("model", "mlp"),
    optimizer=component("optimizer", "adam", lr=0.02),
    schedule=component("schedule", "constant"),
    loss=component("loss", "cross_entropy"),
    stop=component("stop", "steps"),
    seed=1,
)
OTHER = BASE.replace(seed=2)

IN_THE_DATA: dict[str, Any] = {
    "num_samples": 4000,
    "train_split": 0.7,
    "template_len": 13,
    "padding": (36, 61),
    "scale_coeff": 0.5,
    "max_translation": 47,
    "corr_noise_scale": 0.3,
    "iid_noise_scale": 0.03,
    "shear_scale": 0.7,
    "shuffle_seq": True,
    "final_seq_length": 41,
    "seed": 43,
    "draw": "member",
    "fresh": 1,
    "view": "flipped",
    "train_size": 3000,
    "validation_size": 500,
    "label_noise": 0.1,
    "noise_labels": "any",
    "batch_size": 99,
    "order": "fixed",
}
MATTERS: dict[str, Spec] = {
    **{f"dataset.{option}": BASE.replace(dataset={option: value}) for option, value in IN_THE_DATA.items()},
    "model.width": BASE.replace(model={"width": 101}),
    "model.depth": BASE.replace(model={"depth": 3}),
    "model.residual": BASE.replace(model={"residual": False}),
    "model.activation": BASE.replace(model={"activation": "tanh"}),
    "optimizer.lr": BASE.replace(optimizer={"lr": 0.020000000000000004}),
    "optimizer.beta1": BASE.replace(optimizer={"beta1": 0.8}),
    "optimizer.beta2": BASE.replace(optimizer={"beta2": 0.99}),
    "optimizer.eps": BASE.replace(optimizer={"eps": 1e-7}),
    "optimizer.weight_decay": BASE.replace(optimizer={"weight_decay": 1e-4}),
    "optimizer": BASE.replace(optimizer=component("optimizer", "sgd", lr=0.02)),
    "loss": BASE.replace(loss=component("loss", "mse")),
    "stop.steps": BASE.replace(stop={"steps": 1501}),
    "stop": BASE.replace(stop=component("stop", "fitted")),
    "seed": OTHER,
    "dtype": BASE.replace(dtype="float64"),
    "init.draw": BASE.replace(init=Fresh(draw=1)),
    "init": BASE.replace(init=Rewind(BASE, 0)),
    "init.step": BASE.replace(init=Rewind(BASE, 1)),
    "init.of": BASE.replace(init=Rewind(OTHER, 1)),
    "mask": BASE.replace(mask=RandomMask(0.5)),
    "mask.sparsity": BASE.replace(mask=RandomMask(0.51)),
    "mask.draw": BASE.replace(mask=RandomMask(0.5, draw=1)),
    "mask.biases": BASE.replace(mask=RandomMask(0.5, biases=False)),
    "mask.within": BASE.replace(mask=RandomMask(0.5, within=RandomMask(0.4))),
    "mask by magnitude": BASE.replace(mask=Magnitude(BASE, 0.5)),
    "mask.of": BASE.replace(mask=Magnitude(OTHER, 0.5)),
    "mask.scope": BASE.replace(mask=Magnitude(BASE, 0.5, "global")),
    "mask.last": BASE.replace(mask=Magnitude(BASE, 0.5, last=0.25)),
    "mask.step": BASE.replace(mask=Magnitude(BASE, 0.5, step=100)),
    "mask permuted": BASE.replace(mask=Permuted(Magnitude(BASE, 0.5))),
    "mask permuted again": BASE.replace(mask=Permuted(Magnitude(BASE, 0.5), draw=1)),
}
DOES_NOT: dict[str, Spec] = {
    "the size of the test set": BASE.replace(dataset={"test_size": 17}),
    "the order of options": BASE.replace(optimizer=Component("optimizer", "adam", BASE.optimizer.options[::-1])),
    "defaults that are spelled out": BASE.replace(model={"width": 100, "depth": 2, "residual": True}),
    "an int for a float": BASE.replace(optimizer={"weight_decay": 0}),
    "a negative zero": BASE.replace(optimizer={"weight_decay": -0.0}),
    "a list for a tuple": BASE.replace(dataset={"padding": [36, 60]}),
    "the recipe that is the default": BASE.replace(init=Fresh(draw=0), mask=None),
    "a copy": dataclasses.replace(BASE),
}
"""And what a command line may say besides; see NO_MATTER_TYPED."""


def test_each_change_that_matters_gives_a_key_of_its_own() -> None:
    keys = {name: spec.key for name, spec in MATTERS.items()} | {"none": BASE.key}
    same = {key: [name for name in keys if keys[name] == key] for key in keys.values()}
    assert len(MATTERS) >= 30
    assert {key: names for key, names in same.items() if len(names) > 1} == {}


@pytest.mark.parametrize("change", DOES_NOT)
def test_what_only_looks_or_says_the_same_keeps_the_key(change: str) -> None:
    assert DOES_NOT[change].key == BASE.key


def test_equal_numbers_of_other_types_are_one_setting() -> None:
    assert BASE.replace(optimizer={"lr": 1}).key == BASE.replace(optimizer={"lr": 1.0}).key
    assert BASE.replace(mask=RandomMask(0)).key == BASE.replace(mask=RandomMask(0.0)).key
    assert BASE.replace(mask=Magnitude(BASE, 0)).key == BASE.replace(mask=Magnitude(BASE, 0.0)).key


MATTERS_TYPED = {
    "width": "model.width=101",
    "learning rate": "optimizer.lr=0.011",
    "optimizer": "optimizer=sgd",
    "steps": "stop.steps=1501",
    "seed": "seed=1",
    "label noise": "dataset.label_noise=0.1",
    "draw": "dataset.draw=member",
    "loss": "loss=mse",
}
NO_MATTER_TYPED = {
    "test set": "dataset.test_size=100",
    "measures": "analysis.learning_curves.every=7",
    "another analysis": "analysis=[iterative_pruning]",
    "store": "store=elsewhere",
    "dry run": "dry_run=true",
    "budget": "budget=paper",
    "output directory": "hydra.run.dir=elsewhere",
    "device": "trainer.accelerator=cpu",
    "title": "about.title=Something",
    "more seeds": "population.size=9",
    "an int for a float": "optimizer.weight_decay=0",
}
NO_OTHER_RUN = ("store", "dry run", "output directory", "device", "title", "an int for a float")


def typed(*overrides: str) -> dict[str, Any]:
    """The plain config of a command line."""
    hydra_source.install()
    return plain(compose_job(list(overrides)))


def member(config: dict[str, Any]) -> Spec:
    """The first network of a config, as the experiment makes it."""
    return Spec.from_config(config, member_seed(config["seed"], 0))


def test_what_is_typed_changes_the_key_of_its_networks_if_it_changes_them() -> None:
    plain_key = member(typed()).key
    keys = {name: member(typed(word)).key for name, word in MATTERS_TYPED.items()}
    assert len({plain_key, *keys.values()}) == 1 + len(MATTERS_TYPED)
    looks = {name: member(typed(word)).key for name, word in NO_MATTER_TYPED.items()}
    assert looks == dict.fromkeys(NO_MATTER_TYPED, plain_key)
    assert len(DOES_NOT) + len(NO_MATTER_TYPED) >= 15


def test_what_is_typed_changes_the_name_of_the_run_if_it_changes_its_results() -> None:
    plain_id = run_id(typed())
    others = MATTERS_TYPED | {k: v for k, v in NO_MATTER_TYPED.items() if k not in NO_OTHER_RUN}
    names = {name: run_id(typed(word)) for name, word in others.items()}
    assert len({plain_id, *names.values()}) == 1 + len(others)
    same = {name: run_id(typed(NO_MATTER_TYPED[name])) for name in NO_OTHER_RUN}
    assert same == dict.fromkeys(NO_OTHER_RUN, plain_id)
    assert run_id(typed("model.width=7", "seed=3")) == run_id(typed("seed=3", "model.width=7"))


def test_a_raised_version_gives_new_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    before, id_before = BASE.key, run_id(typed())
    monkeypatch.setattr("expzoo.config.versions.ENGINE_VERSION", 10**6)
    assert dataclasses.replace(BASE).key != before
    assert run_id(typed()) != id_before
    monkeypatch.undo()

    declared = registry.declared

    def newer(kind: str, name: str) -> Any:
        found = declared(kind, name)
        return dataclasses.replace(found, version=found.version + 1) if name == "mlp" else found

    assert BASE.replace(model={}).key == before
    monkeypatch.setattr(registry, "declared", newer)
    assert BASE.replace(model={}).key != before


def test_keys_do_not_depend_on_the_process_or_its_threads() -> None:
    program = "import test_spec as t; print(t.BASE.key, t.MATTERS['mask permuted'].key, end='')"
    environment = {"PYTHONPATH": str(__file__).rpartition("/")[0], "PATH": "", "LANG": "tr_TR.UTF-8"}
    expected = f"{BASE.key} {MATTERS['mask permuted'].key}"
    for hash_seed, threads in (("0", "1"), ("77", "2")):
        own = environment | {"PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": threads}
        command = [sys.executable, "-c", program]
        assert subprocess.run(command, env=own, capture_output=True, text=True, check=True).stdout == expected


def test_canonical_json_is_one_text() -> None:
    assert canonical_json({"b": 1, "a": (1, [2.0, None], "ü")}) == '{"a":[1,[2.0,null],"\\u00fc"],"b":1}'
    assert canonical_json({"a": 1, "b": {"d": 1, "c": 2}}) == canonical_json({"b": {"c": 2, "d": 1}, "a": 1})
    assert json.loads(canonical_json(BASE.canonical())) == json.loads(json.dumps(BASE.canonical()))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_canonical_json_refuses_what_is_no_number(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": [value]})
    with pytest.raises(ValueError, match="lr must be a number"):
        BASE.replace(optimizer={"lr": value})
    with pytest.raises(ValueError, match=f"sparsity {value}"):
        RandomMask(value)


@pytest.mark.parametrize("sparsity", [1, 1.0, -0.1, 2.0])
def test_a_sparsity_that_leaves_nothing_is_refused(sparsity: float) -> None:
    for recipe in (lambda: RandomMask(sparsity), lambda: Magnitude(BASE, sparsity)):
        with pytest.raises(ValueError, match=f"sparsity {sparsity} must be at least 0 and less than 1"):
            recipe()


def test_a_nested_mask_removes_no_less_than_the_one_it_is_in() -> None:
    with pytest.raises(ValueError, match=r"sparsity 0\.4 does not fit within 0\.5"):
        RandomMask(0.4, within=RandomMask(0.5))


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"widht": 7}, "model has no widht: did you mean width"),
        ({"width": 0}, r"model\.width must be a whole number at least 1, not 0"),
        ({"width": "7"}, r"model\.width must be a whole number at least 1, not '7'"),
        ({"width": 7.5}, r"model\.width must be a whole number"),
    ],
)
def test_a_component_refuses_what_its_plugin_does_not_take(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(BadInput, match=fault):
        Component.of("model", "mlp", **options)


def test_a_spec_is_frozen_and_can_be_a_key() -> None:
    spec = MATTERS["mask by magnitude"]
    for thing, field in ((spec, "seed"), (spec.model, "name"), (spec.mask, "sparsity"), (spec.init, "draw")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(thing, field, 1)
    assert {BASE: 1, OTHER: 2}[dataclasses.replace(BASE)] == 1
    assert len({*MATTERS.values(), *DOES_NOT.values()}) == len(MATTERS) + 1
    assert BASE.key != BASE
    assert len(BASE.key) == 64
    assert set(BASE.key) <= set("0123456789abcdef")
    assert freeze([1, [2, (3,)]]) == (1, (2, (3,)))


def test_a_config_gives_back_its_spec() -> None:
    config = typed("model.width=7", "optimizer.lr=0.02", "dataset.test_size=9")
    assert Spec.from_config(config, 1) == BASE.replace(model={"width": 7})
    backwards = {kind: dict(reversed(node.items())) for kind, node in config.items() if isinstance(node, dict)}
    assert Spec.from_config(backwards, 1).key == Spec.from_config(config, 1).key


def test_the_sources_of_recipes() -> None:
    first = BASE.replace(mask=Magnitude(BASE, 0.2))
    assert BASE.sources() == []
    assert BASE.replace(mask=RandomMask(0.5, within=RandomMask(0.4))).sources() == []
    assert BASE.replace(init=Rewind(BASE, 5)).sources() == [(BASE, 5)]
    assert BASE.replace(init=Rewind(OTHER, 5), mask=Magnitude(first, 0.5, step=7)).sources() == [(OTHER, 5), (first, 7)]
    assert BASE.replace(mask=Permuted(Magnitude(first, 0.5))).sources() == [(first, "final")]


def test_an_option_that_was_added_is_in_the_key_only_where_it_is_not_its_default() -> None:
    assert "activation" not in BASE.canonical()["model"]["options"]
    assert "activation" not in BASE.replace(model={"activation": "relu"}).canonical()["model"]["options"]
    assert BASE.replace(model={"activation": "tanh"}).canonical()["model"]["options"]["activation"] == "tanh"
    assert "activation" in component("model", "cnn1d").canonical()["options"]  # it always had one
