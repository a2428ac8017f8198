"""A registered thing with all its options, as it stands in a spec and in a network's key."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from expzoo.config import registry
from expzoo.system.canonical import freeze

Plain = None | bool | int | float | str | tuple["Plain", ...]


@dataclass(frozen=True)
class Component:
    """A registered thing with all its options, defaults included: what the config holds at one node."""

    kind: str
    name: str
    options: tuple[tuple[str, Plain], ...] = ()

    @classmethod
    def of(cls, kind: str, name: str, /, **options: Any) -> Self:
        """The component `name` of this kind with these options, defaults for the rest; BadInput if refused."""
        complete = registry.complete(kind, name, options)
        return cls(kind, name, tuple(sorted((key, freeze(value)) for key, value in complete.items())))

    @classmethod
    def from_config(cls, kind: str, node: dict[str, Any]) -> Self:
        """The component of a config node, whose `name` says which it is."""
        return cls.of(kind, node["name"], **{key: value for key, value in node.items() if key != "name"})

    def __getitem__(self, option: str) -> Any:
        return dict(self.options)[option]

    def replace(self, **options: Any) -> Self:
        """The same component with some options changed."""
        return type(self).of(self.kind, self.name, **(dict(self.options) | options))

    def build(self, *given: Any) -> Any:
        """The plugin's object; `given` are the arguments that come from the framework."""
        return registry.build(self.kind, self.name, *given, **dict(self.options))

    def canonical(self) -> dict[str, Any]:
        """What the key sees: the plugin's version, and the options that change what is trained.

        One that the plugin gained later is left out at its default, so that networks of before keep their keys.
        """
        declared = registry.declared(self.kind, self.name)
        before = {key: freeze(declared.options[key].default) for key in declared.added}
        options = {
            key: value
            for key, value in self.options
            if key not in declared.not_in_key and not (key in before and before[key] == value)
        }
        return {"name": self.name, "version": declared.version, "options": options}

    @cached_property
    def looking(self) -> dict[str, Any]:
        """The options the key does not see, such as the size of a test set."""
        declared = registry.declared(self.kind, self.name)
        return {key: value for key, value in self.options if key in declared.not_in_key}
