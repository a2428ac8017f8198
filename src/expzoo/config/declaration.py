"""What a plugin file says about itself, read from its syntax tree: nothing of the file is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from expzoo.config.options import REQUIRED, VOCABULARY, Option, convert
from expzoo.system.errors import BadInput

_RESERVED = frozenset({"name", "defaults"})  # the name of the plugin, and Hydra's list


@dataclass(frozen=True)
class Declaration:
    """The class of a plugin file, the options of its constructor, and its other literal promises.

    `added` are options that the plugin gained: at their default, which is what was before, they are
    in no key. `version` is its CACHE_VERSION; `rules_version` that of an analysis's decision rules.
    `packages` are what it imports besides expzoo's own requirements, each with how it is installed.
    `says` has what its class says in capitals, if that is literal, such as NEEDS; `inherits` is
    whether it may say more by the class that it is made of.
    """

    class_name: str
    options: dict[str, Option]
    version: int
    rules_version: int
    not_in_key: tuple[str, ...]
    added: tuple[str, ...]
    says: dict[str, Any]
    inherits: bool
    doc: str
    packages: tuple[tuple[str, str], ...] = ()

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return self.doc.partition("\n")[0]

    def explanations(self) -> dict[str, str]:
        """What the section `Args:` of the docstring says about each option."""
        found: dict[str, str] = {}
        name = ""
        for line in self.doc.partition("\nArgs:\n")[2].splitlines():
            if not line.startswith("    "):
                break
            if entry := re.match(r"    (\w+)[^:]*: (.*)", line):
                name = entry[1]
                found[name] = entry[2]
            elif name:
                found[name] += f" {line.strip()}"
        return found


@cache
def read(file: Path, given: tuple[str, ...] = ()) -> Declaration:
    """What `file` declares; `given` are the positional parameters its constructor must have besides `self`.

    Raises BadInput "file:line: why" if the file cannot be parsed, or is not one registered class
    with a keyword-only annotated constructor and literal defaults that their annotations allow.
    """
    try:
        tree = ast.parse(file.read_bytes(), file)
    except SyntaxError as error:
        raise BadInput(f"{file}:{error.lineno or 1}: {error.msg}") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{file}:1: {error}") from None
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and _registered(node)]
    if len(classes) != 1:
        _refuse(file, tree, f"a plugin file has one class with @register, not {len(classes)}")
    options = _options(file, classes[0], given)
    version, rules = (_version(file, classes[0], promise) for promise in ("CACHE_VERSION", "RULES_VERSION"))
    not_in_key, added = (_names(file, classes[0], promise, options) for promise in ("NOT_IN_KEY", "ADDED"))
    if without := [name for name in added if options[name].default == REQUIRED]:
        _refuse(file, classes[0], f"ADDED has {', '.join(without)}, without a default that is what was before")
    doc = ast.get_docstring(classes[0]) or ""
    says, inherits = dict(_said(classes[0])), bool(classes[0].bases)
    packages = _packages(file, classes[0])
    return Declaration(classes[0].name, options, version, rules, not_in_key, added, says, inherits, doc, packages)


def _version(file: Path, owner: ast.ClassDef, promise: str) -> int:
    """The version that a promise of the class names, 1 if it says nothing."""
    version = _literal(file, owner, promise, 1)
    if type(version) is not int or version < 1:
        _refuse(file, owner, f"{promise} must be a whole number at least 1, not {version!r}")
    return version


def _packages(file: Path, owner: ast.ClassDef) -> tuple[tuple[str, str], ...]:
    """The PACKAGES that the class names, each as its import name and the command that installs it."""
    pairs = _literal(file, owner, "PACKAGES", ())
    if not isinstance(pairs, tuple) or any(not isinstance(p, tuple) or [*map(type, p)] != [str, str] for p in pairs):
        _refuse(file, owner, f"PACKAGES must be pairs of a package and the command that installs it, not {pairs!r}")
    return pairs


def _names(file: Path, owner: ast.ClassDef, promise: str, options: dict[str, Option]) -> tuple[str, ...]:
    """The options that a promise of the class names."""
    names = _literal(file, owner, promise, ())
    if not isinstance(names, tuple) or not set(names) <= set(options):
        _refuse(file, owner, f"{promise} must be a tuple of names of options, not {names!r}")
    return names


def _refuse(file: Path, node: ast.AST, why: str) -> NoReturn:
    raise BadInput(f"{file}:{getattr(node, 'lineno', 1)}: {why}")


def _registered(node: ast.ClassDef) -> bool:
    return any(isinstance(mark, ast.Name) and mark.id == "register" for mark in node.decorator_list)


def _literal(file: Path, owner: ast.ClassDef, name: str, default: Any) -> Any:
    """The literal that the class attribute `name` is assigned."""
    for node in owner.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=target)], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value)
            ) if target == name:
                try:
                    return ast.literal_eval(value)
                except ValueError:
                    _refuse(file, node, f"{name} must be a literal, not {ast.unparse(value)}")
    return default


def _said(owner: ast.ClassDef) -> Iterator[tuple[str, Any]]:
    """What is assigned to names in capitals, one or several at once, as far as it is literal."""
    for node in owner.body:
        if not isinstance(node, ast.Assign):
            continue
        try:
            value = ast.literal_eval(node.value)
        except ValueError:
            continue
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id.isupper():
                yield target.id, value
            elif isinstance(target, ast.Tuple) and isinstance(value, tuple):
                pairs = zip(target.elts, value, strict=False)
                yield from ((name.id, each) for name, each in pairs if isinstance(name, ast.Name))


def _options(file: Path, owner: ast.ClassDef, given: tuple[str, ...]) -> dict[str, Option]:
    constructors = [node for node in owner.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    if not constructors:
        if given:
            _refuse(file, owner, f"{owner.name} has no constructor (self, {', '.join(given)}, *, ...)")
        return {}
    args = constructors[0].args
    positional = tuple(arg.arg for arg in args.posonlyargs + args.args)[1:]
    if positional != given or args.defaults or args.vararg or args.kwarg:
        form = ", ".join(("self", *given, "*", "..."))
        _refuse(file, constructors[0], f"the constructor of {owner.name} must have the form ({form})")
    return {
        arg.arg: _option(file, arg, default) for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)
    }


def _option(file: Path, arg: ast.arg, default: ast.expr | None) -> Option:
    if arg.arg in _RESERVED:
        _refuse(file, arg, f"no option may be called {arg.arg}")
    if arg.annotation is None:
        _refuse(file, arg, f"{arg.arg} has no annotation")
    try:
        kind = _meaning(arg.annotation)
        return Option(kind, REQUIRED if default is None else convert(kind, ast.literal_eval(default)))
    except (ValueError, TypeError, LookupError) as error:
        shown = ast.unparse(arg) + ("" if default is None else f" = {ast.unparse(default)}")
        _refuse(file, arg, f"{shown}: {error}")


def _meaning(node: ast.expr) -> Any:
    """The annotation that a piece of syntax stands for."""
    match node:
        case ast.Name(name) if name in VOCABULARY:
            return VOCABULARY[name]
        case ast.Constant(value):
            return value
        case ast.Tuple(items):
            return tuple(map(_meaning, items))
        case ast.Subscript(generic, inner):
            return _meaning(generic)[_meaning(inner)]
        case ast.BinOp(left, ast.BitOr(), right):
            return _meaning(left) | _meaning(right)
        case ast.UnaryOp():
            return ast.literal_eval(node)
        case ast.Call(function, args, keywords):
            named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in keywords}
            return _meaning(function)(*map(ast.literal_eval, args), **named)
    raise TypeError(f"{ast.unparse(node)} is not an annotation that a config can hold: use {', '.join(VOCABULARY)}")
