"""What a user of Hydra, or of any command line, expects: help of each verb, --config-dir, --info, completion."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.places import Place, Run, run_in

from expzoo.cli.arguments import FLAGS, VERBS
from expzoo.cli.completion import answer
from expzoo.cli.scaffold import THINGS
from expzoo.cli.verbs import PAGES
from expzoo.config.homes import CONF
from expzoo.config.presets import listed
from expzoo.config.registry import FOLDERS, available

SMALL = ("population.size=2", "stop.steps=4", "dataset.num_samples=200")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of configs of somebody's own: an experiment and the preset that it chooses."""
    folder = tmp_path_factory.mktemp("own") / "ideas"
    files = {
        "experiment/abroad.yaml": "# @package _global_\ndefaults: [override /model: tiny]\nabout: {title: Abroad}\n",
        "model/tiny.yaml": "# A tiny network.\ndefaults: [mlp, _self_]\nwidth: 4\n",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(content)
    return folder


@pytest.fixture
def expzoo(command_line: Any, tmp_path: Path) -> Callable[..., Any]:
    """Types a command line in an empty directory."""
    return lambda *arguments: command_line.type(*arguments, folder=tmp_path)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_of_its_own(expzoo: Callable[..., Any], verb: str) -> None:
    ended = expzoo(verb, "--help")
    assert (ended.code, ended.err, ended.torch) == (0, [], False)
    assert expzoo(verb, "-h").out == expzoo(verb, "whatever", "--help").out == ended.out
    text = "\n".join(ended.out)
    for part in (f"usage: expzoo {verb}", "options:", "examples:", "exit codes: 0 ", *PAGES[verb].words):
        assert part in text
    assert max(map(len, ended.out)) <= 120


def test_nothing_typed_is_answered_with_help_and_runs_nothing(expzoo: Callable[..., Any], tmp_path: Path) -> None:
    for words in ((), ("-m",), ("--run",), ("--resolve",), ("--package", "model")):
        ended = expzoo(*words)
        assert ended.code == 2
        assert ended.out == expzoo("--help").out
        [said] = ended.err
        assert said.startswith("nothing is asked for: say +experiment=NAME, where expzoo list experiments says")
    assert list(tmp_path.iterdir()) == []


def test_info_needs_no_value(expzoo: Callable[..., Any]) -> None:
    for words in (("--info",), ("-i", "model=cnn1d"), ("--info", "all")):
        ended = expzoo(*words)
        assert (ended.code, ended.err) == (0, [])
        assert any("Defaults Tree" in line for line in ended.out)
    assert any("model: cnn1d" in line for line in expzoo("--info", "model=cnn1d").out)


def test_a_folder_of_ones_own_is_listed_shown_and_printed(expzoo: Callable[..., Any], folder: Path) -> None:
    for flag in ((f"--config-dir={folder}",), ("--config-dir", str(folder)), ("-cd", str(folder))):
        assert "  abroad                                  Abroad" in expzoo("list", "experiments", *flag).out
        assert "  tiny                 A tiny network." in expzoo("list", *flag, "models").out
        shown = expzoo("show", "abroad", *flag).out
        assert shown[0] == f"experiment=abroad  ({folder}/experiment/abroad.yaml)"
        assert f"command   expzoo --config-dir {folder} +experiment=abroad" in shown
        ended = expzoo(*flag, "+experiment=abroad", "--cfg", "job")
        assert (ended.code, ended.err) == (0, [])
        assert "  width: 4" in ended.out
    # and it belongs to that command alone
    assert expzoo("show", "abroad").code == 2
    assert CONF not in os.environ


def test_a_folder_of_configs_beside_the_command_needs_no_flag(
    expzoo: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "conf").symlink_to(folder)
    assert "  abroad                                  Abroad" in expzoo("list", "experiments").out
    assert "  width: 4" in expzoo("+experiment=abroad", "--cfg", "job").out
    assert "  width: 4" in expzoo("-cd", "conf", "+experiment=abroad", "--cfg", "job").out  # the same folder twice


def test_two_files_of_one_name_are_refused(expzoo: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "other" / "model").mkdir(parents=True)
    (tmp_path / "other" / "model" / "mlp.yaml").write_text("width: 4\n")
    ended = expzoo("-cd", "other", "seed=0")
    assert ended.code == 2
    assert ended.err[0].startswith("two files are called model=mlp: ")
    assert ended.err[0].endswith(f" and {tmp_path}/other/model/mlp.yaml")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Run:
    """A run of that experiment, of which one of its modules says more than usual."""
    place = Place(tmp_path_factory.mktemp("run") / "place", warm=True)
    return run_in(place, "-cd", str(folder), "+experiment=abroad", *SMALL, "hydra.verbose=[expzoo.runs.results]")


def test_a_run_of_ones_own_folder_says_how_it_is_made_again(run: Run, folder: Path) -> None:
    assert run.manifest["command"] == f"python -m expzoo --config-dir {folder} +experiment=abroad {' '.join(SMALL)}"


def test_hydra_can_be_made_to_say_more(run: Run) -> None:
    assert run.ended.err == "[expzoo.runs.results] learning_curves judged 8 rows\n"
    quiet, every = (run.place.type(*run.words[:-1], *more) for more in ((), ("hydra.verbose=true",)))
    assert (quiet.code, quiet.err) == (0, "")
    assert every.code == 0
    assert "Config search path" in every.err
    assert len({*run.place.folder.glob("outputs/abroad/*/manifest.json")}) == 1


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("", VERBS),
        ("re", ["report", "rerun"]),
        ("show lottery", ["lottery_ticket"]),
        ("show wa", ["wandb", "warm_up"]),
        ("list mod", ["models"]),
        ("list -", ["--help"]),
        ("new ", THINGS),
        ("new plugin ", FOLDERS),
        ("report ", []),
        ("compare outputs/x ", []),
        ("--", FLAGS),
        ("seed=0 --c", ["--cfg", "--config-dir"]),
        ("--cfg ", ["all", "hydra", "job"]),
        ("-cd ", []),
        ("seed=0 re", []),
    ],
)
@pytest.mark.parametrize("program", ["expzoo", "python -m expzoo", "/usr/bin/python3.11 -m expzoo"])
def test_what_the_tab_key_offers(program: str, line: str, offered: list[str]) -> None:
    own, _, _ = answer(f"{program} {line}")
    assert own == sorted(offered)


