"""Which runs a directory stands for, be it of a run, of a sweep or of a store, and where their networks are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from expzoo.config.paths import place
from expzoo.store import run_directory, sweep_record
from expzoo.system import untrusted
from expzoo.system.errors import BadInput
from expzoo.system.untrusted import quoted

if TYPE_CHECKING:
    from expzoo.system.canonical import Config

Runs = dict[Path, "Config"]


def found(directory: Path) -> tuple[Path, Runs]:
    """The store, and the config of each run whose networks are audited; BadInput if `directory` is nothing of these."""
    if untrusted.is_there(directory / run_directory.MANIFEST):
        runs = _configs([directory])
    elif sweep_record.is_sweep(directory):
        runs = _configs(job.directory for job in sweep_record.read(directory) if sweep_record.is_done(job.directory))
    elif any(_is_shelf(folder) for folder in _folders(directory)):
        return directory, _beside(directory)
    else:
        raise BadInput(f"{quoted(directory)} is no run, no sweep and no store: give the directory of one")
    roots = {store_of(run, config): None for run, config in runs.items()}
    if not roots:
        raise BadInput(f"{quoted(directory)} holds no finished run")
    if len(roots) > 1:
        told = ", ".join(quoted(root) for root in roots)
        raise BadInput(
            f"the networks of {quoted(directory)} are in {len(roots)} stores, {told}: audit one run at a time"
        )
    [root] = roots
    if not root.is_dir():
        raise BadInput(f"the networks of {quoted(directory)} are not in {quoted(root)}: there is no such store")
    return root, runs


def store_of(run: Path, config: Config) -> Path:
    """The store of a run: where its config says, seen from here, or else at the usual place beside the run."""
    said, usual = place(str(config["store"])), run.absolute().parents[1] / "store"
    return usual if not said.is_dir() and usual.is_dir() else said


def _configs(directories: object) -> Runs:
    return {directory: run_directory.config_of(directory) for directory in directories}  # type: ignore[attr-defined]


def _beside(store: Path) -> Runs:
    """The finished runs in the folders beside a store that have their networks in it; a damaged one is none."""
    runs: Runs = {}
    for manifest in sorted(store.absolute().parent.glob(f"*/*/{run_directory.MANIFEST}")):
        try:
            config = run_directory.config_of(manifest.parent)
        except BadInput:
            continue
        if store_of(manifest.parent, config).resolve() == store.resolve():
            runs[manifest.parent] = config
    if not runs:
        raise BadInput(f"no finished run beside {quoted(store)} has its networks in it: what they are is not known")
    return runs


def _folders(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.is_dir()] if directory.is_dir() else []


def _is_shelf(folder: Path) -> bool:
    """Whether a folder is one of those that a store keeps networks in: the first two digits of their keys."""
    return len(folder.name) == 2 and set(folder.name) <= set("0123456789abcdef")
