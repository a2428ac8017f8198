"""The two pictures of a network of a finished run: the loss along its way, and in random directions around it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.analysis.studies import surfaces
from expzoo.config.plugin_errors import plugins_are_blamed
from expzoo.lab import learned
from expzoo.lab.open import open_lab
from expzoo.lab.request import Request
from expzoo.report.figures import save_all
from expzoo.runs.plan import plan
from expzoo.spec.contracts import Stream
from expzoo.store import run_directory
from expzoo.system.errors import BadInput
from expzoo.system.untrusted import quoted

if TYPE_CHECKING:
    from expzoo.lab.lab import Lab
    from expzoo.spec.spec import Spec

FOLDER = "surfaces"
CHECKPOINTS, POINTS = 41, 31
LISTED = 5  # keys, in the answer to one that there is not


@plugins_are_blamed()
def draw(directory: Path, config: dict[str, Any], key: str = "") -> list[str]:
    """Write both pictures of a network into the run's directory; what they show, and their files.

    It is the network whose key begins with `key`, among those that the run's analyses ask for first,
    by default the first of them. Its checkpoints are taken from the store, or it is trained again.
    BadInput if there is no such network, or several.
    """
    lab = open_lab(config)
    try:
        spec = _chosen(list(dict.fromkeys(_asked(lab, directory, config))), key)
        steps = surfaces.spaced(spec.stop.shared.at_most, CHECKPOINTS)
        [network] = lab.train(Request((spec,), (), steps=steps))
    finally:
        lab.close()
    split = "test" if isinstance(network.datasets(spec.dataset), Stream) else "train"
    rows = surfaces.checkpoints(network, steps)
    name = f"network {network.key[:12]}"
    way, around = (
        surfaces.along_trajectory(network, rows, POINTS, split),
        surfaces.at_random(network, POINTS, split=split),
    )
    pictures = [
        surfaces.picture(way, surfaces.TRAJECTORY, f"The way of {name}", split),
        surfaces.picture(around, surfaces.RANDOM, f"Around {name}", split),
    ]
    share = f"{100 * sum(way.shares):.1f} % of the variance of {len(rows)} checkpoints"
    files = save_all(pictures, directory / FOLDER / network.key[:12])
    return [f"{name}: the plane of its way holds {share}", *map(str, files)]


def _asked(lab: Lab, directory: Path, config: dict[str, Any]) -> Iterator[Spec]:
    """The networks of weights that the analyses of a run ask for first, and those that they are made from."""
    names = learned.wholes(config, lab.store, run_directory.require(directory).get("learned"))
    planned = plan(learned.resolved(config, names), lab.resources.blueprints.dataset)
    for asking in planned.begin().values():
        asked = next(asking, None)
        specs = [spec for part in asked.parts() for spec in part.specs] if isinstance(asked, Request) else []
        for spec in specs:
            yield from (one for one in (spec, *(source for source, _ in spec.sources())) if not _maps(one))


def _maps(spec: Spec) -> bool:
    """Whether what is trained are no weights, but such as the bend of a curve."""
    return spec.parametrisation is not None and spec.parametrisation.build().maps


def _chosen(specs: list[Spec], key: str) -> Spec:
    found = [spec for spec in specs if spec.key.startswith(key)]
    if not specs:
        raise BadInput("this run asks first for no network that has weights: there is no surface to draw")
    if not found or (key and len(found) > 1):
        some = ", ".join(spec.key[:12] for spec in (found or specs)[:LISTED])
        told = "several networks" if found else f"no network of the {len(specs)} that this run asks for first"
        raise BadInput(f"the key of {told} begins with {quoted(key)}: give the start of one, such as {some}")
    return found[0]
