"""A config as Hydra composes it: typed leaves, closed nodes, budgets, and values that a user always wins."""

from __future__ import annotations

import os
import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ValidationError

from expzoo.config import presets, registry
from expzoo.config.check import compose_job, composed, incomplete, resolved
from expzoo.config.hydra_source import Leaf, install
from expzoo.config.options import Count, Fraction
from expzoo.system.errors import BadInput

PLUGIN = """
import torch
from expzoo.plugin import Count, Fraction, register

@register
class {name}:
    def __init__(self, *, levels: Count = 20, keep: Fraction = 0.8, sizes: tuple[float, ...] = (1, 2)) -> None: ...
"""

EXPERIMENT = """
# @package _global_
defaults:
  - override /analysis: [sieve, colander]
about:
  question: Does it hold water?
model:
  width: ${budget:10,100,300}
population:
  size: ${budget:2,16,64}
analysis:
  sieve:
    levels: ${budget:1,2,3}
    keep: ${budget:0,1,0.5}
    sizes: ${budget:[1],[2],[3]}
"""


CARRYING = """
# @package _global_
defaults:
  - override /dataset: garden
  - override /model: garden
presets:
  dataset: # its own draw
    defaults: [mnist1d, _self_]
    draw: member
    num_samples: ${budget:100,200,300}
  model: {defaults: [thin, _self_], depth: 3}
population: {size: 5}
"""

INHERITING = """
# @package _global_
defaults:
  - garden
  - override /dataset: backyard
presets:
  dataset: {defaults: [textures, _self_], train_size: 20}
seed: 4
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two analyses, a preset of a model and three experiments."""
    home = tmp_path / "home"
    for folder in ("analyses", "conf/experiment", "conf/model"):
        (home / folder).mkdir(parents=True)
    (home / "analyses" / "sieve.py").write_text(PLUGIN.format(name="Sieve"))
    (home / "analyses" / "colander.py").write_text(PLUGIN.format(name="Colander"))
    (home / "conf" / "model" / "thin.yaml").write_text("defaults: [mlp, _self_]\nwidth: ${budget:1,2,3}\n")
    for name, content in {"kitchen": EXPERIMENT, "garden": CARRYING, "backyard": INHERITING}.items():
        (home / "conf" / "experiment" / f"{name}.yaml").write_text(content)
    monkeypatch.setenv("EXPZOO_PLUGINS", str(home))
    monkeypatch.chdir(tmp_path)
    install()
    return home


@pytest.fixture
def leaf() -> DictConfig:
    return DictConfig({"size": Leaf(Count, 3), "kept": Leaf(Fraction | None), "sizes": Leaf(tuple[int, ...], [1])})


def test_a_leaf_refuses_what_its_annotation_does(leaf: DictConfig) -> None:
    leaf.size = 4
    leaf.kept = 1
    leaf.sizes = [3, 4]
    assert OmegaConf.to_container(leaf) == {"size": 4, "kept": 1.0, "sizes": [3, 4]}
    leaf.kept = None
    for key, value in {"size": 0, "kept": 2, "sizes": "3"}.items():
        with pytest.raises(ValidationError, match="must be"):
            leaf[key] = value
        with pytest.raises(ValidationError, match="must be"):
            OmegaConf.merge(leaf, {key: value})
    assert leaf.size == 4


@pytest.mark.parametrize("copied", [deepcopy, lambda node: pickle.loads(pickle.dumps(node)), OmegaConf.merge])
def test_a_copied_leaf_refuses_it_too(leaf: DictConfig, copied: Any) -> None:
    leaf.size = 5
    other = copied(leaf)
    assert OmegaConf.is_missing(other, "kept")
    assert other.size == 5
    with pytest.raises(ValidationError, match="must be a whole number at least 1, not 0"):
        other.size = 0
    other.size = 6
    assert leaf.size == 5


def test_a_plugin_is_a_config_node(home: Path) -> None:
    config = resolved(["analysis=sieve", "analysis.sieve.keep=1"])
    assert config["analysis"] == {"sieve": {"name": "sieve", "levels": 20, "keep": 1.0, "sizes": [1.0, 2.0]}}
    assert type(config["analysis"]["sieve"]["keep"]) is float
    assert config["model"]["name"] == "mlp"
    assert "hydra" not in config


