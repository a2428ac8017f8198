"""The order of storeys: a room imports only from storeys below its own, and no file imports in a circle.

Read from syntax trees, imports for type checkers and within functions included. There are no exceptions.
"""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "expzoo"

STOREYS = (
    {"system"},
    {"config"},
    {"science", "spec"},
    {"store"},
    {"components", "report"},
    {"engine"},
    {"lab"},
    {"analysis"},
    {"runs"},
    {"cli"},
    {"__init__", "__main__", "api", "plugin", "plugins", "study", "testing"},
)
"""From the ground up; the last are the doors: what users, authors of plugins and Python itself import."""

MOST_ROOMS = 12
SUBROOMS = {
    "engine": ("members", "layers", "tape", "", "adoption"),
    "science": ("numerics", ""),
    "report": ("figures", ""),
    "runs": ("", "audit", "contract"),
    "analysis": ("", "studies"),
}
"""Folders within a room, the lower first; "" are the room's own files."""


def name_of(file: Path) -> str:
    """The module of a file, without the package's name; of a package its folder."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


FILES = {name_of(file): file for file in sorted(SOURCE.rglob("*.py"))}


def imported(tree: ast.AST, modules: set[str]) -> set[str]:
    """The modules of the package that a tree imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "expzoo":
            base = node.module.partition(".")[2]
            for alias in node.names:
                inner = f"{base}.{alias.name}".strip(".")
                found.add(inner if inner in modules else base or "__init__")
        elif isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[2] for alias in node.names if alias.name.startswith("expzoo.")}
    return found & modules


@cache
def imports() -> dict[str, set[str]]:
    """Module -> the modules that it imports."""
    modules = set(FILES)
    trees = {name: ast.parse(file.read_text("utf-8")) for name, file in FILES.items()}
    return {name: imported(tree, modules) - {name} for name, tree in trees.items()}


def room(module: str) -> str:
    return module.partition(".")[0]


STOREY = {name: number for number, rooms in enumerate(STOREYS) for name in rooms}


def test_every_room_has_its_storey_and_there_are_few() -> None:
    assert {room(module) for module in FILES} == set(STOREY)
    assert len({room(module) for module, file in FILES.items() if file.parent != SOURCE}) <= MOST_ROOMS
    assert len(STOREYS) <= 11


def upward(graph: dict[str, set[str]]) -> list[str]:
    """The arrows between rooms that do not lead to a lower storey; the doors may import one another."""
    arrows = [(low, high) for low, others in graph.items() for high in others if room(low) != room(high)]
    return [
        f"{low} -> {high}"
        for low, high in arrows
        if STOREY[room(high)] >= STOREY[room(low)] and room(low) not in STOREYS[-1]
    ]


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The files of an import circle, the first again at its end; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_arrow_leads_upward() -> None:
    assert upward(imports()) == []


@pytest.mark.parametrize("name", SUBROOMS)
def test_no_arrow_leads_upward_within_a_room(name: str) -> None:
    order = SUBROOMS[name]

    def floor(module: str) -> int:
        parts = module.split(".")
        return order.index(parts[1] if len(parts) > 2 or (SOURCE / name / parts[-1]).is_dir() else "")

    own = {module: others for module, others in imports().items() if module.startswith(f"{name}.")}
    pairs = [(low, high) for low, others in own.items() for high in others if high in own]
    assert [f"{low} -> {high}" for low, high in pairs if floor(high) > floor(low)] == []


def test_no_file_imports_in_a_circle() -> None:
    assert circle(imports()) == []


def test_the_rule_notices_every_form_of_import() -> None:
    lines = "def f():\n    from expzoo.lab import populations\n\nimport expzoo.cli.app\nfrom expzoo import api\n"
    assert imported(ast.parse(lines), set(FILES)) == {"lab.populations", "cli.app", "api"}


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("system.files", "config.options"),
        ("spec.spec", "science.claims"),
        ("engine.feed", "lab.lab"),
        ("runs.jobs", "api"),
    ],
)
def test_the_rule_notices_a_planted_arrow(low: str, high: str) -> None:
    planted = imports() | {low: imports()[low] | {high}}
    assert upward(planted) == [f"{low} -> {high}"]


def test_the_rule_notices_a_planted_circle() -> None:
    planted = imports() | {"system.errors": {"system.files"}, "system.files": {"system.errors"}}
    assert {"system.errors", "system.files"} <= set(circle(planted))
