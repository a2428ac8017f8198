"""Whose code raised: the plugin in whose file an exception came about, found in the traceback when there is one."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from expzoo.config.homes import HOME, owner
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


def type_and_place(error: BaseException) -> str:
    """What files may say of an exception: its type, and the line of the plugin, or of anything else, that raised it.

    Only why the package itself refuses its input stands there as it is: what anybody else's code
    says may hold whatever that code has read, such as an environment variable.
    """
    behind = list(_chain(error))
    foreign = next((one for one in reversed(behind) if not _is_own(_place(one)[0])), None)
    if isinstance(error, BadInput) and foreign is None:
        return str(error)
    cause = foreign or behind[-1]
    plugin = next((one.file for one in behind if isinstance(one, PluginError)), None)
    file, line = _place(cause, plugin)
    return type(cause).__name__ + (f" in {'/'.join(file.parts[-2:])}, line {line}" if line else "")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that it came from, each once: what is raised again may come from itself."""
    seen, waiting = set[int](), [error]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        else:
            yield one
        waiting += [behind for behind in (one.__cause__ or one.__context__,) if behind is not None]


def _place(error: BaseException, within: Path | None = None) -> tuple[Path, int]:
    """Where an exception was raised: the last line on the way, of the file `within` if that has one; 0 is none."""
    places = [(Path(frame.f_code.co_filename), line) for frame, line in traceback.walk_tb(error.__traceback__)]
    own = [place for place in places if within and place[0].resolve() == within.resolve()]
    return next(reversed(own or places), (Path(), 0))


def _is_own(file: Path) -> bool:
    """Whether a file is one of the package or of its own plugins."""
    return any(file.resolve().is_relative_to(folder) for folder in (Path(__file__).parents[1], HOME / "plugins"))