@pytest.mark.parametrize(
    ("budget", "expected"),
    [("smoke", (10, 2, 1, 0.0, [1.0])), ("laptop", (100, 16, 2, 1.0, [2.0])), ("paper", (300, 64, 3, 0.5, [3.0]))],
)
def test_a_budget_sets_sizes(home: Path, budget: str, expected: tuple[Any, ...]) -> None:
    config = resolved(["+experiment=kitchen", f"budget={budget}"])
    sieve = config["analysis"]["sieve"]
    found = (config["model"]["width"], config["population"]["size"], sieve["levels"], sieve["keep"], sieve["sizes"])
    assert found == expected
    assert list(map(type, found)) == [int, int, int, float, list]


def test_the_user_wins_over_budget_preset_and_experiment(home: Path) -> None:
    config = resolved(["model.width=7", "+experiment=kitchen", "budget=paper", "analysis.sieve.levels=9"])
    assert (config["model"]["width"], config["analysis"]["sieve"]["levels"]) == (7, 9)
    assert config["population"]["size"] == 64
    assert resolved(["model=thin", "budget=smoke"])["model"]["width"] == 1
    assert resolved(["model=thin", "model.width=5"])["model"]["width"] == 5


def test_an_experiment_holds_presets_of_its_own(home: Path) -> None:
    config = resolved(["+experiment=garden", "budget=paper"])
    dataset, model = config["dataset"], config["model"]
    assert (dataset["name"], dataset["draw"], dataset["num_samples"]) == ("mnist1d", "member", 300)
    assert (model["name"], model["width"], model["depth"]) == ("mlp", 3, 3)
    assert "presets" not in config
    assert resolved(["+experiment=garden", "dataset.num_samples=50"])["dataset"]["num_samples"] == 50
    assert resolved(["dataset=garden"])["dataset"] == resolved(["+experiment=garden"])["dataset"]


def test_another_choice_drops_the_values_of_a_preset(home: Path) -> None:
    config = resolved(["+experiment=garden", "dataset=mnist1d", "model=cnn1d"])
    assert config["dataset"] == resolved(["dataset=mnist1d"])["dataset"]
    assert config["model"] == resolved(["model=cnn1d"])["model"]
    assert config["population"]["size"] == 5


def test_an_experiment_builds_upon_another_in_one_line(home: Path) -> None:
    config, below = resolved(["+experiment=backyard"]), resolved(["+experiment=garden"])
    assert (config["dataset"]["name"], config["dataset"]["train_size"]) == ("textures", 20)
    assert (config["model"], config["population"], config["seed"]) == (below["model"], below["population"], 4)
    assert config["about"]["experiment"] == "backyard"
    assert presets.variants("garden") == ["backyard"]


def test_presets_of_experiments_are_accepted_but_not_listed(home: Path) -> None:
    assert "garden" in presets.options("dataset")
    assert {"garden", "backyard"} & set(presets.listed("dataset")) == set()
    assert presets.hint("dataset", "gardne") == "did you mean garden?"
    assert "garden" not in presets.hint("dataset", "zzz")
    assert presets.listed("model") == sorted({*registry.available("model"), "thin", "life_smooth", "textures_cnn2d"})


def test_a_preset_that_is_edited_counts_at_once(home: Path) -> None:
    file = home / "conf" / "experiment" / "garden.yaml"
    assert resolved(["+experiment=garden"])["dataset"]["num_samples"] == 200
    file.write_text(CARRYING.replace("200", "250").replace("  model:", "  optimizer:").replace("thin", "adam"))
    os.utime(file, ns=(1, 1))
    assert "garden" not in presets.options("model")
    assert "garden" in presets.options("optimizer")
    file.write_text(CARRYING.replace("200", "250"))
    os.utime(file, ns=(2, 2))
    assert resolved(["+experiment=garden"])["dataset"]["num_samples"] == 250


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("presets:\n  dataset:\n    defaults: [mnist1d]\n  model: {width: 3}\n", ["dataset", "model"]),
        (
            "presets:\n\n # said\n    dataset:\n\n      draw: member\n    # more\n    model:\n      width: 3",
            ["dataset", "model"],
        ),
        ("presets: {dataset: {draw: member}, model: {width: 3}}\nseed: 1\n", ["dataset", "model"]),
        (
            "presets: {dataset: {a: '}', b: [{c: 1}]}, # {stop: 1}\n  model: {width: '${budget:1,2,3}'}}\nx: 1\n",
            ["dataset", "model"],
        ),
        ("presets: # {said}\n  'dataset':\n    draw: member\nabout:\n  model: 3\n", ["dataset"]),
        ("seed: 1\npresets:\n  stop:\n    steps: 3\npopulation:\n  size: 3\n", ["stop"]),
        ("about:\n  presets:\n  model: x\n", []),
        ("presets:\n", []),
        ("presets: [dataset\n", []),
    ],
)
def test_the_groups_of_presets_are_seen_in_any_style_of_yaml(tmp_path: Path, text: str, groups: list[str]) -> None:
    (tmp_path / "some.yaml").write_text(text)
    assert presets._carried(tmp_path / "some.yaml") == groups


