"""Experiments that hold presets: bad ones are answered with the name of their file, as a bad file of a preset is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HEAD = "# @package _global_\n"
CHOICE = "defaults:\n  - override /dataset: {name}\n  - override /model: {name}\n"
DATASET = "  dataset:\n    defaults: [mnist1d, _self_]\n    draw: member\n"
BOTH = CHOICE + "presets:\n" + DATASET + "  model: "
ONE = CHOICE.replace("model: {name}", "model: mlp") + "presets:\n" + DATASET
EXPERIMENTS = {
    "good": BOTH + "{{defaults: [mlp, _self_], width: '${{budget:5,7,9}}'}}\n",
    "child": "defaults:\n  - good\n  - override /dataset: child\n"
    "presets: {{dataset: {{defaults: [textures, _self_], train_size: 20}}}}\n",
    "grandchild": "defaults:\n  - child\n  - override /model: cnn2d\nmodel: {{widht: 3}}\n",
    "mistyped_key": BOTH + "\n    defaults: [mlp, _self_]\n    widht: 3\n",
    "wrong_value": BOTH + "\n    defaults: [mlp, _self_]\n    width: 0\n",
    "mistyped_base": BOTH + "\n    defaults: [mpl, _self_]\n",
    "wrong_budget": BOTH + "{{defaults: [mlp, _self_], width: '${{budget:1,2}}'}}\n",
    "mistyped_group": ONE + "  modle: {{width: 3}}\n",
    "of_the_analysis": ONE + "  analysis: {{levels: 3}}\n",
    "no_keys": ONE + "  optimizer: 3\n",
    "no_groups": "presets: [mlp]\n",
    "not_chosen": "presets:\n  dataset:\n    defaults: [mnist1d, _self_]\n",
    "misspelt_choice": "defaults:\n  - override /dataset: mispelt_choice\npresets:\n" + DATASET,
}

# What is typed -> the lines of the answer.
LINES = {
    "+experiment=mistyped_key": ["experiment/mistyped_key.yaml: model has no widht: did you mean width?"],
    "model=mistyped_key": ["experiment/mistyped_key.yaml: model has no widht: did you mean width?"],
    "+experiment=wrong_value": [
        "experiment/wrong_value.yaml: model.width must be a whole number at least 1, not 0",
    ],
    "+experiment=mistyped_base": ["experiment/mistyped_base.yaml: there is no model=mpl: did you mean mlp?"],
    "+experiment=wrong_budget": ["model.width: ${budget:...} takes 3 values, for smoke, laptop, paper, not 2"],
    "+experiment=mistyped_group": ["experiment/mistyped_group.yaml: presets has no modle: did you mean model?"],
    "+experiment=of_the_analysis": [
        "experiment/of_the_analysis.yaml: presets has no analysis: known: constraint, dataset, loss, model, "
        "optimizer, parametrisation, schedule, stop, trainer"
    ],
    "+experiment=no_keys": ["experiment/no_keys.yaml: presets.optimizer has to hold keys, not 3"],
    "+experiment=no_groups": [
        "experiment/no_groups.yaml: presets holds presets by group, as in "
        "presets: {model: {defaults: [mlp, _self_], width: 50}}"
    ],
    "+experiment=not_chosen": [
        "experiment/not_chosen.yaml: presets.dataset is not chosen: add override /dataset: not_chosen to the defaults"
    ],
    "+experiment=misspelt_choice": [
        "experiment/misspelt_choice.yaml: there is no dataset=mispelt_choice: did you mean misspelt_choice?",
        "experiment/misspelt_choice.yaml: presets.dataset is not chosen: add override /dataset: misspelt_choice to the "
        "defaults",
    ],
    "-m +experiment=good,child seed=0,-1": ["seed must be a whole number at least 0, not -1"],
    "dataset=goood": ["there is no dataset=goood: did you mean good?"],
    "+experiment=grandchild": ["experiment/grandchild.yaml: model has no widht: did you mean width?"],
    "+experiment=good model=mpl presets.dataset.draw=frozen": [
        "there is no model=mpl: did you mean mlp?",
        "the config has no presets: known: about, analysis, budget, constraint, dataset, dry_run, experiment, logger, "
        "loss, model, optimizer, parametrisation, population, robustness, robustness_size, schedule, seed, stop, "
        "store, trainer",
    ],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of experiments, most of them bad."""
    home = tmp_path_factory.mktemp("home")
    (home / "conf" / "experiment").mkdir(parents=True)
    for name, content in EXPERIMENTS.items():
        (home / "conf" / "experiment" / f"{name}.yaml").write_text(HEAD + content.format(name=name))
    return home


@pytest.fixture
def expzoo(command_line: Any, home: Path, tmp_path: Path) -> Callable[..., Any]:
    """Types a command line in an empty directory."""
    return lambda *arguments: command_line.type(*arguments, folder=tmp_path, plugins=home)


@pytest.mark.parametrize("line", LINES)
def test_a_bad_preset_is_answered_with_its_file(expzoo: Callable[..., Any], line: str) -> None:
    ended = expzoo(*line.split())
    assert (ended.code, ended.out, ended.err) == (2, [], LINES[line])
    assert not ended.torch


@pytest.mark.parametrize("name", ["good", "child"])
def test_a_good_one_is_composed(expzoo: Callable[..., Any], name: str) -> None:
    ended = expzoo(f"+experiment={name}", "--cfg", "job")
    assert (ended.code, ended.err) == (0, [])


def test_a_preset_named_as_a_plugin_is_refused(command_line: Any, tmp_path: Path) -> None:
    file = tmp_path / "home" / "conf" / "experiment" / "mlp.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(HEAD + "defaults: [override /model: mlp]\npresets: {model: {defaults: [cnn1d, _self_]}}\n")
    ended = command_line.type("--help", folder=tmp_path, plugins=tmp_path / "home")
    assert ended.code == 2
    [line] = ended.err
    assert line.startswith("two files are called model=mlp: ")
    assert line.endswith(f" and {file}")
