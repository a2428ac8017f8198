"""What plugins import of the package: expzoo.plugin and expzoo.study, and what a subject's analyses share.

The names of these two modules resolve, are of use to somebody, and are there for type checkers;
everything else may be moved without a plugin being touched.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from expzoo.system.lazy import offered

ROOT = Path(__file__).parents[2]
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
README, CONTRIBUTING = ((ROOT / name).read_text("utf-8") for name in ("README.md", "CONTRIBUTING.md"))
SHOWN = dict(re.findall(r"^`([\w/]+\.py)`\n\n```python\n(.*?)^```$", README, re.M | re.S))
"""The modules of the package that README.md shows, by their paths."""

MODULES = {name: import_module(name) for name in ("expzoo", "expzoo.lab", "expzoo.plugin", "expzoo.study")}
FACADES = "expzoo.plugin", "expzoo.study"
STUDIES = "expzoo.analysis.studies"


def file_of(module: str) -> str:
    file = MODULES[module].__file__
    assert file is not None
    return file


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Every (module, name) of the package that is imported, with dots for a relative module; the name may be "*"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] == "expzoo")
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            if node.level or module.split(".")[0] == "expzoo":
                yield from ((module, alias.name) for alias in node.names)


def refused(tree: ast.AST, kind: str) -> list[str]:
    """What a plugin in the folder `kind` may not import."""
    own = "expzoo.study" if kind == "analyses" else "expzoo.plugin"
    return [
        f"{module}: {name}"
        for module, name in imports(tree)
        if name in ("", "*") or (module not in (own, STUDIES) and not module.startswith(f"{STUDIES}."))
    ]


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: str(path.relative_to(ROOT)))
def test_plugins_import_what_is_offered_to_them(path: Path) -> None:
    assert refused(ast.parse(path.read_text("utf-8")), path.parent.name) == []


def test_the_package_in_the_readme_imports_what_is_offered() -> None:
    assert len(SHOWN) == 3
    assert [fault for path, text in SHOWN.items() for fault in refused(ast.parse(text), Path(path).parent.name)] == []


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("import expzoo.plugin", "models"),
        ("from expzoo.plugin import *", "models"),
        ("from expzoo.study import Claim", "models"),
        ("from expzoo.plugin import Count", "analyses"),
        ("from expzoo.config.registry import register", "models"),
        ("def f():\n    from expzoo.lab.workers import open_shared", "trainers"),
        ("if TYPE_CHECKING:\n    from expzoo.spec.spec import Spec", "analyses"),
        ("from expzoo import lab", "analyses"),
        ("from expzoo.studies_of_mine import x", "analyses"),
        ("from .other import x", "analyses"),
    ],
)
def test_the_rule_notices(line: str, kind: str) -> None:
    assert len(refused(ast.parse(line), kind)) == 1


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("from expzoo.plugin import Count", "models"),
        ("from expzoo.study import Claim, figures", "analyses"),
        ("from expzoo.analysis.studies import learning_rates", "analyses"),
        ("from expzoo.analysis.studies.life.rules import LifeRule", "datasets"),
        ("from expzooology import x", "models"),
    ],
)
def test_the_rule_lets_what_is_offered_be(line: str, kind: str) -> None:
    assert refused(ast.parse(line), kind) == []


@pytest.mark.parametrize("module", MODULES)
def test_every_name_resolves(module: str) -> None:
    names = offered(file_of(module))
    assert names
    assert [name for name in names if getattr(MODULES[module], name) is None] == []
    assert set(names) <= set(dir(MODULES[module]))
    assert MODULES[module].__all__ == [*names]


@pytest.mark.parametrize("module", MODULES)
def test_type_checkers_are_told_of_every_name(module: str) -> None:
    """An import that does not repeat its name is not offered: here, it would be a slip."""
    tree = ast.parse(Path(file_of(module)).read_text("utf-8"))
    told = [alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert {alias.name for alias in told if alias.asname != alias.name} == {"annotations", "TYPE_CHECKING", "lazy"}


def test_a_name_in_both_modules_is_one_thing() -> None:
    plugin, study = (MODULES[name] for name in FACADES)
    both = set(plugin.__all__) & set(study.__all__)
    assert {name for name in both if getattr(plugin, name) is not getattr(study, name)} == set()
    assert {"BadInput", "Count", "register"} <= both


@pytest.mark.parametrize("module", FACADES)
def test_every_name_is_used_or_documented(module: str) -> None:
    sources = [*(path.read_text("utf-8") for path in PLUGINS), *SHOWN.values()]
    used = {name for text in sources for where, name in imports(ast.parse(text)) if where == module}
    documented = set(re.findall(r"`(\w+)`", CONTRIBUTING))
    assert set(offered(file_of(module))) - used - documented == set()


@pytest.mark.parametrize(
    ("module", "wrong", "hint"),
    [
        ("expzoo", "trian", "did you mean train"),
        ("expzoo.lab", "Lap", "did you mean Lab"),
        ("expzoo.plugin", "Coutn", "did you mean Count"),
        ("expzoo.study", "desparate_measure", "known: Activation, Analysis, "),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest(module: str, wrong: str, hint: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{module}' has no attribute '{wrong}': {hint}"):
        getattr(MODULES[module], wrong)
    assert not hasattr(MODULES[module], wrong)


def test_nothing_is_imported_before_it_is_used() -> None:
    program = f"import sys, {', '.join(MODULES)}; print(*(name for name in sys.modules if name.startswith('expzoo')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {*MODULES, "expzoo.system", "expzoo.system.lazy"}


def test_all_names_of_a_module_can_be_asked_for_at_once() -> None:
    program = "from expzoo.study import *; print(Claim.__name__, figures.__name__, register.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Claim", "expzoo.report.figures", "register"]
