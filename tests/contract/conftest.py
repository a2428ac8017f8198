"""What contract tests share: a home of plugins of the test's own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.clouds import DATA


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Puts plugins called `given` into a home of this test's own, which has two clouds of points."""
    monkeypatch.setenv("EXPZOO_PLUGINS", str(tmp_path / "plugins"))

    def write(folder: str, source: str, name: str = "given") -> None:
        file = tmp_path / "plugins" / folder / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)

    write("datasets", DATA, "clouds")
    yield write
    for name in [
        name for name in sys.modules if name.startswith("expzoo.plugins.") and name.endswith((".given", ".clouds"))
    ]:
        del sys.modules[name]
