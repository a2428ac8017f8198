"""Products with a Hessian, which is never stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch.func import grad, jvp

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def hvp(
    function: Callable[[Tensor], Tensor], point: Float[Tensor, " size"], vector: Float[Tensor, " size"]
) -> Float[Tensor, " size"]:
    """The Hessian of `function` at `point` times `vector`: d/de grad f(w + e v) at e = 0.

    Pearlmutter 1994, "Fast exact multiplication by the Hessian": exact up to rounding, at the cost
    of about two gradients; forward mode over reverse mode, so that memory is that of a gradient.
    `function` maps (size,) to a 0-d tensor. At a kink, as of ReLU, it is that of the linear piece
    torch takes.

    >>> import torch
    >>> cubic = lambda w: (w**3).sum()
    >>> hvp(cubic, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))
    tensor([ 6., 12.])
    """
    return jvp(grad(function), (point,), (vector,))[1]
