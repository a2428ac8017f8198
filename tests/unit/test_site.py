"""The documentation: a page for each kind of plugin with the example that is tested, and pages that fetch nothing."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from expzoo.cli import scaffold
from expzoo.config.homes import HOME
from expzoo.config.registry import FOLDERS, available

if TYPE_CHECKING:
    from types import ModuleType

SITE = HOME / "site"


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_hooks", SITE / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_kind_has_a_page_with_the_file_that_is_tested(hooks: ModuleType, kind: str) -> None:
    """`tests/unit/test_scaffolds.py` runs each of these files."""
    page = hooks.plugin_page(kind)
    [example] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert example == scaffold.text(kind, f"my_{kind}")
    compile(example, kind, "exec")
    assert [name for name in available(kind) if f"| `{name}` | " not in page] == []
    for path in re.findall(r"^::: (\S+)$", page, re.MULTILINE):
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name), path


@pytest.mark.parametrize("page", sorted((SITE / "pages").glob("*.md")), ids=lambda path: path.stem)
def test_a_page_has_what_it_includes(hooks: ModuleType, page: Path) -> None:
    text = hooks.included(page.read_text())
    assert "--8<--" not in text
    assert text.startswith("# ")
    for path in re.findall(r"^::: (\S+)$", text, re.MULTILINE):
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name), path


def test_what_is_not_there_is_not_included(hooks: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"README\.md has no part nothing"):
        hooks.included('--8<-- "README.md:nothing"')


@pytest.mark.slow
def test_the_site_is_built_and_fetches_nothing(tmp_path: Path, not_run: Callable[[str], NoReturn]) -> None:
    if not all(map(importlib.util.find_spec, ("mkdocs", "material", "mkdocstrings"))):
        not_run("needs expzoo[site]")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict"]
    command += ["--config-file", str(SITE / "mkdocs.yml"), "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        command, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 2 * len(FOLDERS)
    for page in pages:
        text = page.read_text()
        assert re.findall(r"<(?:script|img|link)[^>]*(?:src|href)=.?https?://[^>]*>", text) == [], page
        own = re.findall(r"<script[^>]*src=\"([^\"]+)\"", text)
        assert [address for address in own if not (page.parent / address).is_file()] == [] or page.name == "404.html"
