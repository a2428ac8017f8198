"""No tensor of a population stays on the CPU when another device trains it: tried on torch's device without data.

Its kernels compute nothing, so that only shapes, types and devices are looked at; any mixture of devices fails.
"""

from __future__ import annotations

import pytest
import torch

from expzoo.engine.assembly import Assembler
from expzoo.engine.layers import convolution, dropout, pooling, recurrent
from expzoo.spec.component import Component
from expzoo.spec.spec import Fresh

OPERATIONS = (
    *(convolution.unfold, convolution.fold, pooling.window_sum, pooling.window_spread, pooling.window_largest),
    *(pooling.window_to_largest, recurrent.gru_forward, recurrent.gru_backward, dropout.keep),
)
part = Component.of
SETTINGS = {
    "adam": {"optimizer": part("optimizer", "adam")},
    "langevin": {"optimizer": part("optimizer", "sgld")},
    "sphere": {"optimizer": part("optimizer", "adamw"), "constraint": part("constraint", "sphere")},
    "frozen": {"parametrisation": part("parametrisation", "frozen", parameters=("*.bias",))},
    "subspace": {"parametrisation": part("parametrisation", "subspace"), "fixed": (Fresh(),)},
    "curve": {"parametrisation": part("parametrisation", "curve"), "fixed": (Fresh(), Fresh(1))},
}


@pytest.fixture(scope="module", autouse=True)
def shapes_only():
    """What torch's device without data lacks: our own operations' results, and one fused optimizer."""
    for operation in OPERATIONS:
        operation.register_fake(operation._init_fn)
    library = torch.library.Library("aten", "IMPL", "Meta")
    library.impl("_fused_sgd_", lambda *_, **__: None)
    yield
    library._destroy()


@pytest.mark.parametrize("model", ["mlp", "cnn1d", "gru", "logistic"])
@pytest.mark.parametrize("setting", list(SETTINGS))
@pytest.mark.check("D11")
def test_two_steps_of_a_population_mix_no_devices(base, model, setting):
    spec = base.replace(model=part("model", model), optimizer=part("optimizer", "sgd")).replace(**SETTINGS[setting])
    assembler = Assembler(device=torch.device("meta"))
    population = assembler.program([assembler.trainee(s, {}) for s in (spec, spec.replace(seed=1))])
    population.advance(0, 2)
    population.restore(population.snapshot().select([0], 2))
    assert population.theta.device.type == "meta"


def test_a_module_left_on_the_cpu_is_noticed_here(base, monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, *_, **__: self)
    with pytest.raises(RuntimeError, match="not on the expected device"):
        Assembler(device=torch.device("meta")).probe([base, base.replace(seed=1)])
