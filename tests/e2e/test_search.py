"""Hyperparameters searched in batches: better than at random, in a study that goes on, with bad trials given up."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from expzoo.plugins.sweepers.optuna import Optuna
from hydra.core.override_parser.overrides_parser import OverridesParser
from tests.places import Place

from expzoo.config.check import compose_job
from expzoo.config.hydra_source import install
from expzoo.plugin import distribution
from expzoo.runs import objectives
from expzoo.store import sweep_record
from expzoo.store.sweep_record import SweptJob
from expzoo.system.errors import BadInput
from expzoo.system.exit_codes import Outcome

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from optuna import Study

SEARCH = ("-m", "hydra/sweeper=optuna", "hydra.sweeper.batch=4", "population.size=2", "dataset.num_samples=300")
BY_NAME = ("hydra.sweeper.objectives=[accuracy/validation]", "hydra.sweeper.directions=[maximize]")
SPACE = (
    "stop.steps=27",
    "dataset.validation_size=40",
    "optimizer.lr=tag(log,interval(0.0001,0.1))",
    "model.width=8,16",
)


@pytest.fixture(autouse=True)
def _optuna(not_run: Callable[[str], NoReturn]) -> None:
    if not find_spec("optuna"):
        not_run("needs the extra optuna")


def study(place: Place) -> Study:
    import optuna

    [path] = place.folder.glob("outputs/custom/search-*.sqlite")
    return optuna.load_study(study_name="search", storage=f"sqlite:///{path}")


def test_a_search_goes_on_where_it_was_and_says_the_best(tmp_path: Path) -> None:
    place = Place(tmp_path / "search", warm=True)
    first = place.type(*SEARCH, *SPACE, *BY_NAME, "hydra.sweeper.trials=4")
    assert first.code == 0, first.err
    found = study(place)
    assert [trial.state.name for trial in found.trials] == ["COMPLETE"] * 4
    found.ask(found.trials[0].distributions)  # as a kill leaves one
    second = place.type(*SEARCH, *SPACE, *BY_NAME, "hydra.sweeper.trials=8")
    assert second.code == 0, second.err
    trials = study(place).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 4 + ["FAIL"] + ["COMPLETE"] * 4
    assert len({tuple(trial.params.values()) for trial in trials}) == 8  # the lost one was asked for again
    best = max(trial.value for trial in trials if trial.value is not None)
    assert f"accuracy/validation {best:.6g}: optimizer.lr=" in second.out
    shown = [line.split()[-1] for line in second.out.splitlines() if line.startswith("    expzoo report ")]
    assert (
        shown
    )  # several where trials tie, which the parameters of the lost one, drawn without a seed, may bring about
    assert {objectives.value(place.folder / report, "accuracy/validation") for report in shown} == {best}
    third = place.type(*SEARCH, *SPACE, *BY_NAME, "hydra.sweeper.trials=8", warm=False)
    assert (third.code, third.torch) == (0, False)


@pytest.mark.slow
def test_halving_gives_up_the_worse_and_a_diverged_trial_counts_as_worst(tmp_path: Path) -> None:
    place = Place(tmp_path / "halving", warm=True)
    rungs = ("hydra.sweeper.rungs=3", "hydra.sweeper.trials=4", "hydra.sweeper.sampler=random")
    ended = place.type(*SEARCH, *rungs, *SPACE[:2], "optimizer.lr=tag(log,interval(0.001,1e38))")
    assert ended.code == 0, ended.err
    states = [trial.state.name for trial in study(place).trials]
    assert set(states) <= {"COMPLETE", "PRUNED"}
    assert states.count("COMPLETE") <= 1
    assert {steps for trial in study(place).trials for steps in trial.intermediate_values} <= {1, 3}
    assert "stop.steps=3:" in ended.out


@pytest.mark.slow
def test_several_objectives_and_what_is_not_measured(tmp_path: Path) -> None:
    place = Place(tmp_path / "several", warm=True)
    both = ("hydra.sweeper.objectives=[accuracy/test,loss/test]", "hydra.sweeper.directions=[maximize,minimize]")
    ended = place.type(*SEARCH, *SPACE, *both, "hydra.sweeper.trials=4", "hydra.sweeper.sampler=nsga2")
    assert ended.code == 0, ended.err
    assert len(study(place).directions) == 2
    wrong = place.type(*SEARCH, *SPACE, "hydra.sweeper.trials=2", "hydra.sweeper.objectives=[accuracy/tset]")
    assert wrong.code == 2
    assert wrong.err.splitlines()[-1].endswith("the runs measure no accuracy/tset; did you mean accuracy/test?")
    for words, said in (
        (
            (*both[:1], "hydra.sweeper.directions=[maximize]"),
            "hydra.sweeper: 2 objectives need as many directions, not 1",
        ),
        ((*both, "hydra.sweeper.rungs=2"), "hydra.sweeper.rungs: only a search for one objective can be pruned"),
    ):
        refused = place.type(*SEARCH, *SPACE, *words)
        assert refused.code == 2
        [line] = refused.err.splitlines()
        assert line.startswith(said)


def test_a_search_goes_by_validation_data_unless_a_measure_is_named(tmp_path: Path) -> None:
    place = Place(tmp_path / "default", warm=True)
    small = ("stop.steps=4", "optimizer.lr=0.01,0.02", "hydra.sweeper.trials=2")
    without = place.type(*SEARCH, *small)
    assert (without.code, without.out) == (2, "")
    assert without.err == (
        "the search goes by accuracy/validation: it needs validation data, and dataset=mnist1d has none: give "
        "dataset.validation_size=... and a smaller train_size, or name a measure on other data, such as "
        "hydra.sweeper.objectives=[accuracy/test]\n"
    )
    none = place.type(*SEARCH, *small, "dataset.validation_size=20", "analysis=[iterative_pruning]")
    assert (none.code, none.out) == (2, "")
    assert none.err == (
        "the search goes by accuracy/validation, which no analysis of it measures: give "
        "analysis=[iterative_pruning,learning_curves], or name what is measured with hydra.sweeper.objectives=[...]\n"
    )
    assert not (place.folder / "outputs").exists()
    ended = place.type(*SEARCH, *small, "dataset.validation_size=20")
    assert (ended.code, ended.err) == (0, "")
    best, *_ = [line for line in ended.out.splitlines() if line.startswith("  accuracy/validation ")]  # or several tie
    values = [trial.value for trial in study(place).trials]
    assert best.startswith(f"  accuracy/validation {max(value for value in values if value is not None):.6g}: ")
    assert study(place).direction.name == "MAXIMIZE"
    [record] = place.folder.glob("outputs/custom/sweeps/*")
    assert sweep_record.warnings(record) == []
    by_test = place.type(*SEARCH, *small, "dataset.validation_size=20", "hydra.sweeper.objectives=[loss/test]")
    assert by_test.code == 0
    warning = (
        "the search goes by loss/test: its best value is chosen on test data and too good; search by loss/validation, "
        "and test what it finds once"
    )
    assert by_test.err.splitlines()[0] == warning
    assert sweep_record.warnings(record) == [warning]
    assert place.type("report", str(record)).code == 0
    assert f"<strong>Warning:</strong> {warning}</p>" in (record / "report.html").read_text()


def example(**options: object) -> DictConfig:
    """The config of a job."""
    return compose_job([f"{key}={value}" for key, value in options.items()])


def test_objectives_and_their_directions() -> None:
    install()
    digits, life = example(dataset="digits"), example(dataset="life", model="life_net")

    def told(*names: str, directions: tuple[str, ...] = ()) -> list[tuple[str, str]]:
        return [(one.name, one.direction) for one in objectives.chosen(names, directions, [digits])]

    assert told() == [("accuracy/validation", "maximize")]
    assert [one.name for one in objectives.chosen([], [], [life])] == ["cell_accuracy/validation"]
    named = told("loss/train", "ticket/accuracy/test", "brier/validation")
    assert named == [("loss/train", "minimize"), ("ticket/accuracy/test", "maximize"), ("brier/validation", "minimize")]
    assert told("some.claim", directions=("minimize",)) == [("some.claim", "minimize")]
    with pytest.raises(BadInput) as refused:
        told("some.claim", "norm/train", "acuracy/test")
    lines = str(refused.value).splitlines()
    assert ["some.claim" in lines[0], "norm/train" in lines[1], "did you mean accuracy?" in lines[2]] == [True] * 3
    with pytest.raises(BadInput, match=r"scored by accuracy, cell_accuracy: name the measure"):
        objectives.chosen([], [], [digits, life])
    claims = objectives.warnings(objectives.chosen(["some.claim"], ["maximize"], [digits]))
    assert ["is no test of the claim" in line for line in claims] == [True]
    assert objectives.warnings(objectives.chosen(["loss/train"], [], [digits])) == []


@pytest.mark.parametrize(
    "text",
    ["range(0,1,0.5)", "range(0.1,1,0.1)", "range(5,0,-2)", "range(1,0,-0.25)", "range(8,65,8)", "range(0,1,0.3)"],
)
def test_a_search_takes_the_numbers_of_a_range_and_no_other(text: str) -> None:
    import optuna

    from expzoo.config import sweeps

    [override] = OverridesParser.create().parse_overrides([f"x={text}"])
    found = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    asked = [found.ask({"x": distribution(override)}).params["x"] for _ in range(100)]
    numbers = {sweeps.meant(override.value(), value) for value in asked}
    assert numbers == set(override.sweep_iterator())


@pytest.mark.parametrize("name", ["why?", "a%41b", "a#b", "a b", "q?mode=memory"])
def test_the_path_of_a_study_is_no_url(tmp_path: Path, name: str) -> None:
    [override] = OverridesParser.create().parse_overrides(["optimizer.lr=interval(0.1,0.2)"])
    studies = []
    for folder in (name, f"{name}2"):
        named = {"objectives": ("accuracy/test",), "directions": ("maximize",)}
        sweeper = Optuna(trials=4, batch=2, sampler="random", **named)
        sweeper._place = lambda overrides, at=folder: tmp_path / at / "run"  # type: ignore[method-assign]
        found, path = sweeper._open([], {"optimizer.lr": distribution(override)})
        assert path.is_file()
        found.tell(found.ask({"optimizer.lr": distribution(override)}), 1.0)
        studies.append(found)
    assert [len(found.trials) for found in studies] == [1, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((name, f"{name}2"))


@pytest.mark.parametrize("kind", ["text", "cut", "another"])
def test_a_file_that_is_not_the_study_is_left_alone_and_said_in_one_line(tmp_path: Path, kind: str) -> None:
    import optuna

    sweeper = Optuna(trials=4, batch=2, objectives=("loss/test",), directions=("maximize",), sampler="random")
    sweeper._place = lambda overrides: tmp_path / "run"  # type: ignore[method-assign]
    [override] = OverridesParser.create().parse_overrides(["optimizer.lr=interval(0.1,0.2)"])
    _, path = sweeper._open([], {"optimizer.lr": distribution(override)})
    whole = path.read_bytes()
    if kind == "another":
        path.unlink()
        optuna.create_study(study_name="search", storage=f"sqlite:///{path}", direction="minimize")
    else:
        path.write_bytes(whole[:20_000] if kind == "cut" else b"not a database\n" * 99)
    before = path.read_bytes()
    with pytest.raises(BadInput, match=r"^\S+\.sqlite is not the study of this search: .+: move it away$"):
        sweeper._open([], {"optimizer.lr": distribution(override)})
    assert path.read_bytes() == before


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_rung_keeps_its_best_wherever_they_stand(direction: str) -> None:
    import optuna

    sweeper = Optuna(trials=6, batch=6, objectives=("loss/test",), directions=(direction,), sampler="random", rungs=2)
    found = optuna.create_study(direction=direction)
    values = [3.0, 1.0, 5.0, 0.0, 4.0, 2.0]
    good = [(value, found.ask(), SweptJob((), Path(str(value)), Outcome(0))) for value in values]
    kept = [trial.number for trial in sweeper._halved(found, good, 2)]
    assert [values[number] for number in kept] == ([5, 4] if direction == "maximize" else [0, 1])
    assert [trial.state.name for trial in found.trials].count("PRUNED") == 4


def test_an_interval_needs_a_search(tmp_path: Path) -> None:
    ended = Place(tmp_path / "grid").type("-m", "optimizer.lr=interval(0.1,1)")
    assert ended.code == 2
    assert "search with hydra/sweeper=optuna" in ended.err


@pytest.mark.parametrize(
    ("text", "kind", "facts"),
    [
        ("a=interval(0.5,2.5)", "FloatDistribution", {"low": 0.5, "high": 2.5, "log": False}),
        ("a=tag(log,interval(0.5,2.5))", "FloatDistribution", {"log": True}),
        ("a=int(interval(1,8))", "IntDistribution", {"low": 1, "high": 8, "step": 1}),
        ("a=range(8,65,8)", "IntDistribution", {"low": 8, "high": 64, "step": 8}),
        ("a=x,y,1", "CategoricalDistribution", {"choices": ("x", "y", "1")}),
    ],
)
def test_what_is_swept_says_what_is_searched(text: str, kind: str, facts: dict[str, object]) -> None:
    [override] = OverridesParser.create().parse_overrides([text])
    made = distribution(override)
    assert type(made).__name__ == kind
    assert {name: getattr(made, name) for name in facts} == facts
