"""A registered thing with all its options, as it stands in a spec and in a network's key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, Literal, Self, TypeVar, overload

from expzoo.config import registry, sources
from expzoo.system.canonical import JSON, Option, Plain, freeze

if TYPE_CHECKING:
    from torch import nn

    from expzoo.spec.contracts import (
        Constraint,
        Dataset,
        Loss,
        Optimizer,
        Parametrisation,
        Schedule,
        Stop,
        Stream,
    )

Built = TypeVar("Built", covariant=True)
Value = TypeVar("Value")


@dataclass(frozen=True)
class Component(Generic[Built]):
    """A registered thing with all its options, defaults included: what the config holds at one node."""

    kind: str
    name: str
    options: tuple[tuple[str, Plain], ...] = ()

    @overload
    @classmethod
    def of(cls, kind: Literal["dataset"], name: str, /, **options: Option) -> Component[Dataset]: ...
    @overload
    @classmethod
    def of(cls, kind: Literal["model"], name: str, /, **options: Option) -> Component[nn.Module]: ...
    @overload
    @classmethod
    def of(cls, kind: Literal["optimizer"], name: str, /, **options: Option) -> Component[Optimizer]: ...
    @overload
    @classmethod
    def of(cls, kind: Literal["schedule"], name: str, /, **options: Option) -> Component[Schedule]: ...
    @overload
    @classmethod
    def of(cls, kind: Literal["loss"], name: str, /, **options: Option) -> Component[Loss]: ...
    @overload
    @classmethod
    def of(cls, kind: Literal["stop"], name: str, /, **options: Option) -> Component[Stop]: ...
    @overload
    @classmethod
    def of(cls, kind: Literal["constraint"], name: str, /, **options: Option) -> Component[Constraint]: ...
    @overload
    @classmethod
    def of(cls, kind: Literal["parametrisation"], name: str, /, **options: Option) -> Component[Parametrisation]: ...
    @overload
    @classmethod
    def of(cls, kind: str, name: str, /, **options: Option) -> Self: ...
    @classmethod
    def of(cls, kind: str, name: str, /, **options: Option) -> Component[object]:
        """The component `name` of this kind with these options, defaults for the rest; BadInput if refused."""
        complete = registry.complete(kind, name, options)
        return cls(kind, name, tuple(sorted((key, freeze(value)) for key, value in complete.items())))

    @classmethod
    def from_config(cls, kind: str, node: Mapping[str, Option]) -> Self:
        """The component of a config node, whose `name` says which it is."""
        return cls.of(kind, str(node["name"]), **{key: value for key, value in node.items() if key != "name"})

    def __getitem__(self, option: str) -> Plain:
        return dict(self.options)[option]

    def option(self, name: str, kind: type[Value]) -> Value:
        """The option `name`, known to be of this type, such as `optimizer.option("lr", float)`; TypeError if not."""
        value = self[name]
        if not isinstance(value, kind):
            raise TypeError(f"{self.kind}={self.name} has {name}={value!r}, not {kind.__name__}")
        return value

    def replace(self, **options: Option) -> Self:
        """The same component with some options changed."""
        return type(self).of(self.kind, self.name, **(dict(self.options) | options))

    def build(self, *given: object) -> Built:
        """The plugin's object; `given` are the arguments that come from the framework."""
        return self._maker(*given)

    @cached_property
    def _maker(self) -> Callable[..., Built]:
        return registry.maker(self.kind, self.name, dict(self.options))

    @cached_property
    def shared(self) -> Built:
        """The plugin's object, made once for all who only read it, such as when training ends."""
        return self.build()

    def canonical(self) -> dict[str, JSON]:
        """What the key sees: the plugin's version, and the options that change what is trained.

        One that the plugin gained later is left out at its default, so that networks of before keep their keys.
        A plugin of somebody else that declares no version has its source here.
        """
        return {"name": self.name, **self._seen}

    @cached_property
    def _seen(self) -> dict[str, JSON]:
        declared = registry.declared(self.kind, self.name)  # which looks whether files have changed
        before = {key: freeze(declared.options[key].default) for key in declared.added}
        options = {
            key: value
            for key, value in self.options
            if key not in declared.not_in_key and not (key in before and before[key] == value)
        }
        content: dict[str, JSON] = {"version": declared.version, "options": options}
        if source := sources.in_key(self.kind, self.name, tuple(options.values())):
            content["source"] = source
        return content

    @cached_property
    def looking(self) -> dict[str, Plain]:
        """The options the key does not see, such as the size of a test set."""
        declared = registry.declared(self.kind, self.name)
        return {key: value for key, value in self.options if key in declared.not_in_key}


def built(model: Component[nn.Module], dataset: Dataset | Stream, seed: int) -> nn.Module:
    """The module of a model for a dataset, drawn from torch's generator; a ValueError of its own if it refuses.

    Its lazy layers get their shapes and first values by one forward, in evaluation mode, on two training
    examples of the member with this seed.
    """
    import torch

    from expzoo.spec.modules import settled

    module = model.build(dataset.inputs, dataset.outputs)
    return settled(module, lambda: torch.tensor(dataset.split("train", seed).x[:2]))
