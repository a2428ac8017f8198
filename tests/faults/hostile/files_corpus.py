"""Every change of a run that is tried."""

from __future__ import annotations

from tests.faults.hostile.files_media import ARRAYS, FIGURES, RECORDS
from tests.faults.hostile.files_place import (
    Change,
    damages,
)
from tests.faults.hostile.files_runs import CONFIGS, ENVIRONMENTS, FOLDERS, MANIFESTS, VERDICTS


def corpus() -> dict[str, Change]:
    """Every change of a run."""
    kinds = {
        "config": CONFIGS,
        "verdicts": VERDICTS,
        "records": RECORDS,
        "arrays": ARRAYS,
        "figures": FIGURES,
        "manifest": MANIFESTS,
        "environment": ENVIRONMENTS,
        "folder": FOLDERS,
    }
    return dict(damages()) | {f"{kind}: {name}": change for kind, own in kinds.items() for name, change in own.items()}
