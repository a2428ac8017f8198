"""What a search goes by: one number of a finished run."""

from __future__ import annotations

from pathlib import Path

from expzoo.science.verdicts import read_verdicts
from expzoo.store import run_directory
from expzoo.system.errors import BadInput, nearest


def value(directory: Path, name: str) -> float:
    """The mean over seeds of `metric/split` at the end of training, or of `arm/metric/split`; or the effect of a claim.

    NaN if a network diverged. BadInput, with what there is, if the run did not measure it.
    """
    import polars as pl

    from expzoo.store import records

    claims = {verdict.claim: verdict.effect for verdict in read_verdicts(directory / run_directory.VERDICTS)}
    if name in claims:
        return claims[name]
    table = records.read(directory / run_directory.RECORDS)
    ends = table.filter(pl.col("end")) if "end" in table.columns else table
    short, long = pl.format("{}/{}", "metric", "split"), pl.format("{}/{}/{}", "arm", "metric", "split")
    named = ends.with_columns(short.alias("short"), long.alias("long"))
    own = named.filter((pl.col("short") == name) | (pl.col("long") == name))
    if own.is_empty():
        known = {*named["short"], *named["long"], *claims}
        raise BadInput(f"hydra.sweeper.objectives: the runs measure no {name}; {nearest(name, known)}")
    if own["arm"].n_unique() > 1:
        raise BadInput(f"hydra.sweeper.objectives: {name} is measured of several arms; say arm/{name}")
    return float(own["value"].mean())  # type: ignore[arg-type]
