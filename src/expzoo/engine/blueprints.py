"""What specs are built from: datasets, modules, layouts and plugins, made once for all who need them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from expzoo.components.soundness import split_faults
from expzoo.engine.layers.normalisation import hold_statistics
from expzoo.spec.component import Component, built
from expzoo.spec.layout import Layout, construct, drawn_buffer
from expzoo.system.cache import Recent
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from jaxtyping import Shaped

    from expzoo.spec.contracts import Dataset, Parametrisation
    from expzoo.spec.spec import Spec

KEPT_SPLITS = 128


class Blueprints:
    """The parts that specs name. What is kept here is what many members, or many looks at one, have in common."""

    def __init__(self, datasets: Callable[[Component[Dataset]], Dataset] | None = None) -> None:
        """`datasets` gives the dataset of a component, such as those of other blueprints: none is made twice."""
        self.dataset = datasets or cache(Component.build)
        self.plugin = cache(Component.build)
        self._layouts: dict[tuple[Component[nn.Module], Component[Dataset]], Layout] = {}
        self._splits: Recent[tuple[Component[Dataset], int, str], tuple[Tensor, Tensor]] = Recent(KEPT_SPLITS)
        self._evaluated: dict[tuple[Hashable, ...], tuple[nn.Module, Layout]] = {}

    def module(self, spec: Spec, seed: int = 0) -> nn.Module:
        """The module of a spec, initialised from this seed; ValueError if the model does not fit the data."""
        return construct(lambda: self._built(spec), seed, getattr(torch, spec.dtype))

    def _built(self, spec: Spec) -> nn.Module:
        return built(spec.model, self.dataset(spec.dataset), spec.seed)

    def shared(self, spec: Spec) -> nn.Module:
        """The module whose buffers and structure all members of a population share; BadInput if they cannot."""
        module = self.module(spec)
        refuse_drawn(spec, module, lambda: self.module(spec, 1))
        return module

    def evaluated(self, spec: Spec, dtype: torch.dtype) -> tuple[nn.Module, Layout]:
        """The one module of the spec's model that is kept, with any weights, in evaluation mode; and its layout."""
        dataset = self.dataset(spec.dataset)
        identity = (spec.model, dataset.inputs, dataset.outputs, dtype)
        if identity not in self._evaluated:
            module = construct(lambda: self._built(spec), 0, dtype)
            self._evaluated[identity] = hold_statistics(module).eval(), Layout.of(module)
        return self._evaluated[identity]

    def layout(self, spec: Spec) -> Layout:
        """Where the parameters of the spec's module lie in a row; BadInput if it is no module for rows."""
        identity = (spec.model, spec.dataset)
        if identity not in self._layouts:
            self._layouts[identity] = layout_of(spec, self.module(spec))
        return self._layouts[identity]

    def parametrisation(self, spec: Spec) -> Parametrisation | None:
        """The spec's parametrisation, None if what is trained is what is evaluated."""
        return self.plugin(spec.parametrisation) if spec.parametrisation else None

    def maps(self, spec: Spec) -> bool:
        """Whether what is trained is not what is evaluated."""
        parametrisation = self.parametrisation(spec)
        return parametrisation is not None and parametrisation.maps

    def row_size(self, spec: Spec) -> int:
        """The length of a trained row of the spec."""
        parametrisation, layout = self.parametrisation(spec), self.layout(spec)
        return parametrisation.size(layout) if parametrisation and parametrisation.maps else layout.size

    def split(self, spec: Spec, name: str) -> tuple[Shaped[Tensor, "n ..."], Shaped[Tensor, "n ..."]]:
        """The examples x and y of a split as the network sees them; ValueError if the dataset has none of this name.

        BadInput if they hold what `split_faults` says.
        """
        dataset = self.dataset(spec.dataset)

        def make() -> tuple[Tensor, Tensor]:
            split = dataset.split(name, spec.seed)
            if faults := list(split_faults(name, split.x, split.y, dataset.outputs)):
                raise BadInput("\n".join(f"dataset={spec.dataset.name}: {fault}" for fault in faults))
            return torch.tensor(split.x), torch.tensor(split.y)

        return self._splits.get((spec.dataset, dataset.identity(spec.seed), name), make)


def refuse_drawn(spec: Spec, module: nn.Module, make_another: Callable[[], nn.Module]) -> None:
    """BadInput if a module of another seed differs in what is no parameter, which all members share."""
    if drawn := drawn_buffer(module, make_another):
        why = f"its tensor {drawn} is drawn at random, but what is no parameter is one for all members"
        raise BadInput(f"model={spec.model.name}: {why}; make it a parameter with parametrisation=frozen")


def layout_of(spec: Spec, module: nn.Module) -> Layout:
    """Where the parameters of the spec's module lie in a row; BadInput if it is no module for rows."""
    try:
        return Layout.of(module)
    except ValueError as error:
        raise BadInput(f"model={spec.model.name}: {error}") from error
