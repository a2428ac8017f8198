"""How Hydra sees expzoo: `plugins/models/mlp.py` is the config `model=mlp`, and every leaf of it is typed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import omegaconf.base
from hydra._internal.instantiate._instantiate2 import _Keys
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf, ValueNode
from omegaconf.base import Metadata
from omegaconf.errors import OmegaConfBaseException, ValidationError
from omegaconf.grammar_parser import parse

from expzoo.config.allowed import file_faults
from expzoo.config.homes import HOME
from expzoo.config.hydra_targets import plugins_of_hydra, target
from expzoo.config.identity import experiment_name, plain, run_id, typed
from expzoo.config.options import REQUIRED, Option, convert, is_nested, one_of, storable
from expzoo.config.presets import EXPERIMENT, PRESETS, content, groups, head, is_carried, presets, yaml_file
from expzoo.config.registry import KINDS, MAY_BE_NONE, OF_HYDRA, SHARED, chosen_by, declared, index
from expzoo.config.settings import BUDGETS, SETTINGS
from expzoo.system.errors import BadInput
from expzoo.system.yaml_text import read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hydra.core.config_search_path import ConfigSearchPath

MAIN = "config"
"""The config that every command begins with."""

_KIND_OF = {chosen_by(kind): kind for kind in (*KINDS, *OF_HYDRA)}


class Leaf(ValueNode):
    """One value of the config, which accepts only what its annotation allows."""

    kind: Any

    def __init__(self, kind: Any, value: Any = REQUIRED) -> None:
        self.__dict__["kind"] = kind  # before the parent's constructor, which validates
        # Any reference type but `Any` makes OmegaConf ask this node about every merge, override and interpolation.
        super().__init__(None, value, Metadata(ref_type=object, object_type=None, key=None, optional=True))

    def validate_and_convert(self, value: Any) -> Any:
        """`value` as YAML can hold it; ValidationError if the annotation does not allow it."""
        given = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        try:
            return storable(convert(self.kind, given))
        except (ValueError, TypeError) as error:
            raise ValidationError(str(error)) from None

    _validate_and_convert_impl = validate_and_convert

    def __deepcopy__(self, memo: dict[int, Any]) -> Leaf:
        copy = Leaf(self.kind)
        self._deepcopy_impl(copy, memo)
        return copy


def _closed(content: dict[str, Any]) -> DictConfig:
    """A node that no key can be added to, in a YAML file or on the command line."""
    return DictConfig(content, flags={"struct": True})


def _open(content: dict[str, Any] | str) -> DictConfig:
    """A node that takes whatever is merged into it."""
    return DictConfig(content, flags={"struct": False})


def _leaves(options: dict[str, Any]) -> dict[str, Any]:
    return {key: _leaf(option) if isinstance(option, Option) else _leaves(option) for key, option in options.items()}


def _leaf(option: Option) -> Leaf | DictConfig:
    """The node of an option; that of a mapping is open, and what is in it is for the plugin to read."""
    if is_nested(option.kind):
        return DictConfig(storable(option.default) or {}, flags={"struct": False})
    return Leaf(option.kind, storable(option.default))


def _with_loss(kind: str, name: str) -> dict[str, Any]:
    """The defaults list of a dataset or model that says with which LOSS it is trained if no other is chosen.

    The list of `config` has the loss before both, so that what they say comes first; an experiment
    or a command line that names a loss comes before them.
    """
    loss = declared(kind, name).says.get("LOSS") if kind in ("dataset", "model") else None
    return {"defaults": [{"override /loss@_global_.loss": loss}]} if loss else {}


class PluginSource(ConfigSource):
    """The search path entry `plugins://`: one config a plugin, the two that frame them, and what experiments hold."""

    @staticmethod
    def scheme() -> str:
        """The part of the search path entry before the colon."""
        return "plugins"

    def load_config(self, config_path: str) -> ConfigResult:
        """`config`, the first one; `settings`, the top level; `gathered`, which ends the shared kinds; or `kind/name`.

        An experiment is served without its presets, each of which is served as if it had a file of
        its own. No file of a home is given to Hydra that says more than it may (`config.allowed`).
        Of a launcher or a sweeper the node also says the class, as Hydra wants it; nobody can
        change that.
        """
        chosen_in, _, name = config_path.removesuffix(".yaml").rpartition("/")
        kind, package = _KIND_OF.get(chosen_in, ""), None
        if config_path.removesuffix(".yaml") == MAIN:
            return self._served(read(HOME / "conf" / f"{MAIN}.yaml"), {"package": None})
        if name in presets().get(chosen_in, {}):
            return self._file(chosen_in, name)
        if kind in OF_HYDRA:
            config = _closed({_Keys.TARGET.value: target(kind, name)} | _leaves(declared(kind, name).options))
            package = chosen_in.replace("/", ".")
        elif name == "gathered":  # open, since an experiment may have options for analyses that were not chosen
            config, package = DictConfig({kind: _open({}) for kind in SHARED}), "_global_"
        elif not kind:
            # Open until its plugin is merged into it, which closes it.
            open_nodes = {kind: _open({} if kind in MAY_BE_NONE else REQUIRED) for kind in KINDS}
            config = _closed(open_nodes | _leaves(SETTINGS))
        else:
            config = _closed(
                _with_loss(kind, name) | {"name": Leaf(one_of(name), name)} | _leaves(declared(kind, name).options)
            )
            package = f"{kind}.{name}" if kind in SHARED else kind
        return ConfigResult(provider=self.provider, path="plugins://", config=config, header={"package": package})

    def _file(self, group: str, name: str) -> ConfigResult:
        """What the file of a preset or an experiment gives to a group; BadInput if it says what it must not."""
        if faults := file_faults(group, name):
            raise BadInput("\n".join(faults))
        file = yaml_file(group, name)
        held = content(file)
        if is_carried(group, name):
            return self._served(held[PRESETS][group], {"package": None})
        own = {key: value for key, value in held.items() if key != PRESETS or group != EXPERIMENT}
        return self._served(own, self._get_header_dict(head(file)))

    def _served(self, held: Any, header: dict[str, str | None]) -> ConfigResult:
        config = OmegaConf.create(held)
        assert isinstance(config, DictConfig)  # anything else was refused
        return ConfigResult(provider=self.provider, path="plugins://", config=config, header=header)

    def available(self) -> bool:
        """Always: the package's own plugins are there."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Whether this is a kind of plugin."""
        return config_path in ("", "hydra", *groups(), *_KIND_OF)

    def is_config(self, config_path: str) -> bool:
        """Whether this is a plugin, one of the two frames, an experiment, or a preset of one."""
        chosen_in, _, name = config_path.removesuffix(".yaml").rpartition("/")
        return config_path in (MAIN, "settings", "gathered") or name in _names(chosen_in)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """What is below a path, for completion and `--info`."""
        if config_path == "":
            return sorted(KINDS) if results_filter is not ObjectType.CONFIG else []
        return sorted(_names(config_path)) if results_filter is not ObjectType.GROUP else []


