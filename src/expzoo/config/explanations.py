"""One line in plain words for what Hydra or OmegaConf raised."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException

from expzoo.config.identity import unchosen
from expzoo.config.presets import file_of, groups, hint
from expzoo.config.registry import MAY_BE_NONE, SHARED, available, declared
from expzoo.system.errors import BadInput, nearest

REFUSALS = (HydraException, OmegaConfBaseException, ValueError, AssertionError, RecursionError)
"""What composing raises about a config, BadInput included; Hydra and OmegaConf have bare ones too."""

_RESOLVER = re.compile(r"\w+ raised while resolving interpolation: [\"']?(?P<why>.*?)[\"']?$")
_INTERPOLATED = re.compile(r"While dereferencing interpolation '(?P<source>.*)': (?P<why>.*)")


def explain(error: Exception) -> str:
    """What is wrong, with the nearest valid name where a name is wrong."""
    config = re.match(r"In '([^']*)'", str(error))
    file = f"{file_of(config[1])}: " if config else ""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        known = nearest(name, error.options) if error.options else hint(group, name)
        typed = not config or config[1].partition("/")[0] not in groups()
        return f"{'' if typed else file}there is no {group}={name}: {known}"
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__ or error.__context__
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        if file and cause.full_key == "experiment":
            return f"{file}the first line has to be # @package _global_"
        return file + _explain_key(cause)
    if isinstance(error, RecursionError):
        return "the config is nested too deeply"
    if isinstance(error, BadInput):
        return str(error)
    return " ".join(str(error).partition("\nConfig search path")[0].partition("\nSee https")[0].split())


def _explain_key(error: OmegaConfBaseException) -> str:
    key, why = str(error.full_key), str(error.msg).partition("\n")[0]
    if isinstance(error, ConfigKeyError | ConfigAttributeError) and error.parent_node is not None:
        return unknown(key, error.parent_node)
    if isinstance(error, MissingMandatoryValue):
        return missing(key)
    if resolver := _RESOLVER.match(why):
        why = resolver["why"]
    if why.lower() == "cannot merge dictconfig with listconfig":
        return f"{key} must be a mapping of names, not a list"
    if interpolated := _INTERPOLATED.match(why):
        return f"{key} {interpolated['why']}, which {interpolated['source']} gives"
    return f"{key} {why}" if why.startswith("must ") else f"{key}: {why[:1].lower()}{why[1:]}"


def unknown(key: str, parent: Any) -> str:
    """The line for a key that the config node `parent` does not have."""
    where, _, name = key.rpartition(".")
    known = {str(key) for key in parent if not str(key).startswith("_")}
    known = known - {"name"} if where else known.union(groups()) - {"hydra"}
    return f"{where or 'the config'} has no {name}: {nearest(name, known)}"


def misplaced(config: DictConfig, kind: str, name: str) -> str:
    """The line for a plugin of a shared kind that there is not, if it is not an option of one that is chosen."""
    chosen = [str(plugin) for plugin in config[kind] or {} if plugin not in unchosen(config, kind)]
    for plugin in chosen:
        if name in declared(kind, plugin).options:
            return f"{kind} has no {name}: did you mean {kind}.{plugin}.{name}?"
    return f"there is no {kind}={name}: {nearest(name, available(kind))}"


def missing(key: str) -> str:
    """The line for a key without a value."""
    return f"{key} has no value: give {key}=..."


def incomplete(config: DictConfig, path: str = "") -> list[str]:
    """What a composed config still lacks: values never given, and interpolations that give none or a wrong one."""
    found = []
    for name in config:
        key = f"{path}{name}"
        try:
            value = config[name]
        except OmegaConfBaseException as error:
            found.append(explain(error))
            continue
        if key in SHARED:
            found += _incomplete_plugins(config, key)
        elif isinstance(value, DictConfig) and key != "hydra":
            found += incomplete(value, f"{key}.")
    return list(dict.fromkeys(found))  # one key may be what many others are read from


def _incomplete_plugins(config: DictConfig, kind: str) -> list[str]:
    """What the plugins of a shared kind lack; of those that are not chosen, what an experiment's file says wrongly."""
    left_out, nodes, found = unchosen(config, kind), config[kind] or {}, []
    for name in nodes:
        if name not in left_out:
            found += incomplete(nodes[name], f"{kind}.{name}.")
        elif name not in available(kind):
            found.append(misplaced(config, kind, str(name)))
        else:
            known = declared(kind, str(name)).options
            given = nodes[name] if isinstance(nodes[name], DictConfig) else {}
            found += [f"{kind}.{name} has no {key}: {nearest(str(key), known)}" for key in given if key not in known]
    return found if len(nodes) > len(left_out) or kind in MAY_BE_NONE else [*found, missing(kind)]


def unlike_number(value: Any, key: str) -> str:
    """The line for the first number of a nested option that is infinite or none; empty if there is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{key} must be a finite number, not {value}"
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    return next(filter(None, (unlike_number(item, f"{key}.{name}") for name, item in items)), "")


def typed_for_nothing(config: DictConfig, overrides: Iterable[str]) -> list[str]:
    """The faults of a command line that sets options of an analysis that it does not choose."""
    keys = {text.lstrip("+~").partition("=")[0] for text in overrides}
    found = []
    for kind in SHARED:
        left_out = unchosen(config, kind)
        chosen = {str(name) for name in config[kind] or {}} - {*left_out}
        found += [
            f"{kind} has no {name}: {nearest(name, chosen)}"
            for name in dict.fromkeys(left_out)
            if any(key.startswith(f"{kind}.{name}.") for key in keys)
        ]
    return found