def test_the_config_says_which_experiment_it_is(home: Path) -> None:
    about = resolved(["+experiment=kitchen"])["about"]
    assert (about["experiment"], about["question"]) == ("kitchen", "Does it hold water?")
    assert resolved([])["about"]["experiment"] == "custom"


def test_a_composed_config_stays_typed(home: Path) -> None:
    config = composed(["model.width=4"])
    config.model.width = 5
    with pytest.raises(ValidationError, match="must be a whole number at least 1, not -1"):
        config.model.width = -1
    with pytest.raises(BadInput, match="the config has no zzz"):
        composed(["+zzz=3"])


def test_the_result_of_an_interpolation_is_checked(home: Path) -> None:
    with pytest.raises(BadInput) as caught:
        resolved(["population.size=${budget:1,0,3}", "model.width=${nowhere}", "seed=${oc.env:NO_SUCH_VARIABLE}"])
    assert str(caught.value).splitlines() == [
        "seed: ${oc.env:NO_SUCH_VARIABLE} is not read: only ${budget:...} and other keys of the config are",
        "model.width: interpolation key 'nowhere' not found",
        "population.size must be a whole number from 1 to 100000, not 0, which ${budget:1,0,3} gives",
    ]


def test_nothing_can_be_added_to_a_config(home: Path) -> None:
    config = compose_job(["analysis=[sieve,colander]"])
    for node in ("", "model", "analysis.sieve", "population", "trainer", "about", "loss"):
        target = OmegaConf.select(config, node) if node else config
        with pytest.raises(Exception, match="not in struct"):
            target["stray"] = 1


def test_options_of_an_analysis_that_was_not_chosen_are_dropped_and_no_others(home: Path) -> None:
    (home / "conf" / "experiment").mkdir(parents=True, exist_ok=True)
    text = (
        "# @package _global_\ndefaults: [override /analysis: [sieve, colander]]\nanalysis: {sieve: {keep: 0.5}, %s}\n"
    )
    file = home / "conf" / "experiment" / "both.yaml"
    file.write_text(text % "colander: {keep: '${analysis.sieve.keep}'}")
    one = resolved(["+experiment=both", "analysis=[colander]"])["analysis"]
    assert list(one) == ["colander"]
    assert one["colander"]["keep"] == 0.5  # what it takes over from one that is dropped holds
    assert list(resolved(["+experiment=both"])["analysis"]) == ["sieve", "colander"]
    for overrides, said in (
        (["analysis=[colander]", "analysis.sieve.keep=0.3"], "analysis has no sieve: known: colander"),
        (["analysis.siv.keep=0.3"], "analysis has no siv: did you mean sieve?"),
    ):
        with pytest.raises(BadInput) as caught:
            resolved(["+experiment=both", *overrides])
        assert said in str(caught.value).splitlines()
    for wrong, said in (
        ("seive: {keep: 0.5}", "there is no analysis=seive: did you mean sieve?"),
        ("colander: {kep: 0.5}", "analysis.colander has no kep: did you mean keep?"),
    ):
        file.write_text(text % wrong)
        with pytest.raises(BadInput) as caught:
            resolved(["+experiment=both", "analysis=[sieve]"])
        assert str(caught.value).splitlines() == [said]


def test_what_is_missing_is_said(home: Path) -> None:
    (home / "analyses" / "funnel.py").write_text(PLUGIN.format(name="Funnel").replace("Count = 20", "Count"))
    registry._index.cache_clear()
    assert incomplete(compose_job(["analysis=funnel"])) == [
        "analysis.funnel.levels has no value: give analysis.funnel.levels=..."
    ]
    assert incomplete(compose_job(["analysis=[]"])) == ["analysis has no value: give analysis=..."]
