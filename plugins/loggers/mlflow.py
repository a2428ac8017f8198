"""MLflow, by Lightning's logger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from expzoo.plugin import register, trackers

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl


@register
class Mlflow:
    """Gives a finished run to MLflow: means and intervals by step, the config, the verdicts' numbers.

    Args:
        uri: where runs are tracked: a server's address, or a file such as sqlite:///outputs/mlflow.db.
    """

    CACHE_VERSION = 1
    PACKAGES = (("mlflow", "pip install 'expzoo[mlflow]'"),)

    def __init__(self, *, uri: str = "sqlite:///mlflow.db") -> None:
        self.uri = uri

    def log(self, directory: Path, about: dict[str, Any], summary: pl.DataFrame) -> str:
        """One run of the experiment of this name, which is called as the run id."""
        from pytorch_lightning.loggers import MLFlowLogger

        logger = MLFlowLogger(about["experiment"], run_name=about["run"], tracking_uri=self.uri)
        trackers.hand_over(logger, about, summary)
        return f"MLflow: mlflow ui --backend-store-uri {self.uri}"
