"""Rules that hold for every file: no way to run code that was read, nothing overlong, no path of one machine."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for folder in ("src", "plugins") for path in (ROOT / folder).rglob("*.py"))
TEXTS = sorted(
    path
    for folder in ("src", "plugins", "conf", "tests", "benchmarks", ".ci")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
) + sorted(
    path
    for path in ROOT.glob("*")
    if path.is_file() and path.name != ".git" and path.suffix in ("", ".md", ".toml", ".txt")
)

LONGEST_FILE, LONGEST_FUNCTION = 300, 50
LONG_FILES: frozenset[str] = frozenset()
LONG_FUNCTIONS: frozenset[str] = frozenset()
"""Exceptions, as paths and as path:function: each needs a reason beside it."""

MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
CALLS = {"eval", "exec", "compile", "__import__"}
ATTRIBUTES = {
    "torch.load",
    "torch.save",
    "torch.hub",
    "yaml.load",
    "yaml.load_all",
    "yaml.unsafe_load",
    "yaml.full_load",
    "os.system",
    "os.popen",
    "hydra.utils.instantiate",
    "hydra.utils.call",
    "hydra.utils.get_object",
}
LAST = {"extractall", "load_from_checkpoint", "instantiate", "read_pickle", "to_pickle", "load_module"}
KEYWORDS = {"shell", "allow_pickle", "weights_only"}
TEXT = "_target" + "_"


def dotted(node: ast.AST) -> str:
    """The name that an expression spells, as in `torch.load`; empty if it spells none."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def dangers(tree: ast.AST) -> Iterator[str]:
    """Everything in a syntax tree that could run or load code from data, as "line: what"."""
    for node in ast.walk(tree):
        found: list[str] = []
        match node:
            case ast.Import(names=names):
                found = [name.name for name in names if name.name.partition(".")[0] in MODULES]
            case ast.ImportFrom(module=module, names=names):
                full = [f"{module}.{name.name}" for name in names]
                found = [name for name in full if name in ATTRIBUTES or name.partition(".")[0] in MODULES]
                found += [name for name in full if name.rpartition(".")[2] in LAST]
            case ast.Call(func=function, keywords=keywords):
                found = [name for name in (dotted(function),) if name in CALLS]
                found += [f"{k.arg}=" for k in keywords if k.arg in KEYWORDS]
            case ast.Attribute():
                found = [name for name in (dotted(node),) if name in ATTRIBUTES or node.attr in LAST]
            case ast.Constant(value=str() as text):
                found = [TEXT] if TEXT in text else []
        yield from (f"{getattr(node, 'lineno', 0)}: {what}" for what in found)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
@pytest.mark.check("S4")
def test_nothing_runs_what_was_read(path: Path) -> None:
    assert list(dangers(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "import os, cloudpickle as c",
        "from joblib import load",
        "from hydra.utils import instantiate",
        "from torch import load",
        "x = torch.load(p)",
        "x = torch.load(p, weights_only=True)",
        "f = yaml.load",
        "y = hydra.utils.instantiate(cfg)",
        "np.load(p, allow_pickle=True)",
        "archive.extractall()",
        "run(c, shell=True)",
        "eval('1')",
        "exec(code)",
        "__import__('os')",
        "cfg['_target" + "_'] = 1",
        "M.load_from_checkpoint(p)",
    ],
)
@pytest.mark.check("S4")
def test_the_rule_notices(line: str) -> None:
    assert len(list(dangers(ast.parse(line)))) >= 1


def test_the_rule_lets_ordinary_lines_be() -> None:
    lines = "x = load(p)\ny = yaml.safe_load(t)\nmodel.eval()\nre.compile('a')\nast.literal_eval(t)\nstore.load(k)"
    assert list(dangers(ast.parse(lines))) == []


def test_configs_name_no_classes() -> None:
    assert [str(path) for path in sorted((ROOT / "conf").rglob("*.yaml")) if TEXT in path.read_text("utf-8")] == []


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_files_are_short() -> None:
    files = [*SOURCES, *(path for path in TEXTS if path.suffix == ".py")]
    long = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {file: lines for file, lines in long.items() if lines > LONGEST_FILE and file not in LONG_FILES} == {}


def test_functions_are_short() -> None:
    long = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                start = min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
                long[f"{name(path)}:{node.name}"] = (node.end_lineno or start) - start + 1
    assert {f: lines for f, lines in long.items() if lines > LONGEST_FUNCTION and f not in LONG_FUNCTIONS} == {}


_MACHINE = re.compile(r"(?<![\w.$}*/-])/(?:work|tmp|home|root|Users|mnt|scratch|data)/[\w.]" + "|[A-Z]:" + r"\\Users")


def test_no_path_of_one_machine() -> None:
    found = []
    for path in TEXTS:
        content = path.read_bytes()
        if b"\0" not in content:
            lines = enumerate(content.decode("utf-8", "replace").splitlines(), 1)
            found += [f"{name(path)}:{number}: {line.strip()}" for number, line in lines if _MACHINE.search(line)]
    assert found == []


@pytest.mark.parametrize("folder", ["work", "tmp", "home", "root"])
def test_the_rule_notices_a_path(folder: str) -> None:
    assert _MACHINE.search(f"see '/{folder}/me/data.bin'")
    assert not _MACHINE.search(f"$HOME/{folder}/me tests/{folder}/x https://a.org/{folder}/x {{x}}/{folder}/y")


def test_every_module_says_what_it_owns() -> None:
    silent = [name(path) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert silent == []


def test_what_is_printed_goes_through_the_console() -> None:
    """`print` writes what steers a terminal as it is; rich's consoles are given what is `printable`."""
    calls = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        if path.name != "console.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not calls
