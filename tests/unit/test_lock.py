"""What a full installation takes: every package by its hash, and none that is known to be bad."""

from __future__ import annotations

import re

import pytest
from packaging.version import Version

from expzoo.config.homes import HOME

LOCK = (HOME / "requirements.lock").read_text(encoding="utf-8")
PACKAGES = re.findall(r"^([a-z0-9._-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", LOCK, re.MULTILINE)
LEAST = {"pytorch-lightning": "2.6.6", "torch": "2.10.0", "hydra-core": "1.3.8"}
"""Below, a file that is loaded can run code: CVE-2026-58659, CVE-2026-24747, GHSA-37p2-j732-x8pj."""

MALICIOUS = {
    "lightning": {"2.6.2", "2.6.3"},
    "pytorch-lightning": {"2.6.2", "2.6.3"},
    "litellm": {"1.82.7", "1.82.8"},
}
"""Releases that were malware (GHSA-w37p-236h-pfx3 and others)."""


@pytest.mark.check("S12")
def test_every_package_of_the_lock_has_a_hash() -> None:
    named = [line for line in LOCK.splitlines() if line and not line.startswith(("#", " "))]
    assert len(PACKAGES) == len(named) > 50
    assert len({name for name, *_ in PACKAGES}) == len(PACKAGES)


@pytest.mark.check("S12")
def test_no_package_of_the_lock_is_known_to_be_bad() -> None:
    versions = {name: version for name, version, _ in PACKAGES}
    for name, least in LEAST.items():
        assert Version(versions[name]) >= Version(least)
    assert not [name for name, bad in MALICIOUS.items() if versions.get(name) in bad]
