"""The colours that figures and pages share. In dark surroundings a page replaces exactly the four of `THEME`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

INK, MUTED, RULE, PAPER = "#1f2328", "#636c76", "#d8dee4", "#ffffff"
"""Text, secondary text, rules and background."""

THEME: Mapping[str, str] = MappingProxyType(
    {INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)", PAPER: "var(--paper)"}
)
OUTCOMES: Mapping[str, str] = MappingProxyType(
    {"supported": "#0b8a5f", "not supported": "#c2410c", "inconclusive": "#8a6100", "withheld": "#57606a"}
)
