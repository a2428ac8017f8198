"""What `expzoo --help`, `list` and `show` say; none of them imports a plugin."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from expzoo.cli.arguments import FLAGS, VERBS
from expzoo.config.registry import FOLDERS, KINDS, available

PLUGIN = '''
import torch
from expzoo.plugin import Count, Fraction, register

@register
class Sieve:
    """Keeps some of what it is given.

    A second paragraph.

    Args:
        keep: the part that stays.
    """

    def __init__(self, *, keep: Fraction, levels: Count = 2) -> None: ...
'''

EXPERIMENT = """# @package _global_
defaults:
  - override /analysis: sieve
about:
  title: Sieves
  question: Does it hold water?
  source: A paper (2020)
  cost: seconds
population:
  size: ${budget:2,16,64}
analysis:
  sieve:
    keep: ${budget:0,0.5,1}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an analysis, an experiment and a preset."""
    home = tmp_path_factory.mktemp("home")
    for name, content in {
        "analyses/sieve.py": PLUGIN,
        "conf/experiment/kitchen.yaml": EXPERIMENT,
        "conf/model/thin.yaml": "# A narrow network.\ndefaults: [mlp, _self_]\nwidth: ${budget:1,2,3}\n",
    }.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content)
    return home


@pytest.fixture
def expzoo(command_line: Any, home: Path, tmp_path: Path) -> Callable[..., Any]:
    """Types a command line in an empty directory."""
    return lambda *arguments: command_line.type(*arguments, folder=tmp_path, plugins=home)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["model=mlp", "-h"]])
def test_help_names_everything_there_is(expzoo: Callable[..., Any], arguments: list[str]) -> None:
    ended = expzoo(*arguments)
    text = "\n".join(ended.out)
    assert (ended.code, ended.err) == (0, [])
    for name in (*VERBS, *FLAGS, *KINDS, *available("model"), "sieve", "thin", "kitchen", "population.size", "75"):
        assert name in text
    assert max(map(len, ended.out)) <= 120


def test_help_needs_neither_hydra_nor_torch(tmp_path: Path) -> None:
    program = "import sys; from expzoo.cli.app import main; main(); print({'hydra', 'torch'} & set(sys.modules))"
    command = [sys.executable, "-c", program, "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_version(expzoo: Callable[..., Any]) -> None:
    assert expzoo("--version").out == ["expzoo 0.1.0"]


def test_list_gives_one_line_each(expzoo: Callable[..., Any]) -> None:
    ended = expzoo("list")
    assert (ended.code, ended.err, ended.torch) == (0, [], False)
    assert [line for line in ended.out if line.endswith(":")] == [
        "experiments:",
        *(f"{folder}:" for folder in FOLDERS.values()),
    ]
    lines = {" ".join(line.split()) for line in ended.out}
    assert {"kitchen Sieves", "sieve Keeps some of what it is given.", "thin A narrow network."} <= lines


def test_list_takes_one_kind_in_the_singular_or_plural(expzoo: Callable[..., Any]) -> None:
    assert expzoo("list", "analysis").out == expzoo("list", "analyses").out
    assert expzoo("list", "analysis").out[0] == "analyses:"
    assert expzoo("list", "experiment").out[0] == "experiments:"


def test_a_plugin_that_cannot_be_read_is_listed_and_said(command_line: Any, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "broken.py").write_text("class Broken(\n")
    ended = command_line.type("list", "models", folder=tmp_path, plugins=tmp_path)
    assert "  broken               (cannot be read)" in ended.out
    assert any(line.startswith("  mlp ") for line in ended.out)
    assert ended.err == [
        f"model=broken of EXPZOO_PLUGINS cannot be read: {tmp_path}/models/broken.py:1: '(' was never closed"
    ]
    assert ended.code == 2


def test_show_a_plugin(expzoo: Callable[..., Any], home: Path) -> None:
    ended = expzoo("show", "sieve")
    assert (ended.code, ended.err, ended.torch) == (0, [], False)
    assert ended.out == [
        f"analysis=sieve  ({home}/analyses/sieve.py)",
        "",
        "Keeps some of what it is given.",
        "",
        "A second paragraph.",
        "",
        "  analysis.sieve.keep=(required)           a number from 0 to 1; the part that stays.",
        "  analysis.sieve.levels=2                  a whole number at least 1",
        "",
    ]


def test_show_an_experiment(expzoo: Callable[..., Any]) -> None:
    ended = expzoo("show", "kitchen")
    assert (ended.code, ended.err, ended.torch) == (0, [], False)
    for line in (
        "question  Does it hold water?",
        "source    A paper (2020)",
        "cost      seconds",
        "command   expzoo +experiment=kitchen",
        "analysis=sieve: Keeps some of what it is given.",
        "  analysis.sieve.keep=0.0 | 0.5 | 1.0      a number from 0 to 1; the part that stays.",
        "  population.size=2 | 16 | 64",
        "  seed=0",
    ):
        assert line in ended.out


def commands(shown: list[str], experiment: str) -> list[str]:
    """What `expzoo show` says to type besides the experiment itself."""
    start = shown.index(f"command   expzoo +experiment={experiment}")
    return [line.strip() for line in shown[start + 1 : shown.index("", start)]]


def test_show_an_experiment_with_its_variants_and_commands(command_line: Any, tmp_path: Path) -> None:
    shown = command_line.type("show", "two_patterns", folder=tmp_path).out
    assert commands(shown, "two_patterns") == [
        f"expzoo +experiment=two_patterns_{of}" for of in ("cifar10", "textures")
    ]
    shown = command_line.type("show", "activation_transfer", folder=tmp_path).out
    assert commands(shown, "activation_transfer") == [
        f"expzoo +experiment=activation_transfer analysis.activation_transfer.{value}"
        for value in ("learned=[learned:3f2a9c1b]", "datasets=[digits,mnist,cifar10]")
    ]


def test_presets_of_experiments_are_in_no_list(command_line: Any, tmp_path: Path) -> None:
    for words in (["list", "datasets"], ["list", "models"], ["--help"]):
        ended = command_line.type(*words, folder=tmp_path)
        choices = [line for line in ended.out if "experiment" not in line]
        assert ended.code == 0
        assert not any(line.startswith(("  lottery_ticket", "  model lottery")) for line in choices)
    assert command_line.type("show", "lottery_ticket", folder=tmp_path).out[0].startswith("experiment=lottery_ticket ")


def test_show_a_preset(expzoo: Callable[..., Any]) -> None:
    shown = expzoo("show", "thin").out
    assert any(line.startswith("  model.width=1 | 2 | 3 ") for line in shown)
    assert not any("optimizer" in line for line in shown)


@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.slow)])
def test_every_shipped_experiment_can_be_shown(command_line: Any, tmp_path: Path, every: int) -> None:
    from expzoo.config.presets import options

    for name in list(options("experiment"))[::every]:
        ended = command_line.type("show", name, folder=tmp_path)
        assert (ended.code, ended.err) == (0, [])
        said = {line.split()[0] for line in ended.out if line.strip()}
        assert {"title", "question", "source", "cost", "command"} <= said


def test_show_says_what_a_plugin_is_and_needs(expzoo: Callable[..., Any]) -> None:
    for name, said in {
        "deep_ensembles": {"needs     targets classes, split validation"},
        "mnist1d": {
            "inputs    sequences",
            "targets   class labels",
            "score     accuracy (%, higher is better, by chance 10)",
        },
        "cnn2d": {"size      width", "reads     image, board"},
        "nll": {"unit      nats", "better    lower"},
    }.items():
        assert said <= {*expzoo("show", name).out}


def test_what_fits_is_asked_of_a_dataset(expzoo: Callable[..., Any]) -> None:
    ended = expzoo("list", "--fits", "model=mlp")
    assert (ended.code, len(ended.err)) == (2, 1)
    assert ended.err[0].startswith("say what it must fit: expzoo list --fits dataset=NAME")


@pytest.mark.slow
def test_what_fits_life_is_listed(expzoo: Callable[..., Any]) -> None:
    out = expzoo("list", "--fits", "dataset=life").out
    lines = {line.split()[0] for line in out if line.startswith("  ")}
    assert {"life_net", "mse", "iterative_pruning", "life_width"} <= lines
    assert not {"mlp", "cross_entropy", "temperature_calibration", "lottery_ticket"} & lines