def test_the_tab_key_offers_every_name_after_show(expzoo: Callable[..., Any]) -> None:
    own, for_hydra, _ = answer("expzoo show ")
    assert for_hydra is None
    assert {*listed("experiment"), *listed("model"), *available("metric"), *available("launcher")} <= {*own}
    assert all(expzoo("show", name).code == 0 for name in ("lottery_ticket", "mlp", "accuracy", "fused"))


def completed(line: str, folder: Path) -> tuple[set[str], str]:
    """What a shell is given to offer for a line, and what stands on standard error."""
    command, environment = [sys.executable, "-m", "expzoo", "-sc", "query=bash"], os.environ | {"COMP_LINE": line}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return {*done.stdout.split()}, done.stderr


def test_the_tab_key_has_hydras_offers_too(tmp_path: Path, folder: Path) -> None:
    assert completed("expzoo model=cnn", tmp_path) == ({"model=cnn1d", "model=cnn2d"}, "")
    offered, _ = completed("expzoo s", tmp_path)
    assert {"show", "store", "seed=", "schedule="} <= offered
    assert completed(f"expzoo -cd {folder} +experiment=ab", tmp_path) == ({"+experiment=abroad"}, "")
    assert completed("expzoo modle=3 optimizer.", tmp_path) == (set(), "")


def test_bash_completes_what_is_typed(tmp_path: Path) -> None:
    """The whole way: the function that is installed, asked as bash asks it."""
    (tmp_path / "expzoo").write_text(f'#!/bin/sh\nexec {sys.executable} -c "{PROGRAM}" "$@"\n')
    (tmp_path / "expzoo").chmod(0o755)
    script = f"""
PATH={tmp_path}:$PATH
eval "$(expzoo -sc install=bash)"
COMP_LINE="expzoo show lottery_t" COMP_POINT=21 COMP_CWORD=2
hydra_bash_completion
echo "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["lottery_ticket"], done.stderr


PROGRAM = "import sys; sys.argv[0] = 'expzoo'; from expzoo.cli.app import main; sys.exit(main())"


def test_what_a_launcher_or_sweeper_needs_is_said_before_anything_is_run(tmp_path: Path) -> None:
    """As where nothing of it is installed: these names cannot be imported there."""
    place = Place(tmp_path / "place")
    hidden = (
        "import sys, types\nhome = sys.modules['hydra_plugins'] = types.ModuleType('hydra_plugins')\nhome.__path__ = []"
    )
    barred = "\nclass Absent:\n    def find_spec(self, name, *_):\n        if name in ('ray', 'optuna'):\n"
    watch = place.folder / "home" / "watch" / "sitecustomize.py"
    raising = "            raise ModuleNotFoundError(name)\nsys.meta_path.insert(0, Absent())\n"
    watch.write_text(watch.read_text() + hidden + barred + raising)
    installs = {
        "hydra/launcher=joblib": "hydra-joblib-launcher: pip install 'expzoo[joblib]'",
        "hydra/launcher=submitit_slurm": "hydra-submitit-launcher: pip install 'expzoo[slurm]'",
        "hydra/launcher=submitit_local": "hydra-submitit-launcher: pip install 'expzoo[slurm]'",
        "hydra/launcher=ray": "ray: pip install 'expzoo[ray]'",
        "hydra/sweeper=optuna": "optuna: pip install 'expzoo[optuna]'",
    }
    for choice, install in installs.items():
        ended = place.type("-m", choice, *SMALL, "seed=0,1")
        assert (ended.code, ended.out, ended.torch) == (2, "", False)
        assert ended.err == f"{choice} needs {install}\n"
    both = place.type("-m", "hydra/launcher=joblib", "hydra/sweeper=optuna", "seed=0,-1", "hydra.launcher.n_jobs=2")
    assert both.code == 2
    assert [line.partition(" needs ")[0] for line in both.err.splitlines()] == [
        "hydra/launcher=joblib",
        "hydra/sweeper=optuna",
        "seed must be a whole number at least 0, not -1",
    ]
    assert not (place.folder / "outputs").exists()
