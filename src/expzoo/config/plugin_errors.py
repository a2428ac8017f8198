"""Whose code raised: the plugin in whose file an exception came about, found in the traceback when there is one."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from expzoo.config.homes import owner
from expzoo.config.registry import index
from expzoo.system.errors import BadInput, PluginError


@contextmanager
def plugins_are_blamed() -> Iterator[None]:
    """Inside, what a plugin's code raises is a PluginError, wherever it was called from.

    What is no plugin's fault stays as it is: input that it refuses, the system's answer, a lack of memory.
    """
    try:
        yield
    except (BadInput, PluginError, OSError, MemoryError):
        raise
    except Exception as error:
        if blamed := _blamed(error):
            raise blamed from error
        raise


def _blamed(error: Exception) -> PluginError | None:
    """The last plugin on the way to where `error` was raised, None if there is none."""
    plugins = {path.resolve(): (kind, name) for kind, names in index().items() for name, path in names.items()}
    called = [(Path(frame.f_code.co_filename).resolve(), frame) for frame, _ in traceback.walk_tb(error.__traceback__)]
    file = next((file for file, _ in reversed(called) if file in plugins), None)
    if file is None:
        return None
    kind, name = plugins[file]
    entered = next(frame.f_code.co_name for where, frame in called if where == file)
    plugin = f"{kind}={name} of {owner(index()[kind][name])}"
    return PluginError(plugin, file, f"used, in {entered}; what was finished is kept")


def own_traceback(error: PluginError) -> str:
    """The traceback of what a plugin raised, from its own file on."""
    cause = error.__cause__
    if cause is None:
        return ""
    frames = cause.__traceback__
    while frames and frames.tb_next and Path(frames.tb_frame.f_code.co_filename).resolve() != error.file.resolve():
        frames = frames.tb_next
    return "".join(traceback.format_exception(cause.with_traceback(frames))).rstrip()
