"""The same networks in JAX, as its users write them: jit of a scan over steps of a vmap over members, Adam by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax

if TYPE_CHECKING:
    import numpy as np

Parameters = dict[str, Any]
FIRST, SECOND, EPSILON = 0.9, 0.999, 1e-8


def _linear(p: Parameters, name: str, x: Any) -> Any:
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


def _convolution(p: Parameters, name: str, x: Any, axes: str, **options: Any) -> Any:
    numbers = (f"NC{axes}", f"OI{axes}", f"NC{axes}")
    y = lax.conv_general_dilated(x, p[f"{name}.weight"], dimension_numbers=numbers, **options)
    return y + p[f"{name}.bias"].reshape(-1, *(1 for _ in axes))


def mlp(p: Parameters, x: Any) -> Any:
    """Logits (batch, 10) for (batch, 40), as `plugins/models/mlp.py`."""
    h = jax.nn.relu(_linear(p, "first", x))
    h = h + jax.nn.relu(_linear(p, "hidden.0", h))
    return _linear(p, "last", h)


def cnn1d(p: Parameters, x: Any) -> Any:
    """Logits (batch, 10) for (batch, 40), as `plugins/models/cnn1d.py`."""
    h = x[:, None]
    for layer in (0, 2, 4):
        name = f"convolutions.{layer}"
        h = jax.nn.relu(_convolution(p, name, h, "L", window_strides=(2,), padding=[(1, 1)]))
    return _linear(p, "linear", h.reshape(len(h), -1))


def gru(p: Parameters, x: Any) -> Any:
    """Logits (batch, 10) for (batch, 40), as `plugins/models/gru.py`."""
    both = [_one_way(p, x[:, ::step], suffix)[:, ::step] for step, suffix in ((1, ""), (-1, "_reverse"))]
    states = jnp.concatenate(both, axis=-1)
    return _linear(p, "linear", states.reshape(len(states), -1))


def _one_way(p: Parameters, x: Any, suffix: str) -> Any:
    w, u = p[f"gru.weight_ih_l0{suffix}"], p[f"gru.weight_hh_l0{suffix}"]
    b, c = p[f"gru.bias_ih_l0{suffix}"], p[f"gru.bias_hh_l0{suffix}"]

    def advance(h: Any, driven: Any) -> tuple[Any, Any]:
        r, z, n = jnp.split(driven, 3, axis=-1)
        hr, hz, hn = jnp.split(h @ u.T + c, 3, axis=-1)
        update = jax.nn.sigmoid(z + hz)
        h = (1 - update) * jnp.tanh(n + jax.nn.sigmoid(r + hr) * hn) + update * h
        return h, h

    driven = jnp.moveaxis(x[..., None] @ w.T + b, 1, 0)
    _, states = lax.scan(advance, jnp.zeros((len(x), u.shape[1])), driven)
    return jnp.moveaxis(states, 0, 1)


def life_net(p: Parameters, x: Any) -> Any:
    """Probabilities (batch, cells) for boards (batch, 1, height, width), as `plugins/models/life_net.py`, leaky."""
    for layer, same in ((0, [(1, 1), (1, 1)]), (2, [(0, 0), (0, 0)])):
        name = f"blocks.0.{layer}"
        x = jax.nn.leaky_relu(_convolution(p, name, x, "HW", window_strides=(1, 1), padding=same))
    x = _convolution(p, "blocks.0.4", x, "HW", window_strides=(1, 1), padding=[(0, 0), (0, 0)])
    return jax.nn.sigmoid(x).reshape(len(x), -1)


def cross_entropy(outputs: Any, y: Any) -> Any:
    """The mean over the batch."""
    return -jnp.take_along_axis(jax.nn.log_softmax(outputs), y[:, None], axis=1).mean()


def bce_of_probabilities(outputs: Any, y: Any) -> Any:
    """The mean over batch and cells; logarithms end at -100, as in torch."""
    y = y.reshape(outputs.shape)
    logs = jnp.maximum(jnp.log(outputs), -100), jnp.maximum(jnp.log1p(-outputs), -100)
    return -(y * logs[0] + (1 - y) * logs[1]).mean()


class JaxSide:
    """Members of one model (stacked `parameters`), each with its order (members, steps, batch) of the examples x, y."""

    def __init__(
        self,
        model: str,
        loss: str,
        parameters: dict[str, np.ndarray],
        data: tuple[np.ndarray, np.ndarray],
        orders: np.ndarray,
        lr: float,
        *,
        one_by_one: bool = False,
    ) -> None:
        """`one_by_one` trains member after member inside the compiled program, instead of side by side."""
        forward, of = globals()[model], globals()[loss]
        x, y = map(jnp.asarray, data)

        def step(state: tuple[Any, Any, Any, Any], indices: Any) -> tuple[tuple[Any, Any, Any, Any], Any]:
            p, m, v, count = state
            value, g = jax.value_and_grad(lambda q: of(forward(q, x[indices]), y[indices]))(p)
            count = count + 1
            m = jax.tree.map(lambda a, b: FIRST * a + (1 - FIRST) * b, m, g)
            v = jax.tree.map(lambda a, b: SECOND * a + (1 - SECOND) * b * b, v, g)
            scale = lr * jnp.sqrt(1 - SECOND**count) / (1 - FIRST**count)
            p = jax.tree.map(lambda a, b, c: a - scale * b / (jnp.sqrt(c) + EPSILON), p, m, v)
            return (p, m, v, count), value

        def block(state: Any, order: Any) -> Any:
            return lax.scan(step, state, order)

        self._run: Callable[..., Any] = jax.jit(
            (lambda s, o: lax.map(lambda pair: block(*pair), (s, o))) if one_by_one else jax.vmap(block)
        )
        p = {name: jnp.asarray(value) for name, value in parameters.items()}
        zeros = jax.tree.map(jnp.zeros_like, p)
        self._state = (p, zeros, zeros, jnp.zeros(len(orders)))
        self._orders = jnp.asarray(orders)

    def losses(self) -> np.ndarray:
        """Train through the orders once; every batch loss before its step, (members, steps)."""
        self._state, losses = self._run(self._state, self._orders)
        return jax.device_get(losses)

    def __call__(self) -> float:
        """Seconds for all steps of all members."""
        start = time.perf_counter()
        self._state, losses = self._run(self._state, self._orders)
        losses.block_until_ready()
        return time.perf_counter() - start
