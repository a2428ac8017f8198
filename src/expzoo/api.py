"""The Python interface: what the command line does, for notebooks and scripts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.config import registry
from expzoo.store import run_directory
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    import polars as pl
    from omegaconf import DictConfig

    from expzoo.science.verdicts import Verdict
    from expzoo.spec.contracts import Split


@dataclass(frozen=True)
class Result:
    """A finished run: its directory, and what is in it, read when it is asked for."""

    directory: Path

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The verdicts on the run's claims."""
        from expzoo.science.verdicts import read_verdicts

        return read_verdicts(self.directory / run_directory.VERDICTS)

    @cached_property
    def records(self) -> pl.DataFrame:
        """Every measurement, one tidy row each."""
        from expzoo.store.records import read

        return read(self.directory / run_directory.RECORDS)

    @cached_property
    def figures(self) -> dict[str, Path]:
        """The pictures by name, as PNG files; SVG and CSV of the same name lie beside them."""
        self._draw()
        return {path.stem: path for path in sorted((self.directory / run_directory.FIGURES).glob("*.png"))}

    @property
    def report(self) -> Path:
        """The page."""
        self._draw()
        return self.directory / run_directory.REPORT

    def _draw(self) -> None:
        """Make pictures and page of a run that a fused multirun has left without them."""
        from expzoo.config import check
        from expzoo.runs import rerender

        if not run_directory.is_rendered(run_directory.require(self.directory)):
            rerender.draw(self.directory, check.typed_again(run_directory.config_of(self.directory)))

    def _repr_html_(self) -> str:
        """The verdicts as a table, for notebooks."""
        from expzoo.science import wording

        lines = [
            f"<tr><td>{escape(v.claim)}</td><td>{v.effect:.3g} {escape(v.unit)}</td>"
            f"<td>{v.interval[0]:.3g} to {v.interval[1]:.3g}</td><td>{wording.level(v)}</td>"
            f"<td>{v.n}</td><td>{escape(v.verdict)}</td></tr>"
            for v in self.verdicts
        ]
        head = "<tr><th>claim</th><th>effect</th><th>interval</th><th>level</th><th>n</th><th>verdict</th></tr>"
        return f"<table>{head}{''.join(lines)}</table><p>{escape(str(self.report))}</p>"


class Data:
    """A dataset with its splits as attributes: `.train.x`, `.train.y`, `.test.x`, `.test.y`; the rest is the plugin's.

    Where members draw their own data, it is that of the first member of run seed 0.
    """

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin

    def _split(self, name: str) -> Split:
        from expzoo.system.randomness import member_seed

        return self._plugin.split(name, member_seed(0, 0))

    @cached_property
    def train(self) -> Split:
        """The training examples."""
        return self._split("train")

    @cached_property
    def validation(self) -> Split:
        """The validation examples; ValueError if the dataset has none."""
        return self._split("validation")

    @cached_property
    def test(self) -> Split:
        """The test examples."""
        return self._split("test")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plugin, name)


def compose(*overrides: str) -> DictConfig:
    """The config that a command line with these overrides gives; BadInput with everything that is wrong with them.

    Values stay typed: `cfg.model.width = -1` is refused.
    """
    from expzoo.config import check

    return check.composed(list(overrides))


def run(cfg: DictConfig | dict[str, Any]) -> Result:
    """Run a composed config, or find that it was run; its result. RuntimeError if it does not end well."""
    from omegaconf import DictConfig

    from expzoo.config import explanations, identity
    from expzoo.runs import experiment
    from expzoo.runs.rerender import is_finished
    from expzoo.runs.trackers import mirror

    if isinstance(cfg, DictConfig):
        if found := explanations.incomplete(cfg):
            raise BadInput("\n".join(found))
        cfg = identity.plain(cfg)
    name = cfg["about"]["experiment"] or "custom"
    directory = Path("outputs") / name / identity.run_id(cfg)
    if is_finished(directory, cfg):
        mirror(cfg, directory)
    elif code := experiment.run(cfg, directory):
        raise RuntimeError(f"the run ended with exit code {code}; see what it printed")
    return Result(directory)


def open_run(directory: str | Path) -> Result:
    """The result of a finished run, every file compared with its checksum; BadInput if there is none or one differs."""
    directory = Path(directory)
    run_directory.whole(directory)
    return Result(directory)


def available(kind: str) -> list[str]:
    """The names of the plugins of a kind such as "model"; BadInput with the nearest kinds if it is none."""
    return registry.available(kind)


def build(kind: str, name: str, /, *given: Any, **options: Any) -> Any:
    """A plugin from checked options: an `nn.Module` for a model with (inputs, outputs), `Data` for a dataset."""
    made = registry.build(kind, name, *given, **options)
    return Data(made) if kind == "dataset" else made
