"""How Hydra sees expzoo: `plugins/models/mlp.py` is the config `model=mlp`, and every leaf of it is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hydra._internal.instantiate._instantiate2 import _Keys
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf, ValueNode
from omegaconf.base import Metadata
from omegaconf.errors import OmegaConfBaseException, ValidationError

from expzoo.config.homes import homes
from expzoo.config.hydra_targets import target
from expzoo.config.identity import experiment_name, plain, run_id
from expzoo.config.options import REQUIRED, Option, convert, is_nested, one_of, storable
from expzoo.config.presets import EXPERIMENT, PRESETS, content, is_carried, options, yaml_file
from expzoo.config.registry import KINDS, MAY_BE_NONE, OF_HYDRA, SHARED, chosen_by, declared, index
from expzoo.config.settings import BUDGETS, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hydra.core.config_search_path import ConfigSearchPath

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


class PluginSource(ConfigSource):
    """The search path entry `plugins://`: one config a plugin, the two that frame them, and what experiments hold."""

    @staticmethod
    def scheme() -> str:
        """The part of the search path entry before the colon."""
        return "plugins"

    def load_config(self, config_path: str) -> ConfigResult:
        """`settings`, the top level; `gathered`, which ends the shared kinds; or the options of `kind/name`.

        An experiment is served without its presets, each of which is served as if it had a file of
        its own. Of a launcher or a sweeper the node also says the class, as Hydra wants it; nobody
        can change that.
        """
        chosen_in, _, name = config_path.removesuffix(".yaml").rpartition("/")
        kind, package = _KIND_OF.get(chosen_in, ""), None
        if chosen_in == EXPERIMENT or is_carried(kind, name):
            return self._part_of_experiment(chosen_in, name)
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
            config = _closed({"name": Leaf(one_of(name), name)} | _leaves(declared(kind, name).options))
            package = f"{kind}.{name}" if kind in SHARED else kind
        return ConfigResult(provider=self.provider, path="plugins://", config=config, header={"package": package})

    def _part_of_experiment(self, chosen_in: str, name: str) -> ConfigResult:
        """What the file of an experiment gives to a group: all but its presets, or one of those."""
        file = yaml_file(chosen_in, name)
        held, header = content(file), ""
        if chosen_in == EXPERIMENT:
            with file.open(encoding="utf-8") as text:
                header = text.read(512)  # as much as Hydra looks at
            held = {key: value for key, value in held.items() if key != PRESETS}
        else:
            held = held[PRESETS][chosen_in]
        config = OmegaConf.create(held)
        assert isinstance(config, DictConfig)  # anything else was refused when the command line was read
        return ConfigResult(
            provider=self.provider, path="plugins://", config=config, header=self._get_header_dict(header)
        )

    def available(self) -> bool:
        """Always: the package's own plugins are there."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Whether this is a kind of plugin."""
        return config_path in ("", "hydra", EXPERIMENT, *_KIND_OF)

    def is_config(self, config_path: str) -> bool:
        """Whether this is a plugin, one of the two frames, an experiment, or a preset of one."""
        chosen_in, _, name = config_path.removesuffix(".yaml").rpartition("/")
        of_experiment = name in options(EXPERIMENT) if chosen_in == EXPERIMENT else is_carried(chosen_in, name)
        return config_path in ("settings", "gathered") or name in _names(chosen_in) or of_experiment

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """What is below a path, for completion and `--info`."""
        if config_path == "":
            return sorted(KINDS) if results_filter is not ObjectType.CONFIG else []
        return sorted(_names(config_path)) if results_filter is not ObjectType.GROUP else []


def _names(chosen_in: str) -> Iterable[str]:
    """The plugins of a group."""
    return index()[_KIND_OF[chosen_in]] if chosen_in in _KIND_OF else ()


class SearchPath(SearchPathPlugin):
    """Adds the plugins, and the conf/ folder of every home but the package's own, which is Hydra's main one."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra. Folders are named as files, so that nothing of theirs is imported."""
        search_path.prepend("plugins", "plugins://")  # before the files of experiments, which it serves in its own way
        for home in homes()[1:]:
            if home.conf and home.conf.is_dir():
                search_path.append(home.owner, f"file://{home.conf}")


def _budget(*values: Any, _root_: DictConfig) -> Any:
    if len(values) != len(BUDGETS):
        raise ValueError(f"${{budget:...}} takes {len(BUDGETS)} values, for {', '.join(BUDGETS)}, not {len(values)}")
    return values[BUDGETS.index(_root_.budget)]


def _run_id(*, _root_: DictConfig) -> str:
    try:
        return run_id(plain(_root_))
    except (OmegaConfBaseException, TypeError):  # the job itself says what the config lacks
        return "incomplete"


def _experiment(*, _root_: DictConfig) -> str:
    return experiment_name(_root_.hydra.overrides.task)


def install() -> None:
    """Tell Hydra and OmegaConf about the plugins, `${budget:smoke,laptop,paper}`, `${experiment:}` and `${run_id:}`."""
    Plugins.instance().register(PluginSource)
    Plugins.instance().register(SearchPath)
    for name, resolver in {"budget": _budget, "experiment": _experiment, "run_id": _run_id}.items():
        OmegaConf.register_new_resolver(name, resolver, replace=True)
