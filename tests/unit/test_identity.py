"""The name of a run: what changes it, what does not, and names that must never change by accident."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from expzoo.config.identity import chosen, experiment_name, run_id
from expzoo.config.registry import SHARED

PLUGIN = """
from expzoo.plugin import register

@register
class Thing:
    CACHE_VERSION = {version}
    def __init__(self{given}, *, size: int = 1) -> None: ...
"""

FOLDERS = {
    "dataset": "datasets",
    "model": "models",
    "optimizer": "optimizers",
    "schedule": "schedules",
    "loss": "losses",
    "stop": "stops",
    "constraint": "constraints",
    "parametrisation": "parametrisations",
    "trainer": "trainers",
    "logger": "loggers",
    "analysis": "analyses",
}

CONFIG: dict[str, Any] = {
    **{kind: {"name": "thing_a", "size": 1} for kind in FOLDERS if kind not in SHARED},
    "logger": {"thing_a": {"name": "thing_a", "size": 1}},
    "analysis": {"thing_a": {"name": "thing_a", "size": 1}, "thing_b": {"name": "thing_b", "size": 1}},
    "seed": 0,
    "budget": "laptop",
    "population": {"size": 8},
    "store": "outputs/store",
    "dry_run": False,
    "about": {"title": "", "question": "", "source": "", "cost": ""},
}


@pytest.fixture(autouse=True)
def _things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, folder in FOLDERS.items():
        (tmp_path / folder).mkdir()
        given = ", inputs, outputs" if kind == "model" else ""
        for version, name in enumerate(("thing_a", "thing_b"), 1):
            (tmp_path / folder / f"{name}.py").write_text(PLUGIN.format(version=version, given=given))
    monkeypatch.setenv("EXPZOO_PLUGINS", str(tmp_path))


def changed(path: str, value: Any) -> dict[str, Any]:
    config = deepcopy(CONFIG)
    *parents, key = path.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    node[key] = value
    return config


MATTERS = {
    **{f"{kind}.size": 2 for kind in FOLDERS if kind not in ("analysis", "logger", "trainer")},
    **{f"{kind}.name": "thing_b" for kind in FOLDERS if kind not in ("analysis", "logger", "trainer")},
    "analysis.thing_a.size": 2,
    "analysis.thing_a": {"name": "thing_b", "size": 1},
    "seed": 1,
    "budget": "paper",
    "population.size": 9,
}

DOES_NOT = {
    "store": "/elsewhere",
    "dry_run": True,
    "trainer.size": 2,
    "about.title": "A title",
    "about.question": "Why?",
}


@pytest.mark.check("R11")
def test_every_change_that_matters_gives_a_name_of_its_own() -> None:
    names = {run_id(CONFIG), *(run_id(changed(path, value)) for path, value in MATTERS.items())}
    assert len(names) == 1 + len(MATTERS)


@pytest.mark.parametrize("path", DOES_NOT)
@pytest.mark.check("R11")
def test_what_does_not_change_results_keeps_the_name(path: str) -> None:
    assert run_id(changed(path, DOES_NOT[path])) == run_id(CONFIG)


def test_the_order_of_keys_keeps_the_name() -> None:
    assert run_id(dict(reversed(CONFIG.items()))) == run_id(CONFIG)


def test_a_raised_cache_version_gives_a_new_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = run_id(CONFIG)
    other = tmp_path / "other"
    for kind, folder in FOLDERS.items():
        (other / folder).mkdir(parents=True)
        given = ", inputs, outputs" if kind == "model" else ""
        for name in ("thing_a", "thing_b"):
            version = 7 if (kind, name) == ("loss", "thing_a") else {"thing_a": 1, "thing_b": 2}[name]
            (other / folder / f"{name}.py").write_text(PLUGIN.format(version=version, given=given))
    monkeypatch.setenv("EXPZOO_PLUGINS", str(other))
    assert run_id(CONFIG) != before


def test_names_that_results_already_have() -> None:
    assert run_id(CONFIG) == "1787e941b4bf"  # under the second version of the shared rules
    assert run_id(changed("seed", 1)) == "2727c84aa402"


def test_the_chosen_plugins() -> None:
    expected = [(kind, "thing_a") for kind in FOLDERS if kind != "analysis"]  # the order is that of the kinds
    assert list(chosen(CONFIG)) == [*expected, ("analysis", "thing_a"), ("analysis", "thing_b")]


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "custom"),
        (["model=mlp"], "custom"),
        (["+experiment=lottery_ticket", "seed=1"], "lottery_ticket"),
        (["+experiment='lottery_ticket'"], "lottery_ticket"),
        (["seed=1", "+experiment=[a, 'b']"], "a+b"),
        (["+experiment=a,b"], "custom"),  # Hydra asks once for the sweep as a whole
        (["+experiment=glob(*)"], "custom"),
    ],
)
def test_the_experiment_of_a_run(overrides: list[str], name: str) -> None:
    assert experiment_name(overrides) == name
