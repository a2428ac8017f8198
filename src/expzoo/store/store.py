"""The store: one verified, pickle-free file for each network and machine class, written beside and renamed.

store/<two digits>/<key>/<machine class>/network.safetensors, and `partial` files beside it while it is in training.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from expzoo.store.leases import NOT_OURS
from expzoo.store.network import Network, Partial, Status
from expzoo.system.checksummed import Corrupt, pack, read_packed
from expzoo.system.errors import BadInput
from expzoo.system.files import remove_orphans, write_atomically
from expzoo.system.untrusted import json_of, quoted

FORMAT = "1"
"""The format of the files, raised when an older version of expzoo could no longer read them."""

log = logging.getLogger(__name__)


def files_of(root: Path) -> list[Path]:
    """Every file of networks and of members in training in a store, in order, and each link in a folder's place."""
    folders, found = [root], list[Path]()
    for _ in ("two digits", "key", "machine class"):
        entries = [entry for folder in folders for entry in _scanned(folder) if entry.is_dir()]
        found += [Path(entry.path) for entry in entries if entry.is_symlink()]
        folders = [Path(entry.path) for entry in entries if not entry.is_symlink()]
    paths = [Path(entry.path) for folder in folders for entry in _scanned(folder)]
    return sorted(found + [path for path in paths if path.suffix == ".safetensors" and not path.name.startswith(".")])


