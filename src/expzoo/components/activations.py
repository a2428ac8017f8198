"""Activation functions by name, each an ordinary module of torch.

A population goes through pointwise functions on padded memory, so that each of them gives a member
the same bits in any crowd, whatever its kernel does at the end of a vector. A plugin takes one by
name with the annotation `expzoo.config.options.Activation`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from expzoo.components import learned_activations
from expzoo.system.errors import nearest

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "celu": nn.CELU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "gelu_tanh": partial(nn.GELU, approximate="tanh"),
    "hardsigmoid": nn.Hardsigmoid,
    "hardswish": nn.Hardswish,
    "hardtanh": nn.Hardtanh,
    "identity": nn.Identity,
    "leaky_relu": nn.LeakyReLU,  # slope 0.01
    "log_sigmoid": nn.LogSigmoid,
    "mish": nn.Mish,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "selu": nn.SELU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,  # swish with its factor at 1
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "tanh": nn.Tanh,
    "tanhshrink": nn.Tanhshrink,
}


def activation(name: str) -> nn.Module:
    """A new module for this function, without parameters; ValueError if there is none of that name."""
    if name.startswith(learned_activations.PREFIX):
        return learned_activations.activation(name)
    if name not in ACTIVATIONS:
        raise ValueError(f"no activation function is called {name}: {nearest(name, ACTIVATIONS)}")
    return ACTIVATIONS[name]()
