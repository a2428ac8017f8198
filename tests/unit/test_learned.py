"""Names of learned activations: what they hold, where they come from, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from expzoo.analysis.studies.metalearning.activation import LearnActivation, first_weights
from expzoo.analysis.studies.metalearning.learning_rate import LearnLearningRate
from expzoo.components import learned_activations
from expzoo.components.learned_activations import small_network
from expzoo.config.registry import available, build, declared
from expzoo.lab import learned as lookup
from expzoo.spec.component import Component
from expzoo.store.network import Network
from expzoo.store.store import Store
from expzoo.system.errors import BadInput
from expzoo.testing import check_plugin

if TYPE_CHECKING:
    from expzoo.lab.lab import Lab
    from expzoo.spec.spec import Spec

ROW = first_weights(3, 4).numpy()
KEY = "3f2a9c1b" + "0" * 56


def stored(store: Store, key: str = KEY, **changes: Any) -> None:
    own = {"status": "finished", "step": 1, "measured": {f"{learned_activations.KIND}/": {0: 1.0}}} | changes
    rows = {0: ROW, own["step"]: ROW}
    store.save(Network(key=key, rows=rows, losses=np.zeros(own["step"]), **own))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, "this-machine")


def test_a_resolved_name_holds_the_function(store: Store) -> None:
    stored(store)
    x = torch.linspace(-9, 9, 301, dtype=torch.float64)
    for form, tolerance in (("", 1e-4), ("/linear", 0.2)):
        name = lookup.resolve(f"learned:3f2a9c1b{form}", store)
        assert name.startswith(f"learned:{KEY}{form}:")
        assert lookup.resolve(name, store) == name
        module = learned_activations.activation(name)
        assert list(module.parameters()) == []
        expected = small_network(torch.from_numpy(ROW), x)[0]
        inside = x.abs() <= 8
        assert (module.double()(x) - expected)[inside].abs().max() < tolerance


def test_names_are_found_wherever_a_config_has_them(store: Store) -> None:
    stored(store)
    config = {"model": {"activation": "learned:3f2a9c", "width": 3}, "analysis": {"a": {"learned": ["learned:3f2a9c"]}}}
    whole = lookup.resolve("learned:3f2a9c", store)
    names = lookup.wholes(config, store)
    assert names == {"learned:3f2a9c": whole}
    elsewhere = Store(store.root / "elsewhere", "this-machine")
    assert lookup.wholes(config, elsewhere, names) == names
    for forged in ({"learned:3f2a9c": whole.replace("3f2a9c", "3f2a9d")}, {"learned:3f2a9c": 3}, [], None):
        with pytest.raises(BadInput, match="no learned activation learned:3f2a9c is in"):
            lookup.wholes(config, elsewhere, forged)
    resolved = lookup.resolved(config, names)
    assert resolved == {"model": {"activation": whole, "width": 3}, "analysis": {"a": {"learned": [whole]}}}


def test_a_missing_one_is_refused(store: Store) -> None:
    with pytest.raises(BadInput, match=r"no learned activation learned:3f2a9c1b is in .*metalearn_activation"):
        lookup.resolve("learned:3f2a9c1b", store)


def test_a_short_name_of_two_is_refused(store: Store) -> None:
    stored(store)
    stored(store, "3f2a9c1b" + "1" * 56)
    with pytest.raises(BadInput, match="start of 2 keys"):
        lookup.resolve("learned:3f2a9c1b", store)


def test_a_folder_without_a_file_is_refused(store: Store) -> None:
    (store.root / KEY[:2] / KEY).mkdir(parents=True)
    with pytest.raises(BadInput, match=f"{KEY} has no file in"):
        lookup.resolve("learned:3f2a9c1b", store)


def test_a_corrupted_one_is_refused_with_its_key_and_left_alone(store: Store) -> None:
    stored(store)
    [path] = store.root.rglob("network.safetensors")
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInput, match=f"{KEY} cannot be used: .*corrupted"):
        lookup.resolve("learned:3f2a9c1b", store)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"measured": {"accuracy/test": {1: 50.0}}}, "another thing"),
        ({"status": "diverged", "step": 0}, "diverged in outer step 0; nothing had been learned before"),
    ],
)
def test_a_foreign_one_is_refused_with_its_key(store: Store, changes: dict[str, Any], why: str) -> None:
    stored(store, **changes)
    with pytest.raises(BadInput, match=f"{KEY} in .* is no learned activation: .*{why}"):
        lookup.resolve("learned:3f2a9c1b", store)


def test_what_was_learned_before_a_divergence_is_used_and_said(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    stored(store, status="diverged", step=2)
    name = lookup.resolve("learned:3f2a9c1b", store)
    assert learned_activations.table(learned_activations.parse(name)).shape == (2, learned_activations.KNOTS)
    assert "diverged in outer step 2; what 2 outer steps learned is kept, and used" in caplog.text


@pytest.mark.parametrize(
    "name", ["learned:", "learned:3f2", "learned:3F2A9C1B", "learned:3f2a9c1b/cubic", "learnt:3f2a9c1b"]
)
def test_other_texts_are_no_activations(name: str) -> None:
    with pytest.raises(BadInput, match=r"model\.activation must be one of celu"):
        Component.of("model", "mlp", activation=name)


def test_a_name_that_was_not_looked_up_builds_nothing() -> None:
    with pytest.raises(BadInput, match="is not resolved"):
        build("model", "mlp", (40,), 10, activation="learned:3f2a9c1b")


@pytest.mark.parametrize("data", ["AAAA", "A" * 696, "A" * 693])
def test_forged_data_are_refused(data: str) -> None:
    text = f"learned:{KEY}:{data}" if len(data) == 4 else f"learned:{KEY}/linear:{data}"
    with pytest.raises(BadInput, match="holds no function"):
        learned_activations.table(learned_activations.parse(text))


def test_a_model_with_a_learned_activation_keeps_the_contract(store: Store) -> None:
    stored(store)
    check_plugin("model", "mlp", width=8, activation=lookup.resolve("learned:3f2a9c1b", store))


def lesson_spec(base: Spec) -> Spec:
    return base.replace(optimizer=Component.of("optimizer", "rmsprop"), stop={"steps": 4})


def test_what_a_lesson_learns_is_found_by_its_alias(base: Spec, open_lab: Callable[..., Lab]) -> None:
    lesson = LearnActivation(inner=lesson_spec(base), outer_steps=2, inner_networks=2, hidden=4, last_losses=2)
    lab = open_lab()
    [found] = lab.fit([lesson])
    name = lookup.resolve(f"learned:{lesson.alias()}", lab.store)
    assert name == learned_activations.names_of(lesson.key, found.row())[""]
    again = open_lab()
    assert again.fit([lesson])[0].row().tolist() == found.row().tolist()
    assert again.account.trained == set()


@pytest.mark.parametrize(
    ("kind", "changes", "why"),
    [
        (LearnActivation, {"last_losses": 5}, "last_losses 5 must be from 1 to the 4"),
        (LearnActivation, {"inner_networks": 1}, "inner_networks 1"),
        (LearnActivation, {"outer_steps": 0}, "outer_steps 0"),
        (LearnLearningRate, {}, "plain sgd, not for rmsprop"),
    ],
)
def test_impossible_lessons_are_refused(base: Spec, kind: type, changes: dict[str, Any], why: str) -> None:
    own: dict[str, Any] = {"outer_steps": 2, "outer_lr": 0.1}
    own |= {"inner_networks": 2, "hidden": 4, "last_losses": 2} if kind is LearnActivation else {"start": 0.1}
    with pytest.raises(ValueError, match=why):
        kind(inner=lesson_spec(base), **(own | changes))


IMAGES, SIGNALS, BOARDS = (3, 16, 16), (40,), (1, 5, 5)
MODELS = {
    "cnn1d": (SIGNALS, {}),
    "cnn2d": (IMAGES, {"width": 2}),
    "convnet_si": (IMAGES, {"channels": 2}),
    "lenet": (IMAGES, {}),
    "lenet_300_100": (SIGNALS, {}),
    "life_net": (BOARDS, {}),
    "attention1d": (SIGNALS, {"width": 8}),
    "local1d": (SIGNALS, {"channels": 3}),
    "mlp": (SIGNALS, {"width": 5}),
    "mlp_si": (SIGNALS, {"width": 5}),
    "normalised_mlp": (SIGNALS, {"width": 5}),
    "pooled_cnn1d": (SIGNALS, {}),
    "pooled_cnn2d": (IMAGES, {"channels": 2}),
    "resnet": (IMAGES, {"width": 2}),
    "wide_resnet": (IMAGES, {"depth": 10, "width": 2}),
}


@pytest.mark.parametrize("model", available("model"))
def test_every_model_but_those_without_an_activation_takes_a_learned_one(store: Store, model: str) -> None:
    if model not in MODELS:
        assert "activation" not in declared("model", model).options
        assert model in ("gru", "logistic")
        return
    stored(store)
    inputs, options = MODELS[model]
    x = torch.randn(4, *inputs, generator=torch.Generator().manual_seed(0))
    outputs = {}
    for name in ("relu", "identity", lookup.resolve("learned:3f2a9c1b", store)):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            module = build("model", model, inputs, math.prod(inputs[1:]), **options, activation=name)
        outputs[name] = module(x)
        outputs[name].sum().backward()
        assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in module.parameters())
    first, second, third = outputs.values()
    assert not torch.equal(first, second)
    assert not torch.equal(third, first)
    assert not torch.equal(third, second)
