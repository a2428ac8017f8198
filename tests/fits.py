"""Which analyses run on which data with which models: the table of docs/FITS.md, made with tiny settings.

    python -m tests.fits

writes it anew.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.image_archives import stand_in

from expzoo.config import registry
from expzoo.config.check import resolved
from expzoo.runs.plan import plan, why_not

if TYPE_CHECKING:
    from expzoo.analysis.contract import Setting

PAGE = Path(__file__).parents[1] / "docs" / "FITS.md"
RUNS = "runs"
HEAD = """# What runs on what

Every analysis with five datasets and two models each, as `tests/fits.py` asks them, with tiny
settings and with what the analysis's own experiment sets otherwise. The tests compare this table
with what is so, and train every cell that runs. `expzoo list --fits dataset=NAME` says it of any
dataset, those of others among them.
"""
DATA = {
    "life": ("life_net", "cnn2d model.width=4"),
    "mnist1d": ("mlp model.width=16", "cnn1d model.channels=4"),
    "textures": ("cnn2d model.width=4", "mlp model.width=16"),
    "cifar10": ("cnn2d model.width=4", "mlp model.width=16"),
    "digits": ("lenet model.width=1", "mlp model.width=16"),
}
"""Dataset -> two models, small ones."""

LABELLED = ("dataset.train_size=100", "dataset.test_size=30", "dataset.batch_size=20")
BOARDS = ("loss=mse", "dataset.board=8", "dataset.test_board=8", "dataset.test_size=30", "dataset.batch_size=8")
TINY = ("budget=smoke", "population.size=2", "stop.steps=6")
BUDGETS = "[60000,70000,80000,90000,100000]"  # the smallest lenet has 19,600 parameters
TICKETS = {"levels": "2", "decide_at": "0.36"}
CURVES = {"steps": "4", "points": "3"}
OPTIONS = {
    "activation_transfer": {
        "rates": "[0.01]",
        "evaluation_seeds": "1",
        "outer_steps": "2",
        "inner_networks": "2",
        "hidden": "4",
        "last_losses": "3",
        "inner_width": "8",
        "inner_steps": "6",
        "inner_samples": "200",
    },
    "barriers_by_width": CURVES | {"widths": "[2,3]"},
    "calibration_and_double_descent": {"widths": "[2,3,4,5,6,8]"},
    "contrast": {
        "arms": "{slow:{},fast:{optimizer.lr:x3}}",
        "claims": "{zoo.fast_is_better:{greater:[fast,slow]}}",
    },
    "deep_ensembles": {"sizes": "[1]", "fit_up_to": "1", "draws": "1", "most": "2", "resamples": "19"},
    "double_descent": {"widths": "[2,3,4,5,6]", "filters": "[2,3,4,5,6]", "null_width": "3"},
    "double_descent_rff": {"train_size": "20", "test_points": "20"},
    "heavy_tails": {"minibatches": "16", "surrogates": "5"},
    "instability": {"splits": "[0,0.2]", "points": "3"},
    "interpolation_threshold": {"sizes": "[20,40]", "classes": "[2,10]", "widths": "[1,2,4]", "rounds": "0"},
    "iterative_pruning": TICKETS | {"every": "3"},
    "jamming": {"points": "[20,40]", "widths": "[1,2,4]", "rounds": "0", "around": "[1.0]"},
    "langevin": {"steps": "60", "walkers": "2", "samples": "20", "sgld_steps": "4", "wall_steps": "80"},
    "life_exact": {"steps": "[1]", "widths": "[1]", "training": "2"},
    "loss_surface": {"checkpoints": "4", "points": "3"},
    "memory_split": {"budgets": BUDGETS, "parts": "[1,2]"},
    "metalearn_activation": {
        "outer_steps": "2",
        "inner_networks": "2",
        "hidden": "4",
        "last_losses": "3",
        "baselines": "[relu,tanh]",
        "rates": "[0.01]",
        "evaluation_seeds": "1",
    },
    "mode_connectivity": CURVES,
    "noise_scale": {
        "batch_sizes": "[5,10,20,40]",
        "learning_rates": "[0.1]",
        "updates": "4",
        "examples": "20",
    },
    "no_crossing": {"epochs": "1", "points": "3"},
    "permuted_minima": CURVES,
    "metalearn_learning_rate": {"outer_steps": "2", "grid": "3"},
    "metalearn_weight_decay": {"outer_steps": "2", "grid_rates": "2", "grid_decays": "2"},
    "periodic_behaviour": {"looks": "3"},
    "predict_split": {"budgets": BUDGETS, "parts": "[1,2]"},
    "reparametrisation": {"width": "3", "channels": "1", "examples": "20"},
    "ticket_adjacency": TICKETS | {"permutations": "99"},
    "ticket_transfer": TICKETS,
    "wide_minima": {"learning_rates": "[0.1,0.2,0.4]", "batch_sizes": "[10,20]"},
}
"""Analysis -> options that make it small; what is asked stays the same."""

OTHERWISE = {
    "noise_scale": ("optimizer=sgd", "stop=fitted", "stop.loss=100"),
    "wide_minima": ("optimizer=sgd", "stop=fitted", "stop.loss=100", "stop.every=3", "stop.at_most=6"),
    "three_regimes": ("optimizer=sgd", "constraint=sphere"),
    "periodic_behaviour": (
        "optimizer=sgd",
        "optimizer.weight_decay=0.01",
        "parametrisation=frozen",
        "parametrisation.parameters=[last.*]",
    ),
}
"""Analysis -> what its own experiments set besides the analysis, the dataset and the model."""


def words(analysis: str, dataset: str, model: str) -> list[str]:
    """What is typed for one cell of the table."""
    name, *size = model.split()
    chosen = [f"dataset={dataset}", f"model={name}", *size, *(BOARDS if dataset == "life" else LABELLED), *TINY]
    options = [f"analysis.{analysis}.{key}={value}" for key, value in OPTIONS.get(analysis, {}).items()]
    otherwise = OTHERWISE.get(analysis, ())
    if any(word.startswith("stop=") for word in otherwise):
        chosen = [word for word in chosen if not word.startswith("stop.")]  # of the stop that is chosen otherwise
    return [*chosen, *otherwise, f"analysis=[{analysis}]", *options]


@cache
def setting(overrides: tuple[str, ...]) -> Setting:
    """The setting of these words, whatever is asked of it."""
    return plan(resolved([*overrides, "analysis=[learning_curves]"])).setting


@cache
def options(analysis: str) -> dict[str, object]:
    """The options of an analysis in every cell."""
    node = resolved(words(analysis, "mnist1d", "mlp"))["analysis"][analysis]
    return {key: value for key, value in node.items() if key != "name"}


def cell(analysis: str, dataset: str, model: str) -> str:
    """Why an analysis does not fit, or that it runs; nothing is trained."""
    typed = words(analysis, dataset, model)
    base = tuple(word for word in typed if not word.startswith("analysis"))
    return why_not(analysis, setting(base), options(analysis)) or RUNS


def cells() -> Iterator[tuple[str, str, str]]:
    """Analysis, dataset and model of each cell, row by row."""
    for analysis in registry.available("analysis"):
        yield from ((analysis, dataset, model) for dataset, models in DATA.items() for model in models)


def in_page(analysis: str, dataset: str, model: str) -> bool:
    """Whether docs/FITS.md says that a cell runs."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    own = next((row for row in rows if row[0] == f"`{analysis}`"), rows[0])
    return own[rows[0].index(f"{dataset}: {model.split()[0]}")] == RUNS


def page(found: dict[tuple[str, str, str], str]) -> str:
    """The text of docs/FITS.md for these cells."""
    reasons = list(dict.fromkeys(text for text in found.values() if text != RUNS))
    heads = [f"{dataset}: {model.split()[0]}" for dataset, models in DATA.items() for model in models]
    rows = [["analysis", *heads], ["---"] * (1 + len(heads))]
    for analysis in dict.fromkeys(place[0] for place in found):
        own = [text for place, text in found.items() if place[0] == analysis]
        rows.append([f"`{analysis}`", *(RUNS if text == RUNS else f"[{reasons.index(text) + 1}]" for text in own)])
    table = [f"| {' | '.join(row)} |" for row in rows]
    told = [f"{number}. {reason}" for number, reason in enumerate(reasons, 1)]
    return "\n".join([HEAD, *table, "", "Why not:", "", *told, ""])


def all_cells() -> dict[tuple[str, str, str], str]:
    """Every cell; the files of cifar10 must be there, or what stands in for them."""
    setting.cache_clear()
    return {place: cell(*place) for place in cells()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        stand_in("cifar10", Path(folder), monkeypatch)
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(all_cells()))
