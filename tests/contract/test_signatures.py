"""What others call says what it takes and gives: no public signature of these rooms leaves it open by `Any`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "expzoo"
FOLDERS = [*(SOURCE / room for room in ("spec", "lab", "store")), SOURCE / "analysis"]
FILES = sorted(path for folder in FOLDERS for path in folder.glob("*.py"))


def public_annotations(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Name and annotation of whatever is public in a module: arguments, results, fields, constants and aliases."""
    waiting: list[tuple[str, ast.stmt]] = [("", node) for node in tree.body]
    while waiting:
        where, node = waiting.pop()
        match node:
            case ast.ClassDef(name=name) if not name.startswith("_"):
                waiting += [(f"{where}{name}.", inner) for inner in node.body]
                yield from ((f"{where}{name}", base) for base in node.bases)
            case ast.FunctionDef(name=name, args=args, returns=returns) if is_public(name):
                every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
                found = [argument.annotation for argument in every if argument] + [returns]
                yield from ((where + name, annotation) for annotation in found if annotation)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation) if is_public(name):
                yield where + name, annotation
                if isinstance(annotation, ast.Name) and annotation.id == "TypeAlias" and node.value:
                    yield where + name, node.value
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if is_public(name):
                yield where + name, value


def is_public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def says_any(annotation: ast.expr) -> bool:
    """Whether `Any` stands in an annotation, in quotation marks, too."""
    return re.search(r"\bAny\b", ast.unparse(annotation)) is not None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_no_public_signature_says_any(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [name for name, annotation in public_annotations(tree) if says_any(annotation)] == []


@pytest.mark.parametrize(
    "code",
    [
        "def f(x: Any) -> None: ...",
        "def f(*x: list[Any]) -> None: ...",
        "def f(**x: Any) -> None: ...",
        "def f() -> dict[str, Any]: ...",
        "class A:\n    x: Any",
        "class A:\n    def __call__(self, x: typing.Any) -> int: ...",
        "Rows = list[Any]",
        "Rows: TypeAlias = list['list[Any]']",
    ],
)
def test_the_rule_notices(code: str) -> None:
    assert any(says_any(annotation) for _, annotation in public_annotations(ast.parse(code)))


def test_the_rule_lets_what_is_private_be() -> None:
    code = "def _f(x: Any) -> None: ...\nclass _A:\n    x: Any\nclass A:\n    _x: Any\nx: Many"
    assert not any(says_any(annotation) for _, annotation in public_annotations(ast.parse(code)))
