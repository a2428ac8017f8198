"""What every optimizer must be for its members not to meet: rows in place, nothing hidden, nothing from the crowd."""

from __future__ import annotations

import copy

import pytest
import torch

from expzoo.config.registry import available, build, declared

MEMBERS, SIZE, STEPS = 7, 192, 5
RATE = 0.05


@pytest.fixture(params=available("optimizer"))
def name(request):
    return request.param


@pytest.fixture(params=["default", "decay"])
def options(name, request):
    """The defaults, and all that shrinks or moves weights switched on."""
    known = declared("optimizer", name).options
    stronger = {"weight_decay": 0.1, "momentum": 0.9} if request.param == "decay" else {}
    return {key: value for key, value in stronger.items() if key in known}


@pytest.fixture
def optimizer(name, options):
    return build("optimizer", name, **options)


def drawn(seed, dtype=torch.float32, members=MEMBERS):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(members, SIZE, generator=generator, dtype=dtype)


def blank(optimizer, theta):
    return {name: torch.zeros_like(theta) for name in optimizer.state}


def move(optimizer, theta, grad, state, rate, step, rows=slice(None)):
    """One step, with noise for those that ask for it: none where there is no gradient."""
    extra = {"noise": drawn(200 + step, theta.dtype)[rows] * (grad != 0)} if getattr(optimizer, "noisy", False) else {}
    optimizer.step(theta, grad, state | extra, rate, torch.full((), float(step)))


def advance(optimizer, theta, state, steps, rows=slice(None)):
    """Steps with the gradients of these rows of the crowd."""
    for step in steps:
        move(optimizer, theta, drawn(100 + step, theta.dtype)[rows].contiguous(), state, RATE / step, step, rows)
    return theta


def trained(optimizer, dtype=torch.float32, rows=slice(None)):
    theta = drawn(0, dtype)[rows].contiguous()
    return advance(optimizer, theta, blank(optimizer, theta), range(1, STEPS + 1), rows)


def test_it_says_its_rate_and_names_its_state_once(name):
    optimizer = build("optimizer", name, lr=0.125)
    assert optimizer.lr == 0.125
    assert isinstance(optimizer.state, tuple)
    assert len(set(optimizer.state)) == len(optimizer.state)
    assert all(isinstance(matrix, str) for matrix in optimizer.state)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_moves_theta_in_place(optimizer, dtype):
    theta = drawn(0, dtype)
    address, before = theta.data_ptr(), theta.clone()
    advance(optimizer, theta, blank(optimizer, theta), [1])
    assert theta.data_ptr() == address
    assert theta.dtype == dtype
    assert (theta != before).float().mean() > 0.99


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_row_is_the_same_in_every_crowd(optimizer, dtype):
    whole = trained(optimizer, dtype)
    for rows in (slice(0, 1), slice(6, 7), slice(1, 3), slice(2, 7)):
        assert torch.equal(trained(optimizer, dtype, rows), whole[rows])


def test_rows_of_one_matrix_may_be_moved_one_after_the_other(optimizer):
    """As in a population whose members have other rates: each run of rows is a view of theta."""
    whole = trained(optimizer)
    theta = drawn(0)
    state = blank(optimizer, theta)
    for rows in (slice(4, 7), slice(0, 1), slice(1, 4)):
        advance(optimizer, theta[rows], {key: value[rows] for key, value in state.items()}, range(1, STEPS + 1), rows)
    assert torch.equal(theta, whole)


def test_what_is_pruned_or_padding_stays_zero(optimizer):
    theta, hole = drawn(0), slice(10, 90)
    theta[:, hole] = 0
    state = blank(optimizer, theta)
    for step in range(1, STEPS + 1):
        grad = drawn(100 + step)
        grad[:, hole] = 0
        move(optimizer, theta, grad, state, RATE, step)
    assert not theta[:, hole].any()
    assert theta[:, :10].all()


def test_its_whole_memory_is_its_state(optimizer, name, options):
    """A resumed member has its state matrices and a new optimizer object."""
    theta = drawn(0)
    state = blank(optimizer, theta)
    advance(optimizer, theta, state, range(1, 3))
    theta, state = theta.clone(), copy.deepcopy(state)
    advance(build("optimizer", name, **options), theta, state, range(3, STEPS + 1))
    assert torch.equal(theta, trained(optimizer))


def test_a_rate_of_zero_leaves_the_weights_alone(optimizer):
    theta = drawn(0)
    state = blank(optimizer, theta)
    for step in range(1, STEPS + 1):
        move(optimizer, theta, drawn(100 + step), state, 0.0, step)
    if "shift" in state:  # rows are places near the weights, whose sums are rounded
        torch.testing.assert_close(theta - state["shift"], drawn(0), rtol=0, atol=1e-5)
    else:
        assert torch.equal(theta, drawn(0))


def test_what_is_not_finite_stays_in_its_row(optimizer):
    whole = trained(optimizer)
    theta = drawn(0)
    state = blank(optimizer, theta)
    for step in range(1, STEPS + 1):
        grad = drawn(100 + step)
        grad[3, 50 + step] = [float("nan"), float("inf")][step % 2]
        move(optimizer, theta, grad, state, RATE / step, step)
    assert torch.equal(theta[[0, 1, 2, 4, 5, 6]], whole[[0, 1, 2, 4, 5, 6]])
    assert not theta[3].isfinite().all()
