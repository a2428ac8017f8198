"""From a config to a lab. Nothing heavy is imported here: a trainer's processes start before this one imports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.config import registry
from expzoo.config.plugin_errors import plugins_are_blamed
from expzoo.lab.progress import terminal_progress

if TYPE_CHECKING:
    from expzoo.lab.lab import Lab


@plugins_are_blamed()
def open_lab(config: dict[str, Any]) -> Lab:
    """A lab on the config's store, as its trainer has it; BadInput if there are no such devices."""
    node = config["trainer"]
    trainer = registry.build("trainer", node["name"], **{k: v for k, v in node.items() if k != "name"})
    lab: Lab = trainer.open(Path(config["store"]).absolute())
    lab.progress = terminal_progress()
    return lab
