"""The versions that keys and run ids hold besides those of the plugins."""

from __future__ import annotations

ENGINE_VERSION = 1
"""Raised when the numbers of every network change: randomness, initialisation, arithmetic."""

RESULTS_FORMAT = 1
"""Raised when what a run writes changes in meaning, so that old directories are not taken for new ones."""
