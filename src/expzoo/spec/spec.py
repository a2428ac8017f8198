"""The frozen spec of ONE network, the recipes it may refer to, its canonical JSON and its key.

The key names the trajectory: everything that changes what is trained is in it, and nothing that
only looks at it. Specs refer to other specs by recipes that are data, so a chain of pruning and
rewinding has keys before it is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypedDict, Unpack, cast

from expzoo.config import versions
from expzoo.config.registry import NOTHING
from expzoo.spec.component import Component
from expzoo.spec.recipe import FINAL, Keyed, Recipe, Step
from expzoo.system.canonical import JSON, Option

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from torch import nn

    from expzoo.spec.contracts import (
        Constraint,
        Dataset,
        Loss,
        Optimizer,
        Parametrisation,
        Schedule,
        Stop,
    )


@dataclass(frozen=True)
class Fresh(Recipe):
    """The module's own initialisation, seeded from the member; another `draw` is an independent re-initialisation."""

    draw: int = 0


@dataclass(frozen=True)
class Rewind(Recipe):
    """The weights that `of` had after `step` optimizer steps; 0 is its initialisation."""

    of: Spec
    step: Step = 0


@dataclass(frozen=True)
class Known(Recipe):
    """The weights that the model's `solve` knows for problem `name`, in these layers, () for all; the rest fresh."""

    name: str
    layers: tuple[int, ...] = ()


@dataclass(frozen=True)
class SignFlip(Recipe):
    """The weights of `of` at `step`, with the signs of `k` of them flipped, chosen by `seed`; biases keep theirs."""

    of: Spec
    k: int
    seed: int = 0
    step: Step = 0


@dataclass(frozen=True)
class Reordered(Recipe):
    """The weights of `of` at `step` with its hidden units in an order drawn by `seed`: the same function."""

    of: Spec
    seed: int = 0
    step: Step = FINAL


@dataclass(frozen=True)
class Average(Recipe):
    """The weighted mean of the weights that networks have at `step`, running statistics of layers among them.

    Two networks at the weights (1 - s, s) are a point on the line between them.
    """

    of: tuple[Spec, ...]
    weights: tuple[float, ...]
    step: Step = FINAL

    def __post_init__(self) -> None:
        if not self.of or len(self.of) != len(self.weights):
            raise ValueError(f"an average of {len(self.of)} networks has as many weights, not {len(self.weights)}")
        object.__setattr__(self, "weights", tuple(float(weight) for weight in self.weights))

    def kind(self) -> tuple[object, ...]:
        return type(self), self.weights, self.step


Scope = Literal["layer", "global"]


@dataclass(frozen=True)
class Magnitude(Recipe):
    """Removes the smallest weights of `of` at `step`, those its own mask removed first, up to this sparsity.

    `scope` says whether each tensor loses the same fraction or all compete; `biases` whether biases are pruned too.
    `last` is the sparsity of the last layer, where it is another; it needs the scope layer.
    """

    ADDED: ClassVar[tuple[str, ...]] = ("last",)

    of: Spec
    sparsity: float
    scope: Scope = "layer"
    biases: bool = True
    step: Step = FINAL
    last: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "sparsity", checked_sparsity(self.sparsity))
        if self.last is not None:
            if self.scope == "global":
                raise ValueError(f"a last layer of sparsity {self.last} needs the scope layer: in global all compete")
            object.__setattr__(self, "last", checked_sparsity(self.last))


@dataclass(frozen=True)
class RandomMask(Recipe):
    """Removes weights at random, up to this sparsity in each tensor; `within` another mask if the masks are nested."""

    sparsity: float
    draw: int = 0
    biases: bool = True
    within: RandomMask | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "sparsity", checked_sparsity(self.sparsity))
        if self.within and self.within.sparsity > self.sparsity:
            raise ValueError(f"a random mask of sparsity {self.sparsity} does not fit within {self.within.sparsity}")


@dataclass(frozen=True)
class Permuted(Recipe):
    """The mask `like` with its entries permuted at random within each tensor: the same densities, no structure."""

    like: Magnitude
    draw: int = 0


Init = Fresh | Rewind | Known | SignFlip | Average | Reordered
DType = Literal["float32", "float64"]
COMPONENTS = ("dataset", "model", "optimizer", "schedule", "loss", "stop")  # of which every spec has one
Mask = Magnitude | RandomMask | Permuted


