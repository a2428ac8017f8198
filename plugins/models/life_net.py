"""The convolutional network that could play the Game of Life, and wider and deeper ones."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from expzoo.analysis.studies.life.rules import CONWAY, KERNEL, Neighbourhood
from expzoo.plugin import Activation, Count, Positive, register
from expzoo.plugin import activation as activation_function

CENTRE = 0.5  # what the cell itself counts, against 1 for a neighbour: alive next means a sum of 2.5, 3 or 3.5
DROPOUT = 0.4


@register
class LifeNet(nn.Module):
    """For each step a convolution of 3 x 3 with 2m filters, one of 1 x 1 with m, and one of 1 x 1 that gives the board.

    With m = 1 these are 25 parameters a step, and hand-set weights compute Conway's and the essay's
    rule exactly (`solve`). Firner 2023, "Large DNNs look good, but they may be fooling us";
    github.com/bfirner/dnn_game_of_life, `gameoflifemodels.py`. Springer & Kenyon 2020 (arXiv
    2009.01398) have the last convolution once only, after all steps: 2n + 1 layers, 23n + 2
    parameters.

    Args:
        steps: steps of the game to predict.
        m_factor: m, how many times wider than the smallest network.
        d_factor: how many times deeper: floor(steps * d_factor) blocks, so that 1.5 changes nothing for one step.
        activation: what follows each convolution but the last.
        output: the script's plain output, an activation whose result is clamped to [0, 1], or a sigmoid instead.
        form: three layers a step, or two and one more.
        edge: zeros around the board, or a torus.
        normalize: the script's option of this name as it really is: weights N(0, 0.02), biases
            U(-1, 1), channel-wise dropout after the wide convolution of every block but the last,
            and a sigmoid. The shift by 0.5 that its text announces is never run there.
    """

    SIZE, READS, LOSS = "m_factor", ("board",), "bce_of_probabilities"
    CACHE_VERSION = 1

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        steps: Count = 1,
        m_factor: Count = 1,
        d_factor: Positive = 1.0,
        activation: Activation = "relu",
        output: Literal["clamp", "sigmoid"] = "clamp",
        form: Literal["firner", "springer"] = "firner",
        edge: Literal["dead", "torus"] = "dead",
        normalize: bool = False,
    ) -> None:
        super().__init__()
        if len(inputs) != 3 or inputs[0] != 1 or math.prod(inputs) != outputs:
            raise ValueError(f"life_net maps boards (1, height, width) to boards, not {inputs} to {outputs} outputs")
        if (blocks := math.floor(steps * d_factor)) < 1:
            raise ValueError(f"d_factor {d_factor} leaves no layer of {steps} steps")
        if normalize and output != "sigmoid":
            raise ValueError("normalize ends in a sigmoid: give output=sigmoid")
        self.steps = steps
        self.form = form
        self.output = output
        self.edge = edge
        made = (self._block(block, blocks, m_factor, activation, normalize=normalize) for block in range(blocks))
        self.blocks = nn.ModuleList(made)
        self.last = nn.Identity() if form == "firner" else nn.Conv2d(m_factor, 1, 1)
        if normalize:
            for layer in self.convolutions():
                nn.init.normal_(layer.weight, std=0.02)
                nn.init.uniform_(layer.bias, -1.0, 1.0)

    def _block(self, block: int, blocks: int, m: int, activation: str, *, normalize: bool) -> nn.Sequential:
        """The layers of one step."""
        padding: Any = "circular" if self.edge == "torus" else "zeros"
        three, is_last = self.form == "firner", block + 1 == blocks
        before = 1 if three or block == 0 else m
        wide = nn.Conv2d(before, 2 * m, KERNEL, padding=KERNEL // 2, padding_mode=padding)
        layers: list[nn.Module] = [wide, *[nn.Dropout2d(DROPOUT)] * (normalize and not is_last)]
        layers += [activation_function(activation), nn.Conv2d(2 * m, m, 1), activation_function(activation)]
        layers += [nn.Conv2d(m, 1, 1)] * three
        layers += [activation_function(activation)] * (three and not (is_last and self.output == "sigmoid"))
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Whether each cell lives, (batch, height * width) from 0 to 1, for boards (batch, 1, height, width)."""
        for block in self.blocks:
            x = block(x)
        x = self.last(x).flatten(1)
        return x.sigmoid() if self.output == "sigmoid" else x.clamp(0, 1)

    def convolutions(self, block: int | None = None) -> list[Any]:
        """The convolutions of one block in order, or of the whole network."""
        return _convolutions(self if block is None else self.blocks[block])

    def solve(self, name: str, dataset: Any, layers: tuple[int, ...] = ()) -> None:
        """Set the weights of these blocks, by default of all, to the known solution; filters in excess become zero.

        Raises:
            ValueError: nothing of this name is known, or the dataset is another game than B3/S23,
                or asks for another number of steps than the network has blocks, or there is no such
                block.
        """
        world = getattr(dataset, "world", None)
        if name != "life" or world is None:
            raise ValueError(f"life_net knows the solution of life on the dataset life, not of {name!r}")
        if dataset.rule != CONWAY:
            raise ValueError(f"the known solution of life is that of the rule {CONWAY}, not {dataset.rule}")
        if {len(self.blocks), self.steps} != {world.steps} or self.edge != world.edge:
            seen = f"{len(self.blocks)} blocks for {world.steps} steps, edges {self.edge} and {world.edge}"
            raise ValueError(f"the known solution has a block for each step and the edge of the boards, not {seen}")
        if unknown := [layer for layer in layers if layer not in range(len(self.blocks))]:
            raise ValueError(f"layers {unknown} cannot be presolved: there are blocks 0 to {len(self.blocks) - 1}")
        with torch.no_grad():
            for block in layers or range(len(self.blocks)):
                self._solve_block(block, world.neighbourhood)

    def _solve_block(self, block: int, neighbourhood: Neighbourhood) -> None:
        """The weights of Firner's essay; without a third layer, ones that give 0 and 1 after two."""
        wide, narrow, *third = self.convolutions(block)
        is_last = block + 1 == len(self.blocks)
        third += _convolutions(self.last) if is_last else []
        for layer in (wide, narrow, *third):
            layer.weight.zero_()
            layer.bias.zero_()
        counted = torch.zeros(KERNEL, KERNEL)
        counted[1, :] = counted[:, 1] = 1.0
        if neighbourhood == "moore":
            counted[:] = 1.0
        counted[1, 1] = CENTRE
        sharp = 10 if is_last and self.output == "sigmoid" else 1
        if self.form == "firner":
            wide.weight[:2, 0], wide.bias[:2] = counted, torch.tensor([-2.0, -3.5])
            narrow.weight[0, :2, 0, 0], narrow.bias[0] = torch.tensor([-2.0, 10.0]), 1.0
            third[0].weight[0, 0], third[0].bias[0] = -2.0 * sharp, 1.0 * sharp
            return
        wide.weight[0, 0], wide.weight[1, 0], wide.bias[:2] = -counted, counted, torch.tensor([2.5, -3.5])
        narrow.weight[0, :2, 0, 0], narrow.bias[0] = torch.tensor([-2.0, -2.0]), 1.0
        for layer in third:
            layer.weight[0, 0], layer.bias[0] = (20.0, -10.0) if self.output == "sigmoid" else (1.0, 0.0)


def _convolutions(part: nn.Module) -> list[Any]:
    return [layer for layer in part.modules() if isinstance(layer, nn.Conv2d)]
