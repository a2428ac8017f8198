"""The second derivative of the training loss of several networks: all of it, its eigenvalues, their density."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from expzoo.components.probes import KINK, MOST_DENSE
from expzoo.science.numerics.hessians import COLUMNS
from expzoo.science.numerics.kinks import has_kink
from expzoo.science.numerics.lanczos import top_eigenpairs
from expzoo.science.numerics.spectral_density import Quadrature, quadrature
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from jaxtyping import Float

    from expzoo.analysis.cohort import Cohort


class Curvature:
    """The Hessian of each member's training loss on a split, in float64, at the weights of a cohort.

    Vectors are rows, with the padding of the cohort's layout, whose entries are zero.
    """

    def __init__(self, cohort: Cohort, split: str = "train", examples: Sequence[int] | None = None) -> None:
        """BadInput if the cohort is not in float64, or if the loss has a kink at the weights of a member."""
        if cohort.dtype != torch.float64:
            dtype = str(cohort.dtype).removeprefix("torch.")
            raise BadInput(f"curvature in {dtype} drowns in rounding: make the cohort with dtype='float64'")
        self.cohort, self.split, self.examples = cohort, split, examples
        self.places = cohort.layout.places()
        self._hessians = cohort.hessians(split, examples)
        with exact_arithmetic():
            kinks = has_kink(lambda rows: cohort.grad(rows, split, examples), self._hessians, cohort.rows, self.places)
        if kinks.any():
            raise BadInput(f"network {cohort.networks[int(kinks.nonzero()[0])].key[:12]}: {KINK}")

    def products(self, vectors: Float[Tensor, "members size"]) -> Float[Tensor, "members size"]:
        """Each member's Hessian times its vector."""
        with exact_arithmetic():
            return self._hessians(vectors)

    def dense(self) -> Float[Tensor, "members parameters parameters"]:
        """All of each Hessian, without padding; BadInput beyond MOST_DENSE parameters."""
        if (count := len(self.places)) > MOST_DENSE:
            raise BadInput(f"a dense Hessian of {count} parameters: at most {MOST_DENSE}; take density() or top(k)")
        with exact_arithmetic():
            return self.cohort.hessians(self.split, self.examples, COLUMNS).dense(self.places)

    def eigenvalues(self) -> Float[Tensor, "members parameters"]:
        """All eigenvalues of each dense Hessian, largest first."""
        return torch.linalg.eigvalsh(self.dense()).flip(1)

    def top(self, k: int, tolerance: float = 1e-6) -> tuple[Tensor, Tensor]:
        """The k largest eigenvalues (members, k), largest first, and eigenvectors of unit length (members, k, size)."""
        pairs = []
        for member in range(len(self.cohort)):
            with exact_arithmetic():
                own = self.cohort[member].hessians(self.split, self.examples)
                size = self.cohort.layout.size
                pairs.append(top_eigenpairs(own.of_one, size, k, tolerance=tolerance))
        values, vectors = zip(*pairs, strict=True)
        return torch.stack(values), torch.stack(vectors)

    def density(self, steps: int = 80, samples: int = 1, seed: int = 0) -> Quadrature:
        """The density of each member's eigenvalues by stochastic Lanczos quadrature, all members at once."""
        count, size = self.cohort.rows.shape
        with exact_arithmetic():
            return quadrature(self._hessians, count, size, self.places, steps=steps, samples=samples, seed=seed)
