"""What a result was computed with: versions and machine. Never environment variables: they hold secrets."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("expzoo", "torch", "pytorch-lightning", "hydra-core", "numpy", "scipy", "statsmodels", "polars")


def describe(machines: set[str]) -> dict[str, Any]:
    """Plain data: the machine classes whose networks were used, Python, packages, processor."""
    return {
        "machine_classes": sorted(machines),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: _version(name) for name in PACKAGES},
        "threads": "1 intra-op thread while training",
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
