"""The versions that keys and run ids hold besides those of the plugins."""

from __future__ import annotations

ENGINE_VERSION = 1
"""Raised when the numbers of every network change: randomness, initialisation, arithmetic."""

RULES_VERSION = 2
"""Raised when the decision rules that all analyses share (science/) may give another verdict on the same records.

An analysis has a RULES_VERSION of its own. Runs that earlier rules judged are judged again from their records.
"""

RESULTS_FORMAT = 1
"""Raised when what a run writes changes in meaning, so that old directories are not taken for new ones."""
