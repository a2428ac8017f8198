"""The version of the installed distribution, whose metadata only some commands need to read."""

from __future__ import annotations

from importlib.metadata import version

__version__ = version("expzoo")
