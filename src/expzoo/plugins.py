"""The import name of every plugin of every home: `expzoo.plugins.models.mlp`, in a checkout and in a wheel alike."""

from __future__ import annotations

from collections.abc import Iterator

from expzoo.config.homes import homes


class _Folders:
    """The plugin folders of all homes, looked up anew each time, because the working directory may change."""

    def __iter__(self) -> Iterator[str]:
        return (str(home.plugins) for home in homes() if home.plugins)


__path__ = _Folders()
