"""Before parts that are not the package's own are used: their data are looked at, and their adoption is proved, once.

The package's own plugins are proved by its tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from expzoo.config import registry
from expzoo.config.homes import OWN, homes
from expzoo.config.sources import there_are_others
from expzoo.config.versions import ENGINE_VERSION
from expzoo.engine.adoption.fault import Unseen
from expzoo.engine.adoption.looks import look_at_metric
from expzoo.engine.adoption.parts import LOOKS, look_at_part
from expzoo.engine.adoption.probing import look_at_probe
from expzoo.engine.adoption.proof import VERSION, prove
from expzoo.lab.pinned import say_changes
from expzoo.spec.measure import Measure
from expzoo.store import proofs
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from expzoo.engine.adoption.fault import Fault
    from expzoo.engine.blueprints import Blueprints
    from expzoo.lab.request import Want
    from expzoo.spec.component import Component
    from expzoo.spec.spec import Spec
    from expzoo.system.canonical import JSON


class Adoption:
    """What the store at `root` knows to be trained and measured as it is written, and the proof of the rest."""

    def __init__(self, root: Path, blueprints: Blueprints) -> None:
        self.root, self.blueprints = root, blueprints
        self._found: dict[tuple[object, ...], tuple[str, ...]] = {}  # faults of what was looked at by this process
        self._is_own = cache(registry.is_own)

    def require_trainable(self, wants: Iterable[Want]) -> None:
        """BadInput, with every fault, if data are not sound or a part would be used as something else than it says."""
        faults: list[str] = []
        for want in wants:
            spec = want.spec
            if not self._is_own("dataset", spec.dataset.name):
                faults += self._faults_of_data(want)
            for part in spec.components():
                if part.kind in LOOKS and not self._is_own(part.kind, part.name):
                    faults += self._proved(spec, (part,), partial(look_at_part, part, spec, self.blueprints))
            if not (self._is_own("model", spec.model.name) and self._is_own("loss", spec.loss.name)):
                faults += self._proved(spec, (spec.model, spec.loss), partial(prove, spec, self.blueprints))
        _raise(faults)

    def require_measurable(self, wants: Iterable[Want]) -> None:
        """BadInput, with every fault, if a metric or probe writes into what it sees, or is no function of it."""
        faults: list[str] = []
        for want in wants:
            for plugin in _measuring(want):
                if not self._is_own(plugin.kind, plugin.name):
                    look = {"metric": look_at_metric, "probe": look_at_probe}[plugin.kind]
                    faults += self._proved(want.spec, (plugin,), partial(look, plugin, want.spec, self.blueprints))
        _raise(faults)

    def say_changed_sources(self, wants: Iterable[Want]) -> None:
        """A line for each part whose source is another than this store saw, while its declared version is the same."""
        if there_are_others():
            parts = (part for want in wants for part in (*want.spec.components(), *_measuring(want)))
            say_changes(self.root, {(part.kind, part.name) for part in parts})

    def _once(self, key: tuple[object, ...], look: Callable[[], Iterable[str]]) -> tuple[str, ...]:
        """The faults that a look finds, which is taken once."""
        if key not in self._found:
            try:
                self._found[key] = tuple(look())
            except BadInput as error:
                self._found[key] = tuple(str(error).splitlines())
        return self._found[key]

    def _faults_of_data(self, want: Want) -> Iterator[str]:
        spec = want.spec
        for name in sorted({"train"} | want.splits()):
            key = (spec.dataset, self.blueprints.dataset(spec.dataset).identity(spec.seed), name)
            yield from self._once(key, partial(self._faults_of_split, spec, name))

    def _faults_of_split(self, spec: Spec, name: str) -> Iterable[str]:
        self.blueprints.split(spec, name)
        return ()

    def _proved(
        self, spec: Spec, parts: tuple[Component[Any], ...], proof: Callable[[], Fault | None]
    ) -> tuple[str, ...]:
        """What is wrong with these parts on data of the kind that the spec has, if that is not known to be nothing."""

        def look() -> Iterator[str]:
            content = self._content(spec, parts)
            if proofs.is_kept(self.root, **content):
                return
            with suppress(Unseen):  # and nothing is noted
                if fault := proof():
                    yield str(fault)
                else:
                    proofs.keep(self.root, **content)

        return self._once((*parts, spec.dataset, spec.dtype), look)

    def _content(self, spec: Spec, parts: tuple[Component[Any], ...]) -> dict[str, JSON]:
        """All that a proof depends on."""
        dataset = self.blueprints.dataset(spec.dataset)
        split = dataset.split("train", spec.seed)
        kind = (tuple(dataset.inputs), dataset.outputs, split.x.dtype.str, split.y.dtype.str, tuple(split.y.shape[1:]))
        return {
            "proof": VERSION,
            "engine": ENGINE_VERSION,
            "torch": torch.__version__,
            "data": (*kind, spec.dtype),
            "parts": [[part.kind, part.name, part.options, _all_sources(part.kind, part.name)] for part in parts],
        }


def _all_sources(kind: str, name: str) -> str:
    """The sha256 of a plugin's file and of what it may import of its own home: helpers, and plugins of its kind."""
    file = registry.path(kind, name)
    found_in = ((home.owner, home.plugins) for home in homes() if home.plugins)
    owner, plugins = next((owner, folder) for owner, folder in found_in if file.is_relative_to(folder))
    is_in_package = owner != OWN and (plugins.parent / "__init__.py").exists()
    root = plugins.parent if is_in_package else plugins
    others = {plugins / folder for other, folder in registry.FOLDERS.items() if other != kind}
    files = [path for path in sorted(root.rglob("*.py")) if path.parent not in others or path.name.startswith("_")]
    found = hashlib.sha256()
    for path in files:
        found.update(f"{path.relative_to(root)}\0".encode())
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _measuring(want: Want) -> Iterator[Component[Any]]:
    """The metrics and probes that somebody looks at, the stop rule included."""
    stop = want.spec.stop.shared
    asked = {*want.measures, *(Measure(event.metric, event.split) for event in want.events)}
    for measure in asked | ({Measure(*stop.watches)} if stop.every else set()):
        if measure.plugin is not None:
            yield measure.plugin


def _raise(faults: list[str]) -> None:
    if faults:
        raise BadInput("\n".join(dict.fromkeys(faults)))
