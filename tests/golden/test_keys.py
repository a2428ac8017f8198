"""Keys of networks that stores already hold.

A literal here may change only together with the numbers of its network, that is when ENGINE_VERSION
(`config/versions.py`) or the CACHE_VERSION of a plugin in it is raised, or when such a plugin gains
or loses an option. Any other change makes every stored network worthless in silence.
"""

from __future__ import annotations

import pytest

from expzoo.spec.component import Component
from expzoo.spec.spec import Magnitude, Permuted, RandomMask, Rewind, Spec

DENSE = Spec(
    dataset=Component.of("dataset", "mnist1d", draw="member", test_size=10000),
    model=Component.of("model", "mlp", width=300),
    optimizer=Component.of("optimizer", "adam", lr=0.02),
    schedule=Component.of("schedule", "constant"),
    loss=Component.of("loss", "cross_entropy"),
    stop=Component.of("stop", "steps", steps=1500),
    seed=8233720935374361204,
)
LEVEL_1 = DENSE.replace(mask=Magnitude(DENSE, 0.2))
LEVEL_2 = DENSE.replace(mask=Magnitude(LEVEL_1, 0.36))

KEYS = {
    "dense": (DENSE, "df0496fbb8e1c84b20258c9a93db5aba2e39a344371bebda7eecac6355063ce1"),
    "ticket of level 2": (LEVEL_2, "ac2ad344085079e70e09488c82db60902f5692453ee07845730a3d301b23a657"),
    "nested random mask": (
        DENSE.replace(mask=RandomMask(0.36, 2, within=RandomMask(0.2, 2))),
        "90e8d4cd0b847e086227a212d12d9a4e38c1b9a275c01063c7032911685679dc",
    ),
    "global mask, rewound to step 100": (
        DENSE.replace(init=Rewind(DENSE, 100), mask=Magnitude(DENSE, 0.2, "global", biases=False)),
        "b01b9459a370a95966cc96459f5d2a023f7e8525c6a86a9ee9c04d1f792cfe57",
    ),
    "mask with half the rate in the last layer": (
        DENSE.replace(mask=Magnitude(DENSE, 0.2, biases=False, last=0.1)),
        "fc45dd6d2b163be1261eef0d1641a005ed3573ea90a5fef7bc3a050eb4977092",
    ),
    "permuted mask": (
        DENSE.replace(mask=Permuted(Magnitude(LEVEL_1, 0.36), draw=1)),
        "34e0e13dacb502e189a0a45845246d0d1217794ae5d5150592474abf8af1c62c",
    ),
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.check("R19")
def test_keys_that_stores_hold(name: str) -> None:
    spec, key = KEYS[name]
    assert spec.key == key, f"the key of {spec.canonical()}"
