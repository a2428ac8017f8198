"""Usual things that users type, and files as other editors leave them: accepted, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from expzoo.config.identity import experiment_name
from expzoo.config.paths import path_fault, place, readable
from expzoo.system.console import printable

SMALL = ("population.size=2", "stop.steps=4", "model.width=4", "dataset.num_samples=200", "budget=smoke")
BOM = "\ufeff"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose files begin with a byte order mark, and whose experiments have names with dashes and dots."""
    home = tmp_path_factory.mktemp("home")
    for folder in ("experiment", "model", "optimizer"):
        (home / "conf" / folder).mkdir(parents=True)
    head = f"{BOM}# @package _global_\n"
    (home / "conf" / "experiment" / "my-exp.yaml").write_text(
        head + "defaults:\n- override /model: my-exp\npresets: {model: {defaults: [mlp, _self_], width: 7}}\n"
    )
    (home / "conf" / "experiment" / "v1.2.yaml").write_text(head + "defaults: [my-exp, _self_]\nseed: 3\n")
    (home / "conf" / "experiment" / ".hidden.yaml").write_text("no: [yaml")
    (home / "conf" / "model" / "thin-2.yaml").write_text(f"{BOM}defaults: [mlp, _self_]\nwidth: 5\n")
    (home / "conf" / "optimizer" / "bare.yaml").write_text(f"{BOM}lr: 0.1\nname: sgd\n")
    return home


@pytest.fixture
def expzoo(command_line: Any, home: Path, tmp_path: Path) -> Any:
    """Types a command line in an empty directory."""
    return lambda *arguments: command_line.type(*arguments, folder=tmp_path, plugins=home)


@pytest.mark.parametrize(
    ("words", "width"), [("+experiment=my-exp", 7), ("+experiment=v1.2", 7), ("model=thin-2", 5), ("model='thin-2'", 5)]
)
def test_a_byte_order_mark_is_no_part_of_a_file(expzoo: Any, words: str, width: int) -> None:
    ended = expzoo(words, "--cfg", "job", "--package", "model")
    assert (ended.code, ended.err) == (0, [])
    assert f"width: {width}" in [line.strip() for line in ended.out]


@pytest.mark.parametrize("name", ["my-exp", "v1.2"])
@pytest.mark.parametrize("form", ["+experiment={}", "+experiment='{}'", "+experiment=[{}]"])
def test_a_run_is_kept_under_the_name_of_its_experiment(expzoo: Any, name: str, form: str) -> None:
    ended = expzoo(form.format(name), "--cfg", "all", "--resolve")
    assert (ended.code, ended.err) == (0, [])
    assert any(line.strip().startswith(f"dir: outputs/{name}/") for line in ended.out), ended.out


def test_the_name_of_a_folder_has_no_slash_and_no_quotes() -> None:
    assert experiment_name(["+experiment=[a-b,'v1.2']"]) == "a-b+v1.2"
    assert experiment_name(["+experiment='x,y'"]) == "x,y"
    assert experiment_name(["+experiment=../../x"]) == ".._.._x"
    assert experiment_name(["seed=3"]) == "custom"


@pytest.mark.parametrize("form", ["store=~/x", "store='~/x'", 'store="~/x"'])
def test_the_home_directory_is_known_however_it_is_typed(
    expzoo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert place("~/x") == tmp_path / "x"
    ended = expzoo(form, "--cfg", "job", "--package", "store")
    assert (ended.code, ended.err) == (0, [])
    assert not (tmp_path / "~").exists()
    assert readable("hydra.run.dir=~/x y") == f"hydra.run.dir='{tmp_path}/x y'"
    assert readable('hydra.sweep.dir="~/x"') == f"hydra.sweep.dir='{tmp_path}/x'"


def test_only_what_begins_with_a_tilde_is_put_in_quotes() -> None:
    assert readable("store=~/a,~/b") == "store='~/a','~/b'"
    assert readable("about.title=a~b") == "about.title=a~b"
    assert readable("~model.width") == "~model.width"
    assert readable("x=[~/a, ~/b]") == "x=['~/a', '~/b']"
    assert not path_fault("a/" * 1000)
    assert "300 bytes" in path_fault("a/" + "b" * 300)
    assert "5,000 bytes" in path_fault("a/" * 2500)


def test_a_run_is_in_the_home_directory(command_line: Any, tmp_path: Path) -> None:
    at_home = ("~nobody-of-this-name/x", "there is no home directory of that user")
    ended = command_line.type(f"store={at_home[0]}", "dry_run=true", *SMALL, folder=tmp_path)
    assert (ended.code, ended.err) == (2, [": ".join(at_home)])


@pytest.mark.parametrize("subdir", ["same", "x/same", "${hydra.job.name}", "${model.width}"])
@pytest.mark.check("R13")
def test_jobs_that_differ_never_share_a_directory(expzoo: Any, tmp_path: Path, subdir: str) -> None:
    ended = expzoo("-m", "seed=0,1,2", f"hydra.sweep.subdir={subdir}", *SMALL)
    assert ended.code == 2
    [line] = ended.err
    assert line.startswith(f"hydra.sweep.subdir={subdir} gives jobs that differ one directory, outputs/custom/")
    assert not list(tmp_path.glob("**/*.safetensors"))
    batches = expzoo("-m", "seed=0,1,2", "hydra.sweeper.max_batch_size=1", f"hydra.sweep.subdir={subdir}", *SMALL)
    assert (batches.code, batches.err) == (2, [line])
    assert not list(tmp_path.glob("**/*.safetensors"))


@pytest.mark.parametrize("subdir", ["${hydra.job.num}", "${hydra.job.id}", "${hydra:job.num}", "s${seed}"])
def test_the_usual_names_of_directories_work(expzoo: Any, tmp_path: Path, subdir: str) -> None:
    ended = expzoo("-m", "seed=0,1", "hydra.sweeper.max_batch_size=1", f"hydra.sweep.subdir={subdir}", *SMALL)
    assert (ended.code, ended.err) == (0, [])
    places = {path.parent.name for path in tmp_path.glob("outputs/custom/*/manifest.json")}
    assert places == ({"s0", "s1"} if subdir == "s${seed}" else {"0", "1"})


def test_a_rerun_takes_one_directory(expzoo: Any) -> None:
    ended = expzoo("rerun", "outputs", "store=x")
    assert ended.code == 2
    assert ended.err == ["expzoo rerun takes nothing but one directory, not store=x: usage: expzoo rerun DIRECTORY"]


@pytest.mark.check("S9")
def test_what_steers_a_terminal_is_printed_as_its_number() -> None:
    assert printable("a\x1b[31mb\u202ec\u2066d\x9be\x00\x7f\rf\u200bg\ufeff") == (
        r"a\x1b[31mb\u202ec\u2066d\x9be\x00\x7f\rf\u200bg\ufeff"
    )
    assert printable("a\tb\nä 漢 🙂 \ud800") == "a\tb\nä 漢 🙂 \\ud800"


@pytest.mark.check("S9")
def test_a_name_that_is_put_together_may_be_too_long_too(expzoo: Any, home: Path, tmp_path: Path) -> None:
    names = [f"{letter}{'x' * 150}" for letter in "pq"]
    for name in names:
        (home / "conf" / "experiment" / f"{name}.yaml").write_text("# @package _global_\nseed: 3\n")
    ended = expzoo(f"+experiment=[{','.join(names)}]", *SMALL)
    assert ended.code == 2
    [line] = ended.err
    assert line.endswith("a name too long for the file system")
    assert not list(tmp_path.glob("**/*.safetensors"))
