"""Whether a network of a contrast can be trained and looked at: all that can be known before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from expzoo.components.feasibility import loss_faults, model_faults
from expzoo.config import registry
from expzoo.engine.blueprints import Blueprints
from expzoo.engine.recipes import Recipes
from expzoo.spec.recipe import FINAL
from expzoo.spec.score import nature, reads
from expzoo.spec.spec import COMPONENTS, Known, Spec
from expzoo.system.errors import BadInput, Unfit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from expzoo.analysis.studies.contrast.looks import Look
    from expzoo.spec.component import Component
    from expzoo.spec.contracts import Dataset


@dataclass
class Possible:
    """What was found so far: each combination of components is tried once, however many cells have it."""

    datasets: dict[Component[Dataset], Dataset] = field(default_factory=dict)
    tried: dict[tuple[Any, ...], list[str]] = field(default_factory=dict)

    def check_model(self, spec: Spec) -> None:
        """Unfit if the model of a network reads data of another sort."""
        try:
            fits = reads(spec.model.name, spec.dataset)
        except BadInput:  # the data themselves cannot be, which `faults` says
            return
        if not fits:
            sorts = " or ".join(registry.load("model", spec.model.name).READS)
            raise Unfit(f"model={spec.model.name} reads {sorts} inputs, not {nature(spec.dataset).inputs}")

    def faults(self, spec: Spec) -> list[str]:
        """Why a network cannot be trained, one line each."""
        return self._unbuilt(spec) or [*self._unstarted(spec)]

    def _unbuilt(self, spec: Spec) -> list[str]:
        parts = tuple(getattr(spec, kind) for kind in (*COMPONENTS, *registry.NOTHING))
        if parts not in self.tried:
            self.tried[parts] = []
            try:
                data = self._built(spec.dataset)
                for part in filter(None, parts):
                    if part.kind not in ("dataset", "model"):
                        part.build()
                self.tried[parts] = model_faults(spec, data) or loss_faults(spec, data)
            except BadInput as error:
                self.tried[parts] = str(error).splitlines()
        return self.tried[parts]

    def _unstarted(self, spec: Spec) -> Iterator[str]:
        """Why it cannot start from other networks."""
        mine = (spec.model, self._shape(spec), spec.parametrisation)
        for source, step in spec.sources():
            if (source.model, self._shape(source), source.parametrisation) != mine:
                yield "is made from a network of another shape: its model, data and parametrisation must be the same"
            elif step != FINAL and isinstance(step, int) and step > (last := source.stop.shared.at_most):
                yield f"is made from step {step} of a network that is trained for {last} steps"
        if isinstance(spec.init, Known):
            try:
                Recipes(Blueprints(self._built)).initial_row(spec, {})
            except ValueError as error:
                yield str(error)

    def unseen(self, look: Look, spec: Spec) -> list[str]:
        """Why a network cannot be looked at."""
        faults, total = [], spec.stop.shared.at_most
        if look.when == "step" and look.place > total:
            faults.append(f"{look.text!r} lies beyond the end of the training, {total} steps")
        splits = [look.split, look.chooses[1], *["validation"] * look.calibrated]
        for split in dict.fromkeys(filter(None, splits)):
            try:
                self._built(spec.dataset).split(split, spec.seed)
            except (ValueError, KeyError, NotImplementedError) as error:
                faults.append(f"{look.text!r} needs the split {split}: {str(error).strip(chr(39))}")
        return faults

    def _built(self, dataset: Component[Dataset]) -> Dataset:
        if dataset not in self.datasets:
            self.datasets[dataset] = dataset.build()
        return self.datasets[dataset]

    def _shape(self, spec: Spec) -> tuple[Any, ...]:
        data = self._built(spec.dataset)
        return tuple(data.inputs), data.outputs
