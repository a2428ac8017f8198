"""TensorBoard, by Lightning's logger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from expzoo.plugin import register, trackers

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl


@register
class Tensorboard:
    """Writes a finished run for TensorBoard: means and intervals by step, the config, the verdicts' numbers.

    Args:
        folder: the folder of all runs, for `tensorboard --logdir`; relative to where the command is typed.
    """

    CACHE_VERSION = 1
    PACKAGES = (("tensorboard", "pip install 'expzoo[tensorboard]'"),)

    def __init__(self, *, folder: str = "outputs/tensorboard") -> None:
        self.folder = folder

    def log(self, directory: Path, about: dict[str, Any], summary: pl.DataFrame) -> str:
        """One folder a run, called as its experiment and run id."""
        from pytorch_lightning.loggers import TensorBoardLogger

        logger = TensorBoardLogger(self.folder, name=about["experiment"], version=about["run"])
        trackers.hand_over(logger, about, summary)
        return f"TensorBoard: tensorboard --logdir {self.folder}"
