"""The configs of a sweep's jobs in milliseconds each: jobs that choose the same options differ in values only."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.core.override_parser.types import Override
    from omegaconf import DictConfig


class SweepLoader:
    """Hydra's loader with a quick `load_sweep_config`: one composition for each choice of options.

    The first job of each choice is composed in both ways; unless they agree in everything, Hydra's way is kept.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader = loader
        self._parser = OverridesParser.create()
        self._bases: dict[tuple[str, ...], DictConfig | None] = {}
        self._groups: dict[str, bool] = {}
        self._made: dict[tuple[str, ...], DictConfig] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """The config of the job with these overrides, which a sweeper and a launcher ask for once each."""
        words = tuple(sweep_overrides)
        if words in self._made:
            return self._made.pop(words)
        self._made[words] = config = self._compose(master_config, sweep_overrides)
        return config

    def _compose(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        parsed = self._parser.parse_overrides(sweep_overrides)
        values = [o for o in parsed if self._is_value(o, master_config)]
        chosen = tuple(str(o.input_line) for o in parsed if o not in values)
        if chosen not in self._bases:
            slow = self._loader.load_sweep_config(master_config, list(sweep_overrides))
            self._bases[chosen] = self._loader.load_sweep_config(master_config, list(chosen))
            if _content(self._quick(master_config, chosen, parsed, values)) != _content(slow):
                self._bases[chosen] = None
        if self._bases[chosen] is None:
            return self._loader.load_sweep_config(master_config, list(sweep_overrides))
        return self._quick(master_config, chosen, parsed, values)

    def _is_value(self, override: Override, master: DictConfig) -> bool:
        """Whether an override gives a key a value, and chooses nothing."""
        name = override.key_or_group
        if override.is_delete() or override.is_hydra_override():
            return False
        if name not in self._groups:
            config_name = master.hydra.job.config_name
            self._groups[name] = bool(self._loader.get_group_options(name, config_name=config_name, overrides=[]))
        return not self._groups[name] or isinstance(override.value(), dict)

    def _quick(
        self, master: DictConfig, chosen: tuple[str, ...], parsed: list[Override], values: list[Override]
    ) -> DictConfig:
        config = copy.deepcopy(self._bases[chosen])
        assert config is not None
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        task = [override for override in parsed if not override.is_hydra_override()]
        config.hydra.overrides.task = [str(override.input_line) for override in task]
        names = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = get_overrides_dirname(
            task, names.exclude_keys, names.item_sep, names.kv_sep
        )
        OmegaConf.copy_cache(from_config=master, to_config=config)
        return config


def _content(config: DictConfig) -> Any:
    return OmegaConf.to_container(config, resolve=False)
