"""Bad requests of double descent and meta-learning: one clear answer, exit code 2, nothing trained."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import expzoo
from expzoo.cli import commands
from expzoo.components import image_files
from expzoo.store.network import Network
from expzoo.store.store import Store
from expzoo.system.errors import BadInput
from expzoo.system.machine import machine_class

KEY = "3f2a9c1b" + "5" * 56
METALEARN = "analysis.metalearn_learning_rate"
CASES = {
    "a learned activation that is not there": (
        ["model.activation=learned:3f2a9c1c"],
        "no learned activation learned:3f2a9c1c",
    ),
    "a foreign key": (["model.activation=learned:3f2a9c1b"], f"{KEY} in"),
    "a foreign key in a list": (
        ["+experiment=activation_transfer", "analysis.activation_transfer.learned=[learned:3f2a9c1b]"],
        "is no learned activation: it is another thing",
    ),
    "no name of an activation": (["model.activation=learned:xyz"], "model.activation must be one of celu"),
    "more examples than there are": (
        ["+experiment=double_descent_rff", "dataset=digits", "analysis.double_descent_rff.train_size=2000"],
        "train_size 2000",
    ),
    "starts the wrong way round": (
        ["+experiment=metalearn_learning_rate", f"{METALEARN}.starts=[0.1,1.0]"],
        "the first must be the higher one",
    ),
    "widths that fall": (
        ["+experiment=double_descent", "analysis.double_descent.widths=[9,8,7,6,5]"],
        "must be at least five, increasing",
    ),
    "one number of classes": (
        ["+experiment=interpolation_threshold", "analysis.interpolation_threshold.classes=[10]"],
        "must be at least two each",
    ),
    "a hand-made activation as a learned one": (
        ["+experiment=activation_transfer", "analysis.activation_transfer.learned=[relu]"],
        "learned relu: write learned activations, like learned:3f2a9c1b",
    ),
    "a dataset twice": (
        ["+experiment=activation_transfer", "analysis.activation_transfer.datasets=[digits,digits]"],
        "must be at least one, each once",
    ),
    "an activation twice": (
        ["+experiment=activation_transfer", "analysis.activation_transfer.baselines=[relu,relu,tanh]"],
        "must be at least three, each once",
    ),
    "more losses than inner steps": (
        ["+experiment=metalearn_activation", "budget=smoke", "analysis.metalearn_activation.last_losses=31"],
        "last_losses 31 must be from 1 to the 30 inner steps",
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose store has a network that is no learned activation."""
    row = np.ones(64, np.float32)
    network = Network(KEY, "finished", 1, {0: row, 1: row}, np.zeros(1, np.float32), machine=machine_class())
    Store(tmp_path / "outputs" / "store", machine_class()).save(network)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_before_anything_is_trained(folder: Path, case: str) -> None:
    words, said = CASES[case]
    before = files(folder)
    with pytest.raises(BadInput) as refused:
        expzoo.run(expzoo.compose(*words))
    assert said in str(refused.value)
    assert files(folder) == before


def test_a_command_says_so_in_one_line(folder: Path) -> None:
    command = [sys.executable, "-m", "expzoo", "model.activation=learned:3f2a9c1c"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "no learned activation learned:3f2a9c1c is in" in ended.stderr


@pytest.mark.slow
def test_what_was_learned_is_listed_used_by_its_alias_and_kept_by_its_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = "analysis.metalearn_activation.outer_steps=1"
    learned = expzoo.run(expzoo.compose("+experiment=metalearn_activation", "budget=smoke", small))
    alias = learned.verdicts[0].note.partition("stored as learned:")[2][:8]
    assert commands.main("store", []) == 0
    assert f"learned:{alias}  after 1 outer steps, inner training loss" in capsys.readouterr().out
    words = f"model.activation=learned:{alias}", "model.width=8", "stop.steps=20", "population.size=2"
    used = expzoo.run(expzoo.compose(*words))
    assert len(used.records) > 0
    shutil.rmtree(tmp_path / "outputs" / "store")
    assert commands.main("rerun", [str(used.directory)]) == 0  # the run's manifest has the function


def test_every_dataset_whose_files_are_missing_is_said_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: object) -> None:
        raise BadInput("it cannot be downloaded")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EXPZOO_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(image_files, "fetch_all", gone)
    monkeypatch.setattr(image_files, "fetch", gone)
    wanted = "analysis.activation_transfer.datasets=[digits,mnist,cifar10]"
    with pytest.raises(BadInput) as refused:
        expzoo.run(expzoo.compose("+experiment=activation_transfer", "budget=smoke", wanted))
    mnist, cifar = str(refused.value).splitlines()
    assert mnist.startswith("mnist: ")
    assert cifar.startswith("cifar10: ")
    assert files(tmp_path) == []
