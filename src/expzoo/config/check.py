"""Every fault of a command line at once: the words alone, then each value tried on the config they choose."""

from __future__ import annotations

from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from expzoo.config.allowed import value_fault
from expzoo.config.explanations import (
    REFUSALS,
    explain,
    incomplete,
    misplaced,
    typed_for_nothing,
    unknown,
    unlike_number,
)
from expzoo.config.homes import HOME, looked_at_once
from expzoo.config.hydra_source import install
from expzoo.config.identity import experiment_name, plain, unchosen
from expzoo.config.options import is_nested
from expzoo.config.overrides import requests
from expzoo.config.paths import readable
from expzoo.config.registry import KINDS, SHARED, available, declared, spelled
from expzoo.system.canonical import leaves
from expzoo.system.errors import BadInput, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from expzoo.config.overrides import Request, Value


LONGEST = 1_000  # characters of a line that names what was typed
_ALONE = RLock()  # Hydra and OmegaConf keep what they do in globals of the process


@contextmanager
def _hydra() -> Iterator[None]:
    """Hydra on this package's configs, one thread at a time, whatever else it is used for in this process."""
    with _ALONE:
        theirs, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
        try:
            with initialize_config_dir(str(HOME / "conf"), version_base="1.3"):
                yield
        finally:
            GlobalHydra.instance().hydra = theirs


def parse_requests(texts: list[str], *, multirun: bool) -> list[Request]:
    """What the overrides ask for, job by job."""
    if not multirun:
        return requests(texts, multirun=False)
    with _hydra():
        return requests(texts, multirun=True)


@looked_at_once()
def check(wanted: list[Request], error: Exception | None = None) -> list[str]:
    """The faults of all jobs, one line each; `error` is what Hydra raised, if it was asked already."""
    found = []
    for request in wanted:
        found += request.faults
        found += _faults_of_values(request, _composed(error) if error is not None and len(wanted) == 1 else None)
    lines = [line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..." for line in dict.fromkeys(found)]
    return lines or ([explain(error)] if error is not None else [])


def compose_job(overrides: list[str]) -> DictConfig:
    """The config that these overrides give."""
    with _hydra():
        return compose("config", overrides)


@looked_at_once()
def composed(overrides: list[str]) -> DictConfig:
    """The typed config that a command line of one job gives; BadInput with everything that is wrong with its words."""
    install()
    overrides = [readable(spelled(word)) for word in overrides]
    wanted = parse_requests(overrides, multirun=False)
    found = check(wanted) if wanted[0].suspicious else []
    if not found:
        try:
            config = compose_job(overrides)
            config.about.experiment = experiment_name(overrides)
            if not (found := typed_for_nothing(config, overrides)):
                return config
        except REFUSALS as error:
            found = check(wanted, error)
    raise BadInput("\n".join(found))


@looked_at_once()
def resolved(overrides: list[str]) -> dict[str, Any]:
    """The plain config of a command line of one job; BadInput with everything that is wrong with it."""
    config = composed(overrides)
    if found := incomplete(config):
        raise BadInput("\n".join(found))
    return plain(config)


@looked_at_once()
def typed_again(config: dict[str, Any]) -> dict[str, Any]:
    """A config read from a file, checked leaf by leaf like one that is typed; BadInput with every fault."""
    config = _of_today(config)
    chosen = [f"{kind}={config[kind]['name']}" for kind in KINDS if kind not in SHARED]
    chosen += [f"{kind}=[{','.join(config[kind])}]" for kind in SHARED]
    cfg, wrong = composed(chosen), []
    for key, value in _settable(config):
        if fault := value_fault(value):
            wrong.append(f"{key}: {fault}")
            continue
        try:
            OmegaConf.update(cfg, key, value)
        except OmegaConfBaseException as error:
            wrong.append(explain(error))
    if wrong := [*wrong, *incomplete(cfg)]:
        raise BadInput("\n".join(wrong))
    return plain(cfg)


def _settable(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every leaf of a plain config by its key; a mapping that is one option is a leaf."""
    yield from leaves({key: value for key, value in config.items() if key not in SHARED})
    for kind in SHARED:
        for name, options in config[kind].items():
            yield from ((f"{kind}.{name}.{key}", value) for key, value in options.items())


def _in_mapping(key: str) -> bool:
    """Whether a key lies in an option that is a mapping, which its plugin reads."""
    kind, name, option, *below = [*key.split("."), "", ""]
    if kind not in SHARED or name not in available(kind) or not any(below):
        return False
    known = declared(kind, name).options
    return option in known and is_nested(known[option].kind)


def _of_today(config: dict[str, Any]) -> dict[str, Any]:
    """A config as it is written today: one that had a single logger had its name and options in its place."""
    node = config["logger"]
    return config | {"logger": {node["name"]: node}} if isinstance(node.get("name"), str) else config


def _composed(error: Exception) -> DictConfig | None:
    """The config on which Hydra tried the value that it refused: composing it again would take a third of the time."""
    node = getattr(error.__cause__ or error.__context__, "parent_node", None)
    return None if node is None or str(error).startswith("In '") else node._get_root()


def _faults_of_values(request: Request, config: DictConfig | None = None) -> list[str]:
    """What the config of a job refuses; without a launcher or sweeper that there is not, it is composed without one."""
    try:
        return _tried(compose_job(request.overrides()) if config is None else config, request)
    except REFUSALS as failure:
        group = (getattr(failure, "missing_cfg_file", None) or "").rpartition("/")[0]
        chosen = [text for text in request.hydra if text.startswith(f"{group}=")]
        if not group or not chosen:
            return [explain(failure)]
        request.wrong.add(group)
        request.hydra = [text for text in request.hydra if text not in chosen]
        return [explain(failure), *_faults_of_values(request)]


def _tried(config: DictConfig, request: Request) -> list[str]:
    found = []
    for value in request.testable():
        if fault := _refusal(config, value):
            found.append(value.where + fault)
        elif value.plus:
            found.append(f"{value.plus}: only an experiment takes a +: write {value.plus.lstrip('+')}")
    stand_ins = tuple(f"{group}." for group in request.wrong)
    return found + [fault for fault in incomplete(config) if not fault.startswith(stand_ins)]


def _refusal(config: DictConfig, value: Value) -> str:
    """Why a key cannot have this value, empty if it has it now."""
    parent, _, name = value.key.rpartition(".")
    if _in_mapping(value.key):
        return unlike_number(value.value, value.key)
    try:
        kind, name_of, *_ = [*value.key.split("."), ""]
        if kind in SHARED and name_of in unchosen(config, kind):
            return "" if value.where else f"{kind} has no {name_of}: {nearest(name_of, _chosen(config, kind))}"
        node = OmegaConf.select(config, parent) if parent else config
        if node is not None and not isinstance(node, DictConfig):
            return f"{parent} is a single value: it has no {name}"
        if isinstance(node, DictConfig) and name not in node and not OmegaConf.is_missing(node, name):
            if kind in SHARED and value.key.count(".") == 1:
                return misplaced(config, kind, name)
            return unknown(value.key, node)
        OmegaConf.update(config, value.key, value.value)
    except OmegaConfBaseException as failure:
        return explain(failure)
    return ""


def _chosen(config: DictConfig, kind: str) -> list[str]:
    """The plugins of a shared kind that a config chooses."""
    return [str(name) for name in config[kind] or {} if name not in unchosen(config, kind)]
