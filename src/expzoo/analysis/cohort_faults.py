"""Why networks cannot be looked at together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from expzoo.lab.trained import Trained
    from expzoo.spec.recipe import Step


def cohort_faults(networks: Sequence[Trained], step: Step | str, dtype: str | None) -> Iterator[str]:
    """Why these networks are no cohort."""
    if not networks:
        yield "a cohort needs at least one network"
    if dtype not in (None, "float32", "float64"):
        yield f"dtype {dtype!r} must be float32 or float64"
    for kind in ("model", "loss", "dtype"):
        found = {getattr(network.spec, kind) for network in networks}
        if len(found) > 1 and not (kind == "dtype" and dtype):
            yield f"a cohort has one {kind}, not {', '.join(sorted(map(str, found)))}"
    for network in networks:
        if network.spec.parametrisation and network.spec.parametrisation.build().maps:
            yield f"the rows of network {network.key[:12]} are not weights: it has a parametrisation"
        if not network.has_row(step):
            kept = ", ".join(map(str, [*sorted(network.network.rows), *network.network.events]))
            yield f"network {network.key[:12]} has no row at {step}, only at {kept}: ask for it in the Request"
