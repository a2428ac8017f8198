"""The engine against plain PyTorch: an ordinary module, autograd, torch.optim, one network at a time."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.signals import models_of_signals
from torch.func import functional_call, grad, jacrev, replace_all_batch_norm_modules_, vmap
from torch.nn import functional

from expzoo.config.registry import available, build
from expzoo.engine.assembly import Assembler
from expzoo.lab.request import Request
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure
from expzoo.spec.spec import RandomMask
from expzoo.spec.when import at
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.randomness import stable_hash

STEPS = 20
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}

PLAIN_LOSSES = {
    "cross_entropy": functional.cross_entropy,
    "mse": lambda outputs, labels: functional.mse_loss(outputs, functional.one_hot(labels, 10).to(outputs)),
}

PLAIN_OPTIMIZERS = {
    "sgd": lambda weights, o: torch.optim.SGD(
        weights, lr=o["lr"], momentum=o["momentum"], weight_decay=o["weight_decay"], nesterov=o["nesterov"]
    ),
    "adam": lambda weights, o: torch.optim.Adam(
        weights, lr=o["lr"], betas=(o["beta1"], o["beta2"]), eps=o["eps"], weight_decay=o["weight_decay"]
    ),
    "adamw": lambda weights, o: torch.optim.AdamW(
        weights, lr=o["lr"], betas=(o["beta1"], o["beta2"]), eps=o["eps"], weight_decay=o["weight_decay"]
    ),
    "rmsprop": lambda weights, o: torch.optim.RMSprop(
        weights, lr=o["lr"], alpha=o["alpha"], eps=o["eps"], momentum=o["momentum"], weight_decay=o["weight_decay"]
    ),
}

SETTINGS = [
    ("sgd", {"lr": 0.05}),
    ("sgd", {"lr": 0.05, "momentum": 0.0}),
    ("sgd", {"lr": 0.05, "momentum": 0.8, "weight_decay": 0.02, "nesterov": True}),
    ("adam", {}),
    ("adam", {"lr": 0.003, "beta1": 0.8, "beta2": 0.99, "eps": 1e-6, "weight_decay": 0.02}),
    ("adamw", {"weight_decay": 0.1}),
    ("rmsprop", {"momentum": 0.5, "weight_decay": 0.02}),
]


def plain_loop(spec, trained, steps=STEPS):
    """The weights and the batch losses of one network, in the most ordinary way, from the same start and batches."""
    dtype = getattr(torch, spec.dtype)
    module, dataset = trained.module(0), spec.dataset.build()
    split, batches = dataset.split("train", spec.seed), dataset.indices(spec.seed, 0, steps)
    options = dict(spec.optimizer.options)
    optimizer = PLAIN_OPTIMIZERS[spec.optimizer.name](module.parameters(), options)
    schedule, length = spec.schedule.build(), spec.stop.build().at_most
    masks = {} if trained.mask is None else {k: torch.tensor(v) for k, v in trained.masks().items()}
    losses = []
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = options["lr"] * schedule.factor(step, length)
        outputs = module(torch.tensor(split.x[batch], dtype=dtype))
        loss = PLAIN_LOSSES[spec.loss.name](outputs, torch.tensor(split.y[batch]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for name, mask in masks.items():
                module.get_parameter(name).mul_(mask)
        losses.append(loss.item())
    return {name: value.detach().numpy() for name, value in module.named_parameters()}, np.array(losses)


def relative_error(found, expected):
    return np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-300)


def compare(spec, trained):
    assert not trained.diverged
    weights, losses = plain_loop(spec, trained)
    tolerance = TOLERANCE[spec.dtype]
    for name, value in trained.parameters().items():
        assert value.dtype == spec.dtype
        assert relative_error(value, weights[name]) < tolerance, name
    assert relative_error(trained.losses, losses) < tolerance
    assert relative_error(trained.row(), trained.row(0)) > 100 * tolerance


@pytest.fixture(params=TOLERANCE)
def short(base, request):
    """The small network for 20 steps, in both precisions."""
    return base.replace(stop={"steps": STEPS}, dtype=request.param)


@pytest.mark.parametrize(("name", "options"), SETTINGS)
@pytest.mark.check("D9")
def test_training_is_that_of_a_plain_loop(short, open_lab, name, options):
    spec = short.replace(optimizer=Component.of("optimizer", name, **options))
    members = [spec, spec.replace(seed=1), spec.replace(seed=2, mask=RandomMask(0.5))]
    for member, trained in zip(members, open_lab().train(Request(tuple(members), steps=(0,))), strict=True):
        compare(member, trained)


@pytest.mark.parametrize("loss", PLAIN_LOSSES)
@pytest.mark.parametrize("model", [{"depth": 1}, {"depth": 3}, {"residual": False}, {"width": 37}, {"width": 1}])
@pytest.mark.check("D9")
def test_training_is_that_of_a_plain_loop_for_other_shapes_and_losses(base, open_lab, loss, model):
    spec = base.replace(
        stop={"steps": STEPS},
        dtype="float64",
        model=model,
        loss=Component.of("loss", loss),
        optimizer=Component.of("optimizer", "sgd"),
    )
    [trained] = open_lab().train(Request((spec,), steps=(0,)))
    compare(spec, trained)


@pytest.mark.usefixtures("blas")
def test_training_is_that_of_a_plain_loop_by_either_library_and_for_large_products(base, open_lab):
    spec = base.replace(stop={"steps": STEPS}, dataset={"batch_size": 100}, model={"width": 220})
    spec = spec.replace(optimizer=Component.of("optimizer", "sgd"))
    for member in (spec, spec.replace(dtype="float64")):
        [trained] = open_lab(member.dtype).train(Request((member,), steps=(0,)))
        compare(member, trained)


@pytest.mark.parametrize("name", available("schedule"))
def test_every_schedule_sets_the_rate_of_each_step(short, open_lab, name):
    schedule = Component.of("schedule", name)
    [trained] = open_lab().train(Request((short.replace(schedule=schedule),), steps=(0,)))
    compare(short.replace(schedule=schedule), trained)


class Halving:
    """A rate that no two steps share."""

    batches = None

    def factor(self, step, steps):
        return 2.0 ** (-step / steps)


def test_members_of_one_population_may_have_schedules_of_their_own(base):
    base = base.replace(dtype="float64", stop={"steps": STEPS})
    assembler, schedules = Assembler(), [build("schedule", "constant"), Halving(), build("schedule", "constant")]
    trainees = [assembler.trainee(base, {}, None, frozenset(), ()) for _ in schedules]
    for trainee, schedule in zip(trainees, schedules, strict=True):
        plain = build("optimizer", "sgd", lr=0.1, momentum=0.0)
        trainee.member = replace(trainee.member, optimizer=plain, schedule=schedule)
    with exact_arithmetic():
        program = assembler.program(trainees)
        start = program.theta[0].clone()
        program.advance(0, 1)
        first = program.theta.clone() - start
        program.advance(1, 2)
        second = program.theta - start - first
    assert torch.equal(first[0], first[1])  # 2 ** 0
    assert torch.equal(second[0], second[2])
    torch.testing.assert_close(second[1], second[0] * 2 ** (-1 / STEPS), rtol=1e-10, atol=1e-14)


def test_the_first_row_is_the_modules_own_initialisation(base, open_lab):
    before = torch.random.get_rng_state()
    [trained] = open_lab().train(Request((base,), steps=(0,)))
    assert torch.equal(torch.random.get_rng_state(), before)
    with torch.random.fork_rng():
        torch.manual_seed(stable_hash(base.seed, "init", 0))
        own = base.model.build((40,), 10)
    for name, value in trained.parameters(0).items():
        assert np.array_equal(value, own.get_parameter(name).detach().numpy())


def test_float64_starts_from_the_same_weights(base, open_lab):
    single, double = open_lab().train(Request((base, base.replace(dtype="float64")), steps=(0,)))
    assert np.array_equal(single.row(0).astype(np.float64), double.row(0))


def test_measures_are_those_of_a_plain_evaluation(base, open_lab, monkeypatch):
    monkeypatch.setattr("expzoo.engine.evaluation.BATCH", 64)
    spec = base.replace(dataset={"validation_size": 70})
    splits = ("train", "validation", "test", "fresh")
    measures = tuple(Measure(metric, split, at(0, 30)) for metric in ("accuracy", "loss") for split in splits)
    [trained] = open_lab().train(Request((spec,), measures, steps=(0, 30)))
    for name in splits:
        split = spec.dataset.build().split(name, spec.seed)
        for step in (0, 30, 60):
            with torch.no_grad():
                outputs, labels = trained.module(step)(torch.tensor(split.x)), torch.tensor(split.y)
            correct = (outputs.argmax(1) == labels).double().mean().item()
            assert trained.value("accuracy", name, step) == pytest.approx(100 * correct, abs=1e-9)
            loss = functional.cross_entropy(outputs.double(), labels).item()
            assert trained.value("loss", name, step) == pytest.approx(loss, rel=1e-5)


# One step by the tape and by torch.func, which knows nothing of it.


@pytest.mark.usefixtures("blas")
@pytest.mark.parametrize("loss", available("loss"))
@pytest.mark.parametrize("model", models_of_signals())
def test_the_tape_computes_the_gradient_of_torch_func(base, model, loss):
    dataset = base.dataset.replace(num_samples=5000) if model != "mlp" else base.dataset
    spec = base.replace(dtype="float64", model=Component.of("model", model), loss=Component.of("loss", loss))
    spec = spec.replace(dataset=dataset)
    assembler = Assembler()
    members = [assembler.trainee(spec.replace(seed=seed), {}, None, frozenset(), ()) for seed in range(3)]
    with exact_arithmetic():
        program = assembler.program(members)
        program.feed.prepare(3, 4)
        program.feed.load(3, program.x, program.y)
        program.tape.run()
    module, of = deepcopy(assembler.blueprints.module(spec)), spec.loss.build()
    replace_all_batch_norm_modules_(module)  # whose statistics a transformed function may not keep

    def objective(parameters, x, y):
        return of(functional_call(module, parameters, (x,)), y)

    expected = vmap(grad(objective))(program.layout.views(program.theta), program.x, program.y)
    for name, value in program.layout.views(program.grad).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-9, atol=1e-13)


# Losses.

HARD = [1.0, 30.0, 1e4]


def logits_and_labels(scale):
    generator = torch.Generator().manual_seed(0)
    outputs = scale * torch.randn(7, 10, generator=generator, dtype=torch.float64)
    outputs[0] = 0.0  # all classes tie
    outputs[1, 3] = outputs[1, 5] = outputs[1].max() + 1
    return outputs, torch.randint(0, 10, (7,), generator=generator)


@pytest.mark.parametrize("scale", HARD)
@pytest.mark.parametrize("name", PLAIN_LOSSES)
def test_losses_and_their_first_and_second_derivatives_are_those_of_torch(name, scale):
    outputs, labels = logits_and_labels(scale)
    own, plain = build("loss", name), PLAIN_LOSSES[name]
    assert own(outputs, labels).dim() == 0
    torch.testing.assert_close(own(outputs, labels), plain(outputs, labels), rtol=1e-12, atol=1e-12)
    for derivative in (grad, lambda loss: jacrev(grad(loss))):
        found, expected = (derivative(loss)(outputs, labels) for loss in (own, plain))
        assert found.isfinite().all()
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("smoothing", [0.1, 1.0])
def test_smoothed_labels_are_those_of_torch(smoothing):
    outputs, labels = logits_and_labels(3.0)
    own = build("loss", "cross_entropy", label_smoothing=smoothing)

    def plain(outputs, labels):
        return functional.cross_entropy(outputs, labels, label_smoothing=smoothing)

    torch.testing.assert_close(own(outputs, labels), plain(outputs, labels), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(grad(own)(outputs, labels), grad(plain)(outputs, labels), rtol=1e-10, atol=1e-14)


def test_squared_error_takes_dense_targets_too():
    outputs, _ = logits_and_labels(1.0)
    targets = outputs.flip(0)
    assert build("loss", "mse")(outputs, targets) == functional.mse_loss(outputs, targets)
