"""What a run is called: a name that depends on everything that can change its results and on nothing else."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from expzoo.config import sources, versions
from expzoo.config.registry import KINDS, LOOKED_UP, SHARED, available, declared

OF_NO_EFFECT = frozenset({"hydra", "store", "dry_run", "trainer", "logger", "about"})


ADDED: dict[str, Any] = {"robustness": [], "robustness_size": None}
"""Settings that configs gained, with what they are in configs of before."""

_EXPERIMENT = re.compile(r"""\+experiment=(?P<names>'[^']*'|"[^"]*"|[^][,()'"]+|\[[^][]*\])""")
_NAMES = re.compile(r"""(?P<quote>['"])(?P<quoted>.*?)(?P=quote)|(?P<bare>[^][,'"]+)""")


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The resolved config without `hydra`, as plain data; an OmegaConf error if a value is missing or out of range.

    Options for analyses that were not chosen are dropped.
    """
    found = {str(key): _plain(cfg[key]) for key in cfg if key not in ("hydra", *SHARED)}
    for kind in SHARED:
        left_out, nodes = unchosen(cfg, kind), cfg[kind] or {}
        found[kind] = {str(name): _plain(nodes[name]) for name in nodes if name not in left_out}
    return {str(key): found[str(key)] for key in cfg if key != "hydra"}


def unchosen(cfg: DictConfig, kind: str) -> list[str]:
    """The plugins of a shared kind that an experiment has options for and that were not chosen."""
    nodes = cfg[kind] or {}
    return [str(name) for name in nodes if not isinstance(nodes[name], DictConfig) or "name" not in nodes[name]]


def _plain(node: Any) -> Any:
    # Reading through the node is what checks the result of an interpolation; `to_container` alone does not.
    if isinstance(node, DictConfig):
        return {str(key): _plain(node[key]) for key in node}
    if isinstance(node, ListConfig):
        return [_plain(node[place]) for place in range(len(node))]
    return [_plain(item) for item in node] if isinstance(node, list | tuple) else node


def chosen(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The plugins of a plain config, as (kind, name)."""
    for kind in KINDS:
        if kind in SHARED:
            yield from ((kind, name) for name in config[kind] or ())
        else:
            yield kind, config[kind]["name"]


def run_id(config: Mapping[str, Any], rules: Mapping[str, int] | None = None) -> str:
    """12 hexadecimal digits of the sha256 of a plain config, of its plugins' versions or sources and of its rules.

    Where results are kept, how they are computed and what is said about them does not matter:
    `store`, `dry_run`, `trainer`, `logger`, `about`. `rules` are other decision rules than those of
    today, as `rules_of` gives them.
    """
    plugins = {
        f"{kind}={name}": declared(kind, name).version for kind, name in chosen(config) if kind not in OF_NO_EFFECT
    }
    looks = ((kind, name) for kind in LOOKED_UP for name in available(kind))  # an analysis may use any of them
    plugins |= {f"{kind}={name}": found for kind, name in looks if (found := declared(kind, name).version) > 1}
    identity: dict[str, Any] = {
        "config": {
            key: _said(value) if key == "analysis" else value
            for key, value in config.items()
            if key not in OF_NO_EFFECT and not _unsaid(key, value)
        },
        "versions": plugins,
        "format": versions.RESULTS_FORMAT,
        "engine": versions.ENGINE_VERSION,
    }
    if raised := raised_rules(config, rules):
        identity["rules"] = raised
    effective = {key: value for key, value in config.items() if key not in OF_NO_EFFECT}
    if source := sources.of_config((plugin for plugin in chosen(config) if plugin[0] not in OF_NO_EFFECT), effective):
        identity["source"] = source
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _unsaid(key: str, value: Any) -> bool:
    """Whether a setting that was added later says nothing, as if it were not there: runs of before keep their names."""
    return key in ADDED and value == ADDED[key]


def _said(analyses: Mapping[str, Mapping[str, Any]] | None) -> Any:
    """The options of analyses, without those that a plugin gained and that say what was so before."""
    found = {}
    for name, options in (analyses or {}).items():
        known = declared("analysis", name)
        before = {key: known.options[key].default for key in known.added}
        found[name] = {k: v for k, v in options.items() if k not in before or _listed(v) != _listed(before[k])}
    return found if analyses is not None else None


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def rules_of(config: Mapping[str, Any]) -> dict[str, int]:
    """The versions of the decision rules that judge a plain config: the shared ones, and each analysis's own."""
    own = {f"analysis={name}": declared("analysis", name).rules_version for name in config["analysis"] or ()}
    return {"shared": versions.RULES_VERSION} | own


def raised_rules(config: Mapping[str, Any], rules: Mapping[str, int] | None = None) -> dict[str, int]:
    """Those that are no longer the first version, which is left out so that runs of before keep their names."""
    return {name: version for name, version in (rules or rules_of(config)).items() if version > 1}


def earlier_ids(config: Mapping[str, Any]) -> Iterator[str]:
    """The names that a run of this config had under earlier decision rules, the newest rules first."""
    today = rules_of(config)
    earlier = itertools.product(*(range(version, 0, -1) for version in today.values()))
    for versions_before in sorted(earlier, key=sum, reverse=True)[1:]:
        yield run_id(config, dict(zip(today, versions_before, strict=True)))


def typed(hydra: Any) -> list[str]:
    """The overrides of a job as they were typed: what is interpolated in them is for the config to resolve."""
    words: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    return [str(word) for word in words]


def experiment_name(overrides: Iterable[str]) -> str:
    """The experiment that the overrides of one job choose; several are joined by +, and none is called custom."""
    # Hydra's own record of choices leaves out a list of them.
    typed = filter(None, (_EXPERIMENT.fullmatch(text) for text in overrides))
    return next((_joined(found["names"]) for found in typed), "custom")


def _joined(names: str) -> str:
    found = ((one["quoted"] or one["bare"] or "").strip() for one in _NAMES.finditer(names))
    return "+".join(filter(None, found)).replace("/", "_")  # the name of a folder