def _names(chosen_in: str) -> Iterable[str]:
    """The plugins of a group, and its presets or experiments."""
    plugins = index()[_KIND_OF[chosen_in]] if chosen_in in _KIND_OF else ()
    return {*plugins, *presets().get(chosen_in, ())}


class SearchPath(SearchPathPlugin):
    """Has the plugins and the files of every home served by `PluginSource`, in the place of Hydra's reader of files."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra. A folder in its search path would be left by a name such as ../../x."""
        for entry in search_path.get_path():  # somebody else's application has other entries, and keeps them
            if entry.path and entry.path.removeprefix("file://") == str(HOME / "conf"):
                entry.path = "plugins://"


def _budget(*values: Any, _root_: DictConfig) -> Any:
    if len(values) != len(BUDGETS):
        raise ValueError(f"${{budget:...}} takes {len(BUDGETS)} values, for {', '.join(BUDGETS)}, not {len(values)}")
    value = values[BUDGETS.index(_root_.budget)]
    # OmegaConf resolves a plain list only below a node that knows what it may hold.
    return OmegaConf.create(value) if isinstance(value, list | dict) else value


def _run_id(*, _root_: DictConfig) -> str:
    try:
        return run_id(plain(_root_))
    except (OmegaConfBaseException, TypeError):  # the job itself says what the config lacks
        return "incomplete"


def _experiment(*, _root_: DictConfig) -> str:
    return experiment_name(typed(_root_.hydra))


_parsed = lru_cache(10_000)(parse)  # a tree is only read


def install() -> None:
    """Tell Hydra and OmegaConf about the plugins, `${budget:smoke,laptop,paper}`, `${experiment:}` and `${run_id:}`."""
    # A config reads each of its interpolations several times, and parsing is what takes the time of it.
    omegaconf.base.parse = _parsed
    plugins_of_hydra()  # before Hydra looks for it
    Plugins.instance().register(PluginSource)
    Plugins.instance().register(SearchPath)
    for name, resolver in {"budget": _budget, "experiment": _experiment, "run_id": _run_id}.items():
        OmegaConf.register_new_resolver(name, resolver, replace=True)