def _scanned(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(entries)


class ForeignFormat(BadInput):
    """A file of another version of expzoo, left as it is: two versions on one store destroy nothing of each other's."""

    def __init__(self, path: Path, found: str) -> None:
        what = f"{quoted(path)} has format {quoted(found, 40)}, and this version of expzoo reads format {FORMAT}"
        super().__init__(f"{what}: it is left as it is; give another store=... or use the version that wrote it")


class Store:
    """Networks by key. `accept` says whether results of another machine class are taken too."""

    def __init__(self, root: Path, machine: str, accept: Literal["any", "same"] = "any") -> None:
        self.root, self.machine, self.accept = root, machine, accept

    def require_writable(self) -> None:
        """OSError, naming the path, if nothing can be written here: asked before training, not after."""
        probe = self.root / ".writable"
        try:
            write_atomically(probe, b"")
        except PermissionError as error:
            raise PermissionError(error.errno, NOT_OURS, str(self.root)) from error
        with suppress(OSError):
            probe.unlink(missing_ok=True)
        remove_orphans(self.root)

    def has(self, key: str) -> bool:
        """Whether there is a file for this network, without reading it."""
        return any(path.exists() for path in self._candidates(key))

    def load(self, key: str) -> Network | None:
        """The network, verified; None if there is none. A corrupted file is reported, set aside and ignored.

        ForeignFormat if the file is there in another format; of another machine class it is only said.
        """
        for path in self._candidates(key):
            try:
                arrays, about = read_packed(path, self.root)
                return _network(arrays, about, key, path)
            except FileNotFoundError:
                continue
            except ForeignFormat as error:
                if path.parent.name == self.machine:
                    raise
                log.warning("%s", error)
            except PermissionError as error:
                raise PermissionError(error.errno, NOT_OURS, str(path)) from error
            except Corrupt as error:
                self._set_aside(path, error)
        return None

    def read(self, key: str) -> Network | None:
        """As `load`, but a file that is not whole is left where it is, and Corrupt or ForeignFormat say why."""
        for path in self._candidates(key):
            with suppress(FileNotFoundError):
                return _network(*read_packed(path, self.root), key, path)
        return None

    def load_own(self, key: str) -> Network | None:
        """The network as this machine class trained it."""
        return Store(self.root, self.machine, "same").load(key)

    def save(self, network: Network) -> None:
        """Commit a network under the machine class it was trained on; what was kept on the way there is removed."""
        arrays, about = _packed(network)
        folder = self.folder(network.key, network.machine or self.machine)
        write_atomically(folder / "network.safetensors", pack(arrays, about))
        self.drop_partials(network.key)

    def drop_partials(self, key: str) -> None:
        """Forget where a member was."""
        for path in self._partials(key):
            if path.exists():
                path.unlink(missing_ok=True)
        remove_orphans(self.folder(key))

    def save_partial(self, partial: Partial) -> None:
        """Keep where a member is; the one before is kept too, in case this one is lost."""
        newest, previous = self._partials(partial.key)
        arrays, about = _packed(partial.network)
        arrays["theta"] = partial.theta
        arrays |= {f"state/{name}": value for name, value in partial.state.items()}
        about["at"] = str(partial.step)
        content = pack(arrays, about)
        with suppress(FileNotFoundError):  # another process may have moved it just now
            newest.replace(previous)
        write_atomically(newest, content)

    def load_partial(self, key: str) -> Partial | None:
        """Where a member was when it was last kept: the newest file that is whole; ForeignFormat as `load`."""
        for path in self._partials(key):
            try:
                arrays, about = read_packed(path, self.root)
                return _partial(arrays, about, key, path)
            except FileNotFoundError:
                continue
            except ForeignFormat:
                raise
            except Corrupt as error:
                self._set_aside(path, error)
            except (KeyError, ValueError) as error:
                self._set_aside(path, Corrupt(f"{path} holds no member: {error!r}"))
        return None

    def folder(self, key: str, machine: str = "") -> Path:
        """Where what this machine class, or another one, has of a network is kept."""
        return self.root / key[:2] / key / (machine or self.machine)

    def _partials(self, key: str) -> tuple[Path, Path]:
        folder = self.folder(key)
        return folder / "partial.safetensors", folder / "partial.previous.safetensors"

    def _candidates(self, key: str) -> Iterable[Path]:
        """This machine class first, then, if accepted, the others in order of their names."""
        own = self.folder(key) / "network.safetensors"
        yield own
        if self.accept == "any":
            yield from (path for path in sorted(own.parent.parent.glob("*/network.safetensors")) if path != own)

    def reject(self, network: Network, why: str) -> None:
        """Set a network aside that is whole and still not what its key stands for."""
        path = self.folder(network.key, network.machine) / "network.safetensors"
        self._set_aside(path, Corrupt(f"{path} {why}"))

    def reject_partial(self, partial: Partial, why: str) -> None:
        """Forget where a member was that is whole and still not what its key stands for."""
        newest, previous = self._partials(partial.key)
        self._set_aside(newest if newest.exists() else previous, Corrupt(f"{newest} {why}"))
        self.drop_partials(partial.key)

    def _set_aside(self, path: Path, error: Exception) -> None:
        if not path.parent.resolve().is_relative_to(self.root.resolve()):
            where = f"{quoted(path.parent)} leads out of {quoted(self.root)}"
            raise BadInput(f"{where} by a link: remove that, or give another store=...")
        log.warning("%s; it is set aside and the network is trained again", error)
        with suppress(FileNotFoundError):
            path.replace(path.with_suffix(".corrupt"))


def _packed(network: Network) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    arrays = {f"row/{step}": row for step, row in network.rows.items()}
    arrays["losses"] = network.losses
    if network.mask is not None:
        arrays["mask"] = network.mask.astype(np.uint8)
    for label, values in network.measured.items():
        steps = sorted(values)
        arrays[f"steps/{label}"] = np.array(steps, np.int64)
        arrays[f"values/{label}"] = np.array([values[step] for step in steps], np.float64)
    about = {"format": FORMAT, "key": network.key, "status": network.status, "step": str(network.step)}
    about["events"] = json.dumps(network.events, sort_keys=True)
    return arrays, about


def _network(arrays: dict[str, np.ndarray], about: dict[str, str], key: str, path: Path) -> Network:
    """A network from a verified file; Corrupt if it is whole but not what this key stands for, ForeignFormat."""
    if "format" not in about:
        raise Corrupt(f"{path} holds no network: it says no format")
    if about["format"] != FORMAT:
        raise ForeignFormat(path, about["format"])
    if about.get("key") != key:
        raise Corrupt(f"{path} holds the network {quoted(about.get('key'), 80)}")
    try:
        network = Network(
            key=key,
            status=about["status"],  # type: ignore[arg-type]
            step=int(about["step"]),
            rows={int(name[4:]): array for name, array in arrays.items() if name.startswith("row/")},
            losses=arrays["losses"],
            mask=arrays["mask"].astype(bool) if "mask" in arrays else None,
            measured=dict(_measured(arrays)),
            events={str(name): int(step) for name, step in json_of(about.get("events", "{}")).items()},
            machine=path.parent.name,
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Corrupt(f"{path} holds no network: {error!r}") from None
    if fault := _fault(network, partial="theta" in arrays):
        raise Corrupt(f"{path} holds no network: {fault}")
    return network


def _partial(arrays: dict[str, np.ndarray], about: dict[str, str], key: str, path: Path) -> Partial:
    """A member from a verified file; Corrupt if its state does not fit its row, which fused kernels do not check."""
    network = _network(arrays, about, key, path)
    state = {name[6:]: value for name, value in arrays.items() if name.startswith("state/")}
    partial = Partial(key, int(about["at"]), arrays["theta"], state, network)
    row = network.rows[0]
    if any(array.shape != row.shape or array.dtype != row.dtype for array in (partial.theta, *state.values())):
        raise Corrupt(f"{path} holds no member: its state has another shape than its row")
    if not np.isfinite(partial.theta).all() or partial.step < 1 or len(network.losses) != partial.step:
        raise Corrupt(f"{path} holds no member: its row or its history is not that of step {partial.step}")
    return partial


def _measured(arrays: dict[str, np.ndarray]) -> Iterator[tuple[str, dict[int, float]]]:
    for name, steps in arrays.items():
        if name.startswith("steps/"):
            label = name.removeprefix("steps/")
            values = arrays[f"values/{label}"]
            if steps.ndim != 1 or steps.dtype.kind != "i" or values.dtype.kind != "f" or values.shape != steps.shape:
                raise ValueError(f"{label} has no value for each step")
            yield label, dict(zip(steps.tolist(), values.tolist(), strict=True))


def _fault(network: Network, *, partial: bool) -> str:
    """What is impossible about a network, empty if nothing is."""
    rows = list(network.rows.values())
    if network.status not in get_args(Status):
        return f"there is no status {network.status!r}"
    if 0 not in network.rows or min(network.rows) < 0 or (network.step not in network.rows and not partial):
        return "its first or last row is missing"
    if any(row.ndim != 1 or row.dtype.kind != "f" or row.shape != rows[0].shape for row in rows):
        return "its rows are not of one length"
    if len({row.dtype for row in rows}) > 1 or not all(np.isfinite(row).all() for row in rows):
        return "its rows are not finite numbers of one type"
    if network.losses.ndim != 1 or network.losses.dtype.kind != "f":
        return "its losses are no list of numbers"
    if network.mask is not None and network.mask.shape != rows[0].shape:
        return "its mask has another length than its rows"
    if not set(network.events.values()) <= network.rows.keys():
        return "an event names a row that is missing"
    return ""
