"""The one reader of YAML: plain data from text that anybody may have written, within limits.

What is too large is refused before it is built: an alias counts as all that it stands for, so a few
lines cannot become a million values.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode

from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map", "merge")}
_NUMBERS = {f"tag:yaml.org,2002:{name}" for name in ("int", "float")}
_LONGEST_NUMBER = 400  # characters: a float in full has at most 309 before its point
_EXPONENT = re.compile(r"^[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)$|^[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][0-9]+)$")


@dataclass(frozen=True)
class Limits:
    """How much one text may hold: bytes, levels of nesting, and values as they are once aliases are written out."""

    bytes: int = 2**20
    depth: int = 50
    values: int = 100_000


LIMITS = Limits()


def read(file: Path, *, limits: Limits = LIMITS, exponents: bool = False) -> object:
    """What a file holds, as `load`; BadInput names the file, OSError if there is none."""
    return load(text_of(file, limits=limits), source=str(file), limits=limits, exponents=exponents)


def text_of(file: Path, *, source: str = "", limits: Limits = LIMITS) -> str:
    """The text of a file of at most `limits.bytes`, without its byte order mark; BadInput if it is not UTF-8.

    `source` is what an error calls the file, its path if that is left out.
    """
    name = source or str(file)
    if file.exists() and not file.is_file():  # reading a pipe or a device might never end
        raise BadInput(f"{name}: it is no file")
    with file.open("rb") as stream:
        raw = stream.read(limits.bytes + 1)
    if len(raw) > limits.bytes:
        raise BadInput(f"{name}: it has more than {limits.bytes:,} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}: byte {error.start} is not UTF-8: save it as UTF-8") from None


def load(text: str, *, source: str, limits: Limits = LIMITS, exponents: bool = False) -> object:
    """Null, true and false, numbers, texts, lists and mappings; None of an empty text.

    Args:
        text: one document; a byte order mark is skipped.
        source: what an error calls it, such as the name of the file.
        limits: of the text.
        exponents: whether 1e-3 is a number, as in what is typed for Hydra; YAML 1.1, which is what
            `yaml.safe_dump` writes, has it as a text.

    Raises:
        BadInput: "source:line: why" in one line, if it is no YAML, says a key twice, has tags of
            other types than these, holds itself, or is larger than the limits.
    """
    if len(text) > limits.bytes:  # a character has at least one byte
        raise BadInput(f"{source}: it has more than {limits.bytes:,} bytes")
    with _told(source):
        reader = (_Typed if exponents else _Written)(text.removeprefix("\ufeff"))
        reader.limits = limits
        return reader.get_single_data()


@contextmanager
def _told(source: str) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark else source
        said = str(error.problem or error.context).removeprefix("but ")
        raise BadInput(f"{where}: {' '.join(said.split())}") from None
    except yaml.reader.ReaderError as error:
        raise BadInput(f"{source}: character {error.position} (U+{int(error.character):04X}) is not allowed") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput(f"{source}: {' '.join(str(error).split())}") from None


class _Written(yaml.SafeLoader):
    """PyYAML's safe loader, which counts while it reads; dates are texts, as JSON and OmegaConf have them."""

    limits: Limits = LIMITS

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth, self._values = 0, 0
        self._open: set[str] = set()
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """Called by PyYAML for every node, and for every alias in its place."""
        event: Any = self.peek_event()
        if self._depth >= self.limits.depth:
            self._refuse(f"more than {self.limits.depth} levels of nesting", event)
        if self.check_event(yaml.AliasEvent):
            if event.anchor in self._open:
                self._refuse(f"&{event.anchor} holds itself", event)
            node: Any = super().compose_node(parent, index)
            self._count(self._sizes[id(node)], event)
            return node
        before = self._values
        self._count(1, event)
        self._open.add(event.anchor)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        self._open.discard(event.anchor)
        self._sizes[id(node)] = self._values - before
        return self._checked(node, event)

    def _checked(self, node: Any, event: Any) -> Node:
        if node.tag not in _TAGS:
            self._refuse(f"{event.tag or node.tag} is no type that is read here: leave the tag away", event)
        if isinstance(node, ScalarNode) and node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
            self._refuse(f"a number of more than {_LONGEST_NUMBER} characters", event)
        return node

    def _count(self, values: int, event: Any) -> None:
        self._values += values
        if self._values > self.limits.values:
            self._refuse(f"more than {self.limits.values:,} values, as aliases are written out", event)

    def _refuse(self, why: str, event: Any) -> None:
        raise yaml.MarkedYAMLError(problem=why, problem_mark=event.start_mark)

    def construct_object(self, node: Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - as PyYAML calls it
        """Called by PyYAML."""
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as error:  # !!int of what is no number
            raise yaml.MarkedYAMLError(problem=str(error), problem_mark=node.start_mark) from None

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - as PyYAML calls it
        """Called by PyYAML. Of a key that is said twice one value would silently be lost."""
        seen = set[str]()
        for key, _ in node.value:
            if isinstance(key, CollectionNode):
                raise yaml.MarkedYAMLError(problem="a key has to be one word", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} is said twice", problem_mark=key.start_mark)
            if key.tag != "tag:yaml.org,2002:merge":
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


class _Typed(_Written):
    """The same, with the numbers that Hydra reads."""


_Written.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if not tag.endswith(":timestamp")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Typed.yaml_implicit_resolvers = {first: list(rules) for first, rules in _Written.yaml_implicit_resolvers.items()}
_Typed.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))
