"""The Python interface: what the command line does, for notebooks and scripts."""

from __future__ import annotations

from base64 import b64encode
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


class Verdicts(list["Verdict"]):
    """The verdicts of a run: a list that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        from expzoo.science import wording

        names = ("claim", "verdict", "effect", "interval", "level", "n", "why")
        cells = (
            (v.claim, v.verdict, wording.effect(v), wording.interval(v), wording.level(v), v.n, wording.reason(v))
            for v in self
        )
        head, *rows = (
            "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in row)
            for tag, row in (("th", names), *(("td", row) for row in cells))
        )
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


class Figures(dict[str, Path]):
    """The pictures of a run by name: PNG files with title and caption, which a notebook shows."""

    def _repr_html_(self) -> str:
        images = ((name, b64encode(path.read_bytes()).decode()) for name, path in self.items())
        shown = '<img alt="{}" style="max-width: 640px; display: block" src="data:image/png;base64,{}">'
        return "".join(shown.format(escape(name), content) for name, content in images)


@dataclass(frozen=True)
class Result:
    """A finished run: its directory, and what is in it, read when it is asked for. A notebook shows its verdicts.

    result = expzoo.run(expzoo.compose("+experiment=double_descent_rff", "budget=smoke"))
    result.verdicts[0].verdict          # "supported"
    result.records                      # polars, one row a measurement
    result.figures["verdicts"]          # a PNG file
    """

    directory: Path

    def __repr__(self) -> str:
        from expzoo.science import wording

        told = ", ".join(f"{count} {outcome}" for outcome, count in wording.tally(self.verdicts)) or "no claims"
        return f"<Result {self.directory}: {told}>"

    @cached_property
    def verdicts(self) -> Verdicts:
        """The verdicts on the run's claims."""
        from expzoo.science.verdicts import read_verdicts

        return Verdicts(read_verdicts(self.directory / run_directory.VERDICTS))

    @cached_property
    def records(self) -> pl.DataFrame:
        """Every measurement, one tidy row each."""
        from expzoo.store.records import read

        return read(self.directory / run_directory.RECORDS)

    @cached_property
    def figures(self) -> Figures:
        """The pictures by name, as PNG files; SVG and CSV of the same name lie beside them."""
        self._draw()
        return Figures({path.stem: path for path in sorted((self.directory / run_directory.FIGURES).glob("*.png"))})

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
        """The verdicts as a table and where the page is, for notebooks."""
        return f"{self.verdicts._repr_html_()}<p>{escape(str(self.report))}</p>"


class Data:
    """A dataset with its splits as attributes: `.train.x`, `.train.y`, `.test.x`, `.test.y`; the rest is the plugin's.

        data = expzoo.build("dataset", "mnist1d")
        data.train.x.shape                  # (4000, 40), float32
        data.test.y.shape                   # (1000,), int64

    Where members draw their own data, it is that of the first member of run seed 0.
    """

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin

    def __repr__(self) -> str:
        plugin = self._plugin
        return f"<Data {type(plugin).__name__}: inputs {plugin.inputs}, {plugin.outputs} outputs, train, test>"

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

        cfg = expzoo.compose("+experiment=lottery_ticket", "budget=smoke", "model.width=50")
        cfg.model.width                     # 50

    Values stay typed: `cfg.model.width = -1` is refused.
    """
    from expzoo.config import check

    if strange := [one for one in overrides if not isinstance(one, str)]:
        told = 'write compose("+experiment=lottery_ticket", "budget=smoke"), a text for each'
        raise BadInput(f"compose takes overrides as text, not {type(strange[0]).__name__}: {told}")
    return check.composed(list(overrides))


def run(cfg: DictConfig | dict[str, Any]) -> Result:
    """Run a composed config, or find that it was run; its result. RuntimeError if it does not end well.

    result = expzoo.run(expzoo.compose("+experiment=double_descent_rff", "budget=smoke"))
    """
    from omegaconf import DictConfig

    from expzoo.config import explanations, identity
    from expzoo.runs import experiment
    from expzoo.runs.rerender import is_finished
    from expzoo.runs.trackers import mirror

    if not isinstance(cfg, DictConfig | dict):
        said = f'run(compose("{cfg}"))' if isinstance(cfg, str) else 'run(compose("+experiment=lottery_ticket"))'
        raise BadInput(f"run takes a composed config, not {type(cfg).__name__}: write {said}")
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
    """The result of a finished run, every file compared with its checksum; BadInput if there is none or one differs.

    result = expzoo.open_run("outputs/lottery_ticket/3f2a9c1b7d04")
    """
    directory = Path(directory)
    run_directory.whole(directory)
    return Result(directory)


def available(kind: str) -> list[str]:
    """The names of the plugins of a kind such as "model"; BadInput with the nearest kinds if it is none.

    expzoo.available("model")               # ["cnn1d", "cnn2d", ..., "mlp", ...]
    """
    return registry.available(kind)


def build(kind: str, name: str, /, *given: Any, **options: Any) -> Any:
    """A plugin from checked options: an `nn.Module` for a model with (inputs, outputs), `Data` for a dataset.

        data = expzoo.build("dataset", "mnist1d", num_samples=500)
        model = expzoo.build("model", "mlp", data.inputs, data.outputs, width=50)

    Raises:
        BadInput: there is no such plugin, an option is at fault, or what a model is given is missing.
    """
    wanted = registry.GIVEN.get(kind, ())
    if len(given) != len(wanted):
        words = {"inputs": "the shape of one example", "outputs": "the number of classes"}
        needs = " and ".join(f"{name} ({words[name]})" for name in wanted) or "options by name alone"
        example = f'build("{kind}", "{name}", {"(40,), 10" if wanted else "option=value"})'
        raise BadInput(f"build: a {kind} is given {needs}, not {len(given)} values: write {example}")
    made = registry.build(kind, name, *given, **options)
    return Data(made) if kind == "dataset" else made
