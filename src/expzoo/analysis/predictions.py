"""What trained networks predict, for analyses that work after training: logits and labels of whole splits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from expzoo.components.metrics import class_logits, outputs_are_probabilities
from expzoo.engine.evaluation import Evaluator
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.randomness import stable_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float, Int

    from expzoo.lab.trained import Trained
    from expzoo.spec.spec import Spec


class Predictions:
    """Forward passes network by network, exactly as while training; of models of any sizes, one after the other."""

    def __init__(self) -> None:
        self._evaluator = Evaluator()

    def logits(self, network: Trained, split: str) -> Float[np.ndarray, "n classes"]:
        """What a network gives on a split in float64; those of its last finite row if it diverged.

        Of one output alone, the logits of both classes.
        """
        spec = network.spec
        with exact_arithmetic():
            row = torch.from_numpy(network.row().copy())
            outputs = self._evaluator.outputs(spec, row, split)
        if outputs.shape[1] == 1:
            blueprints = self._evaluator.blueprints
            with outputs_are_probabilities(blueprints.plugin(spec.loss).of_probabilities):
                outputs = class_logits(outputs, blueprints.split(spec, split)[1])
        return outputs.double().numpy()

    def pool(self, networks: Sequence[Trained], split: str) -> Float[np.ndarray, "members n classes"]:
        """The logits of networks that see the same data in float64."""
        return np.stack([self.logits(network, split) for network in networks])

    def labels(self, network: Trained, split: str) -> Int[np.ndarray, " n"]:
        """The labels of a split as the network sees it, int64."""
        spec = network.spec
        return self._evaluator.blueprints.split(spec, split)[1].numpy()


def has_validation(base: Spec) -> bool:
    """Whether the data have a validation split that is not empty."""
    try:
        return len(base.dataset.build().split("validation", base.seed)) > 0
    except (ValueError, KeyError, NotImplementedError):
        return False


def ensemble(base: Spec, replicate: int, size: int, start: int = 0) -> list[Spec]:
    """Members start..start+size-1 of one replicate: the same data, each with its own initialisation and order.

    Where members draw their own data (draw=member), it is the replicate that does, so that replicates stay independent.
    """
    options = dict(base.dataset.options)
    if options.get("draw") == "member":
        base = base.replace(dataset={"draw": "frozen", "seed": stable_hash(replicate, "data") % 2**31})
    return [base.replace(seed=stable_hash(replicate, "ensemble", member)) for member in range(start, start + size)]
