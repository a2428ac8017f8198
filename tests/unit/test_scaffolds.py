"""What `expzoo new` writes works as it is written: found at once, shown, and within the contract of its kind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml
from tests.places import Place, run_in

from expzoo.config.homes import HOME
from expzoo.config.registry import FOLDERS, available, chosen_by, load
from expzoo.testing import check_plugin

QUICK = {"parametrisation": {"share": 0.5}, "analysis": {"steps": 2}}


@pytest.fixture
def expzoo(command_line: Any, tmp_path: Path) -> Callable[..., Any]:
    """Types a command line in an empty directory."""
    return lambda *arguments: command_line.type(*arguments, folder=tmp_path)


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_new_plugin_is_found_at_once_and_is_what_its_kind_must_be(
    expzoo: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    name = f"my_new_{kind}"
    ended = expzoo("new", "plugin", kind, name)
    file = f"plugins/{FOLDERS[kind]}/{name}.py"
    assert (ended.code, ended.err) == (0, [])
    assert ended.out == [f"{file} is written; next: expzoo show {name}"]
    shown = expzoo("show", name)
    assert (shown.code, shown.err) == (0, [])
    assert shown.out[0] == f"{chosen_by(kind)}={name}  ({tmp_path}/{file})"
    text = (tmp_path / file).read_text()
    assert "CamelName" not in text
    assert "snake_name" not in text
    monkeypatch.chdir(tmp_path)
    check_plugin(kind, name, **QUICK.get(kind, {}))


def test_what_is_written_has_no_fault_that_the_package_is_checked_for(
    expzoo: Callable[..., Any], tmp_path: Path
) -> None:
    for kind in FOLDERS:
        assert expzoo("new", "plugin", kind, f"my_{kind}").code == 0
    options = [
        "--config",
        str(HOME / "pyproject.toml"),
        "--no-cache",
        "--config",
        "lint.isort.known-first-party = ['expzoo']",
    ]
    for check in (["check", *options], ["format", "--check", *options[:3]]):
        command = [sys.executable, "-m", "ruff", *check, str(tmp_path / "plugins")]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            "plugin modle wave",
            ["there is no kind of plugin called modle: did you mean model?"],
        ),
        (
            "plugin modle Wave",
            [
                "there is no kind of plugin called modle: did you mean model?",
                "'Wave' is no name: write a lower-case identifier, such as my_idea",
            ],
        ),
        ("plugin model ../wave", ["'../wave' is no name: write a lower-case identifier, such as my_idea"]),
        ("plugin model _wave", ["'_wave' is no name: write a lower-case identifier, such as my_idea"]),
        ("plugin model on", ["'on' is no name: it is a word of Python or of YAML"]),
        ("plugin model class", ["'class' is no name: it is a word of Python or of YAML"]),
        ("plugin model mlp", ["there is model=mlp already (expzoo show mlp): choose another name"]),
        (
            "plugin model textures_cnn2d",
            ["there is model=textures_cnn2d already (expzoo show textures_cnn2d): choose "],
        ),
        ("plugin launcher fused", ["there is hydra/launcher=fused already (expzoo show fused): choose another name"]),
        ("plugin metric accuracy", ["there is metric=accuracy already (expzoo show accuracy): choose another name"]),
        ("plugin metric norm", ["there is probe=norm already (expzoo show norm): choose another name"]),
        ("plugin model taken", ["plugins/models/taken.py is there already: choose another name, or remove it"]),
        ("claim lottery_ticket", ["there is experiment=lottery_ticket already (expzoo show lottery_ticket): choose "]),
        ("claim a-b", ["'a-b' is no name: write a lower-case identifier, such as my_idea"]),
        ("clam wide", ["there is no new clam: did you mean claim?; usage: expzoo new plugin KIND NAME, or "]),
        ("plugin model", ["usage: expzoo new plugin KIND NAME, or expzoo new claim NAME"]),
        ("", ["usage: expzoo new plugin KIND NAME, or expzoo new claim NAME"]),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is_touched(
    expzoo: Callable[..., Any], tmp_path: Path, words: str, lines: list[str]
) -> None:
    taken = tmp_path / "plugins" / "models" / "taken.py"
    taken.parent.mkdir(parents=True)
    taken.symlink_to(tmp_path / "nowhere")
    ended = expzoo("new", *words.split())
    assert (ended.code, ended.out) == (2, [])
    assert [said[: len(line)] for said, line in zip(ended.err, lines, strict=True)] == lines
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == [taken]


@pytest.mark.parametrize(("kind", "name"), [("model", "tensor"), ("dataset", "arrays"), ("schedule", "fraction")])
def test_a_name_hides_nothing_that_the_file_imports(
    expzoo: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    assert expzoo("new", "plugin", kind, name).code == 0
    monkeypatch.chdir(tmp_path)
    assert load(kind, name).__name__ == name.capitalize() + kind.capitalize()


def test_a_folder_that_cannot_be_written_is_one_line(expzoo: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "plugins").write_text("")
    ended = expzoo("new", "plugin", "model", "wave")
    assert (ended.code, ended.err) == (1, ["plugins/models: Not a directory"])


def test_a_new_claim_is_an_experiment_of_two_arms_and_one_claim(expzoo: Callable[..., Any], tmp_path: Path) -> None:
    ended = expzoo("new", "claim", "wide")
    assert (ended.code, ended.err) == (0, [])
    assert ended.out == ["conf/experiment/wide.yaml is written; next: expzoo +experiment=wide budget=smoke"]
    text = (tmp_path / "conf" / "experiment" / "wide.yaml").read_text()
    assert text.startswith("# @package _global_\n")
    held = yaml.safe_load(text)
    assert held["defaults"] == [
        {"override /dataset": "mnist1d"},
        {"override /model": "mlp"},
        {"override /analysis": ["contrast"]},
    ]
    contrast = held["analysis"]["contrast"]
    assert contrast["arms"] == {"narrow": {"model.width": 25}, "wide": {"model.width": 400}}
    [(name, claim)] = contrast["claims"].items()
    assert name == "wide.wider_is_better"
    assert (claim["greater"], claim["by"]) == (["wide", "narrow"], 5)
    assert "  wide                                    Wide networks" in expzoo("list", "experiments").out
    assert expzoo("new", "claim", "wide").err == [
        "conf/experiment/wide.yaml is there already: choose another name, or remove it"
    ]


def test_a_new_claim_runs_and_is_judged(tmp_path: Path, not_run: Callable[[str], NoReturn]) -> None:
    if "contrast" not in available("analysis"):
        not_run("needs the analysis contrast")
    place = Place(tmp_path / "place", warm=True)
    assert place.type("new", "claim", "wide").code == 0
    run = run_in(place, "+experiment=wide", "budget=smoke")
    assert "wide.wider_is_better" in run.ended.out


@pytest.mark.slow
def test_new_plugins_run_and_mirror_the_jobs_of_a_multirun(tmp_path: Path) -> None:
    place = Place(tmp_path / "place", warm=True)
    for kind in ("launcher", "sweeper", "logger", "trainer"):
        assert place.type("new", "plugin", kind, f"my_{kind}").code == 0
    words = ("hydra/launcher=my_launcher", "hydra/sweeper=my_sweeper", "logger=my_logger", "trainer=my_trainer")
    small = ("population.size=2", "stop.steps=4", "dataset.num_samples=200", "hydra.sweeper.trials=2")
    ended = place.type("-m", *words, *small, "seed=0,1,2,3")
    assert ended.code == 0, ended.err
    assert "2 jobs: 2 done" in ended.out
    assert len([*place.folder.glob("outputs/custom/*/my_logger.json")]) == 2
