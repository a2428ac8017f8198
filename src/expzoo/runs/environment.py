"""What a result was computed with: versions, sources and machine.

Of environment variables, which hold secrets, those alone that choose threads and kernels.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from expzoo.config import registry, sources
from expzoo.config.homes import HOME

PACKAGES = ("expzoo", "torch", "pytorch-lightning", "hydra-core", "numpy", "scipy", "statsmodels", "polars")
VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_DYNAMIC",
    "MKL_NUM_THREADS",
    "MKL_DYNAMIC",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "NPY_DISABLE_CPU_FEATURES",
    "PYTHONHASHSEED",
)
"""What chooses threads, kernels and the order of sets."""
_SETTING = "[A-Za-z0-9_, ]{1,60}"  # what such a variable says; anything else is nobody's business
_CPUINFO = Path("/proc/cpuinfo")
_COMMIT = "^([0-9a-f]{40,64})$"
_LONGEST = 2**24  # bytes of a file of git


def describe(machines: set[str], plugins: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Plain data: the machine classes whose networks were used, Python, packages, processor, commits, sources.

    `plugins` are those of the run, each with the hash of its source as `config.sources` makes it.
    """
    return {
        "machine_classes": sorted(machines),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "packages": {name: _version(name) for name in PACKAGES},
        "commits": _commits(),
        "sources": {"expzoo": _package()}
        | {f"{registry.chosen_by(kind)}={name}": sources.fingerprint(kind, name) for kind, name in plugins},
        "threads": "1 intra-op thread while training",
        "variables": {name: os.environ[name] for name in VARIABLES if re.fullmatch(_SETTING, os.environ.get(name, ""))},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    """The processor's model as the system names it."""
    try:
        lines = _CPUINFO.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.lower().startswith("model name"))
    return next(named, "") or platform.processor() or "unknown"


def _commits() -> dict[str, str]:
    """The commits that are checked out, of expzoo's own repository and of the working directory's, where there are."""
    found = {"expzoo": _commit(HOME) if (HOME / ".git").exists() else "", "working directory": _commit(Path.cwd())}
    return {name: commit for name, commit in found.items() if commit}


@cache
def _commit(folder: Path) -> str:
    """The commit of the repository around `folder`, read from its files: git itself would obey its configuration."""
    for place in (folder, *folder.parents):
        git = place / ".git"
        if written := _text(git):  # of a worktree: where its own files are
            git = place / written.removeprefix("gitdir:").strip()
        if head := _text(git / "HEAD"):
            name = head.removeprefix("ref:").strip()
            return _named(git, name) if name != head else _found(_COMMIT, head)
    return ""


def _named(git: Path, name: str) -> str:
    """The commit that a branch is at; empty before its first."""
    shared = git / (_text(git / "commondir") or ".")
    packed = rf"{_COMMIT.removesuffix('$')} {re.escape(name)}$"
    return _found(_COMMIT, _text(shared / name)) or _found(packed, _text(shared / "packed-refs"))


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else ""


def _text(file: Path) -> str:
    """What a regular file of a bearable size says, empty if it is none: anybody may have written it."""
    try:
        return file.read_text().strip() if file.is_file() and file.stat().st_size <= _LONGEST else ""
    except (OSError, ValueError):
        return ""


@cache
def _package() -> str:
    """16 hexadecimal digits of the files of expzoo itself, without its plugins."""
    root, found = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        if "plugins" not in path.relative_to(root).parts[:1]:
            found.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:16]