def checked_sparsity(sparsity: float) -> float:
    """The sparsity as a float, so that 0 and 0.0 have one key; ValueError unless some weight remains."""
    if not 0 <= sparsity < 1:
        raise ValueError(f"sparsity {sparsity} must be at least 0 and less than 1: at 1 no weight is left")
    return float(sparsity) + 0.0


Options = Mapping[str, Option]


class Changes(TypedDict, total=False):
    """What can be changed of a spec besides its seed: options of a component change it, the rest is taken over."""

    dataset: Component[Dataset] | Options
    model: Component[nn.Module] | Options
    optimizer: Component[Optimizer] | Options
    schedule: Component[Schedule] | Options
    loss: Component[Loss] | Options
    stop: Component[Stop] | Options
    init: Init
    mask: Mask | None
    constraint: Component[Constraint] | Options | None
    parametrisation: Component[Parametrisation] | Options | None
    fixed: tuple[Init, ...]
    dtype: DType


class AllChanges(Changes, total=False):
    """What can be changed of a spec."""

    seed: int


@dataclass(frozen=True, kw_only=True)
class Spec(Keyed):
    """How one network is trained. Equal keys mean equal trajectories, bit for bit within a machine class.

    `fixed` are the rows that a parametrisation such as a curve is built on. What a spec does not
    have is not in its canonical form, so a new optional field leaves old keys as they are.
    """

    dataset: Component[Dataset]
    model: Component[nn.Module]
    optimizer: Component[Optimizer]
    schedule: Component[Schedule]
    loss: Component[Loss]
    stop: Component[Stop]
    seed: int
    init: Init = Fresh()
    mask: Mask | None = None
    constraint: Component[Constraint] | None = None
    parametrisation: Component[Parametrisation] | None = None
    fixed: tuple[Init, ...] = ()
    dtype: DType = "float32"

    @classmethod
    def from_config(cls, config: dict[str, JSON] | DictConfig, seed: int = 0) -> Self:
        """The spec that a config describes, as `expzoo.compose` gives it or plain and resolved."""
        plain: object = config
        if not isinstance(config, dict):
            from omegaconf import OmegaConf

            plain = OmegaConf.to_container(config, resolve=True)
        nodes = cast("dict[str, dict[str, Option]]", plain)
        kinds = [*COMPONENTS, *(kind for kind, nothing in NOTHING.items() if nodes[kind]["name"] != nothing)]
        parts: dict[str, Any] = {kind: Component.from_config(kind, nodes[kind]) for kind in kinds}
        return cls(seed=seed, **parts)

    def replace(self, **changes: Unpack[AllChanges]) -> Self:
        """The same spec with some fields changed; a dict for a component changes its options only."""
        whole = {
            name: getattr(self, name).replace(**value) if isinstance(value, dict) else value
            for name, value in changes.items()
        }
        return replace(self, **whole)

    def sources(self) -> list[tuple[Spec, Step]]:
        """The rows of other networks that must exist before this one can start."""
        return [(cast("Spec", of), step) for recipe in self._recipes() for of, step in recipe.sources()]

    def _recipes(self) -> list[Recipe]:
        return [self.init, *([self.mask] if self.mask else []), *self.fixed]

    def start(self) -> tuple[object, ...]:
        """How it starts, whatever networks it is made from: what is impossible for one is so for all that start so."""
        return tuple(recipe.kind() for recipe in self._recipes())

    def components(self) -> list[Component[object]]:
        """The plugins that it is made of, each with its options."""
        values = (getattr(self, field.name) for field in fields(self))
        return [value for value in values if isinstance(value, Component)]

    def canonical(self) -> dict[str, JSON]:
        """What is hashed: plain data with the recipes' specs as their keys."""
        content: dict[str, JSON] = {"engine": versions.ENGINE_VERSION, "seed": self.seed, "dtype": self.dtype}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (Component, Recipe)):
                content[field.name] = value.canonical()
        if self.fixed:
            content["fixed"] = [recipe.canonical() for recipe in self.fixed]
        return content

    def __repr__(self) -> str:
        return (
            f"<Spec {self.key[:12]}: {self.model.name} on {self.dataset.name}, {self.optimizer.name}, seed {self.seed}>"
        )

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and self.key == other.key
