"""What a model, a constraint and a parametrisation must be for a network not to notice the crowd it is trained in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from expzoo.config import registry
from expzoo.engine.adoption.proof import prove
from expzoo.engine.adoption.updates import look_at_constraint, rows
from expzoo.engine.assembly import Assembler
from expzoo.engine.blueprints import Blueprints
from expzoo.runs.contract.require import refusals_fail, require
from expzoo.spec.component import Component
from expzoo.spec.layout import ROW
from expzoo.spec.spec import Fresh, Spec
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.randomness import member_seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from expzoo.spec.contracts import Parametrisation
    from expzoo.spec.layout import Layout

BATCHES = (7, 33)
STEPS = 10
TOLERANCE = 1e-10  # of what the proof compares in float64, over STEPS steps


def check_model(component: Component, base: Spec) -> None:
    """Shapes, the same bits alone and in a crowd, and all that the proof of its adoption compares."""
    spec = fitting(component, base).replace(
        optimizer=Component.of("optimizer", "sgd"), stop=Component.of("stop", "steps", steps=STEPS)
    )
    check_adoption(spec)
    for batch in BATCHES:
        odd = spec.replace(dataset={"batch_size": batch}) if "batch_size" in dict(spec.dataset.options) else spec
        check_crowd(odd)


def fitting(component: Component, base: Spec) -> Spec:
    """The base with this model, on its own data or else on the first registered data whose examples it takes."""
    refusals = []
    for dataset in candidates(base):
        data = dataset.build()
        try:
            module = component.build(data.inputs, data.outputs)
            outputs = [module(torch.from_numpy(data.split("train", 0).x[:size].copy())) for size in (2, 5)]
        except (ValueError, TypeError, RuntimeError) as error:
            refusals.append(f"{dataset.name}: {error.__cause__ or error}")
            continue
        for size, given in zip((2, 5), outputs, strict=True):
            wanted = (size, data.outputs)
            require(tuple(given.shape) == wanted, f"gives outputs of shape {tuple(given.shape)}, not {wanted}")
        if data.split("train", 0).y.dtype == np.float32:  # no labels
            base = base.replace(loss=Component.of("loss", "mse"))
        return base.replace(dataset=dataset, model=component)
    raise AssertionError("takes the examples of no registered dataset; " + "; ".join(refusals))


def candidates(base: Spec) -> Iterator[Component]:
    """The data of the base, then every other dataset that needs neither options nor a download."""
    yield base.dataset
    for name in registry.available("dataset"):
        if name == base.dataset.name or registry.load("dataset", name).DOWNLOADS:
            continue
        if "???" not in map(str, registry.defaults("dataset", name)):
            yield Component.of("dataset", name)


def check_crowd(spec: Spec) -> None:
    """A member has the same bits alone as beside two others, whose seeds and learning rates differ."""
    rates = [spec.optimizer.option("lr", float) * factor for factor in (1.0, 0.5, 2.0)]
    crowd = [spec.replace(seed=member_seed(0, i), optimizer={"lr": rate}) for i, rate in enumerate(rates)]
    whole = trained(crowd)
    require(all(np.isfinite(row).all() for row in whole), "its weights are not finite after a few steps")
    require(not np.array_equal(whole[0], whole[1]), "members of different seeds have the same weights")
    batch = spec.dataset.build().batch_size
    for place in (0, 2):
        [alone] = trained(crowd[place : place + 1])
        require(np.array_equal(alone, whole[place]), f"trained alone it has other bits than in a crowd (batch {batch})")


def trained(specs: list[Spec]) -> list[np.ndarray]:
    """The rows of these networks, trained together for STEPS steps."""
    assembler = Assembler()
    with exact_arithmetic():
        members = [assembler.trainee(spec, {}) for spec in specs]
        program = assembler.program(members)
        program.advance(0, STEPS)
        return [program.row(place).theta.numpy() for place in range(len(specs))]


def check_adoption(spec: Spec) -> None:
    """The engine trains its model, with its loss, as an ordinary PyTorch loop does."""
    fault = prove(spec, size=(STEPS, BATCHES[-1]), tolerance=TOLERANCE)
    require(fault is None, fault.why if fault else "")


def check_constraint(component: Component, base: Spec) -> None:
    """Rows are projected in place, each by itself, to where projecting them again leaves them."""
    layout, constraint = Blueprints().layout(base), component.build()
    with refusals_fail():
        look_at_constraint(component, layout)
    whole = rows(layout.size, 3, layout)
    constraint.project(whole, layout)
    require(whole.isfinite().all(), "a projected row is not finite")
    again = whole.clone()
    constraint.project(again, layout)
    require(torch.allclose(again, whole, rtol=1e-5, atol=1e-7), "what was projected moves when it is projected again")
    check_crowd(base.replace(constraint=component))


def check_parametrisation(component: Component, base: Spec) -> None:
    """What is trained has a size, w is a function of each row by itself, and gradients are pulled back along it."""
    layout, chart = Blueprints().layout(base), component.build()
    require(isinstance(chart.maps, bool), f"maps is {chart.maps!r}, not true or false")
    require(isinstance(chart.num_fixed, int) and chart.num_fixed >= 0, f"num_fixed is {chart.num_fixed!r}, not a count")
    size, trainable = chart.size(layout), chart.trainable(layout)
    require(size > 0 and size % ROW == 0, f"size(layout) is {size}, not a multiple of {ROW}")
    if trainable is not None:
        fits = trainable.shape == (size,) and trainable.dtype == bool and trainable.any()
        require(fits, f"trainable(layout) is {trainable.shape} of {trainable.dtype}, not ({size},) of bool, some true")
    if chart.maps:
        check_map(chart, layout, size)
    else:
        require(size == layout.size, f"size(layout) is {size}, but without a map it is that of the weights")
    check_crowd(base.replace(parametrisation=component, fixed=tuple(Fresh(10 + i) for i in range(chart.num_fixed))))


def check_map(chart: Parametrisation, layout: Layout, size: int) -> None:
    """Shapes, rows by themselves, and `pull_back` against automatic differentiation."""
    fixed = rows(layout.size, 2 * chart.num_fixed, layout).double().view(2, chart.num_fixed, layout.size)
    first = rows(layout.size, 1, layout).double()[0]
    start = chart.start(first, fixed[0])
    require(start.shape == (size,), f"start gives {tuple(start.shape)}, not ({size},)")
    z, place = torch.stack([start, start]), torch.tensor([0.3, 0.8]).double()
    z[1] += 0.1 * rows(size, 1).double()[0]
    w: Tensor = chart.weights(z, fixed, place)
    require(w.shape == (2, layout.size), f"weights gives {tuple(w.shape)}, not (members, {layout.size})")
    alone = chart.weights(z[1:], fixed[1:], place[1:])
    require(torch.equal(alone[0], w[1]), "weights of a row alone have other bits than in a crowd")
    grad = rows(layout.size, 2, layout).double()
    derivative = torch.func.grad(lambda z: (chart.weights(z, fixed, place) * grad).sum())(z)
    pulled = chart.pull_back(grad, fixed, place)
    fits = pulled.shape == derivative.shape and torch.allclose(pulled, derivative, rtol=1e-9, atol=1e-12)
    require(fits, "pull_back is not the derivative of weights")
