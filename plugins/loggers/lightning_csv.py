"""The CSV files of Lightning's logger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from expzoo.plugin import register, trackers

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl


@register
class LightningCsv:
    """Writes `metrics.csv` and `hparams.yaml` as Lightning's CSVLogger does: one row a step, one column a line.

    Args:
        folder: the folder of all runs, relative to where the command is typed.
    """

    CACHE_VERSION = 1

    def __init__(self, *, folder: str = "outputs/lightning_csv") -> None:
        self.folder = folder

    def log(self, directory: Path, about: dict[str, Any], summary: pl.DataFrame) -> None:
        """One folder a run, called as its experiment and run id."""
        import shutil
        from pathlib import Path

        from pytorch_lightning.loggers import CSVLogger

        shutil.rmtree(Path(self.folder) / about["experiment"] / about["run"], ignore_errors=True)  # of an earlier try
        trackers.hand_over(CSVLogger(self.folder, name=about["experiment"], version=about["run"]), about, summary)
