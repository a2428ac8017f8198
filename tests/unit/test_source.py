"""A config as Hydra composes it: typed leaves, closed nodes, budgets, and values that a user always wins."""

from __future__ import annotations

import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ValidationError

from expzoo.config import registry
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


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two analyses, a preset of a model and an experiment."""
    home = tmp_path / "home"
    for folder in ("analyses", "conf/experiment", "conf/model"):
        (home / folder).mkdir(parents=True)
    (home / "analyses" / "sieve.py").write_text(PLUGIN.format(name="Sieve"))
    (home / "analyses" / "colander.py").write_text(PLUGIN.format(name="Colander"))
    (home / "conf" / "model" / "thin.yaml").write_text("defaults: [mlp, _self_]\nwidth: ${budget:1,2,3}\n")
    (home / "conf" / "experiment" / "kitchen.yaml").write_text(EXPERIMENT)
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
        "model.width: interpolation key 'nowhere' not found",
        "seed: environment variable 'NO_SUCH_VARIABLE' not found",
        "population.size must be a whole number from 1 to 1000000, not 0, which ${budget:1,0,3} gives",
    ]


def test_nothing_can_be_added_to_a_config(home: Path) -> None:
    config = compose_job(["analysis=[sieve,colander]"])
    for node in ("", "model", "analysis", "analysis.sieve", "population", "trainer", "about", "loss"):
        target = OmegaConf.select(config, node) if node else config
        with pytest.raises(Exception, match="not in struct"):
            target["stray"] = 1


def test_what_is_missing_is_said(home: Path) -> None:
    (home / "analyses" / "funnel.py").write_text(PLUGIN.format(name="Funnel").replace("Count = 20", "Count"))
    registry._index.cache_clear()
    assert incomplete(compose_job(["analysis=funnel"])) == [
        "analysis.funnel.levels has no value: give analysis.funnel.levels=..."
    ]
    assert incomplete(compose_job(["analysis=[]"])) == ["analysis has no value: give analysis=..."]
