"""`python -m expzoo.analysis.studies.reproducibility.training`: one ordinary training, as many people write it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from expzoo.analysis.studies.reproducibility.children import end, told
from expzoo.spec.component import built

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from expzoo.spec.spec import Spec

DROPPED = 0.2  # of the inputs


class Dropped(nn.Module):
    """A network some of whose inputs are dropped while it is trained."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.dropout, self.module = nn.Dropout(DROPPED), module

    def forward(self, x: Tensor) -> Tensor:
        """Logits for a batch."""
        return self.module(self.dropout(x))


class Ordinary:
    """Data, network, loss and optimizer of a spec, every generator seeded, as an ordinary loop needs them."""

    def __init__(self, spec: Spec) -> None:
        torch.manual_seed(spec.seed % 2**31)
        self.dataset = spec.dataset.build()
        train, test = (self.dataset.split(name, spec.seed) for name in ("train", "test"))
        self.train = TensorDataset(torch.tensor(train.x), torch.tensor(train.y))
        self.test_x, self.test_y = torch.tensor(test.x), torch.tensor(test.y)
        self.network = Dropped(built(spec.model, self.dataset, spec.seed))
        self.loss: Callable[[Tensor, Tensor], Tensor] = spec.loss.build()
        rate = float(dict(spec.optimizer.options).get("lr", 0.001))  # type: ignore[arg-type]
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=rate)
        self.shuffled = torch.Generator().manual_seed(spec.seed % 2**31)

    def loader(self) -> DataLoader[Any]:
        """Batches in an order that its own seeded generator draws."""
        size = min(self.dataset.batch_size, len(self.train))
        return DataLoader(self.train, size, shuffle=True, generator=self.shuffled, drop_last=True)

    def batches(self) -> Iterator[list[Tensor]]:
        """Epoch after epoch."""
        while True:
            yield from self.loader()

    def step(self, batch: list[Tensor]) -> None:
        """One update."""
        self.optimizer.zero_grad()
        self.loss(self.network(batch[0]), batch[1]).backward()
        self.optimizer.step()

    def look(self) -> dict[str, np.ndarray]:
        """Weights, predictions of test examples and accuracy in per cent, now."""
        self.network.eval()
        with torch.no_grad():
            predicted = self.network(self.test_x).argmax(1)
        self.network.train()
        weights = torch.cat([value.detach().flatten() for value in self.network.parameters()])
        accuracy = 100 * (predicted == self.test_y).double().mean()
        return {"weights": weights.numpy(), "predictions": predicted.numpy(), "accuracy": accuracy.numpy()}


def by_torch(ordinary: Ordinary, steps: int, after: Callable[[int], None]) -> None:
    """The loop written out."""
    for step, batch in zip(range(1, steps + 1), ordinary.batches(), strict=False):
        ordinary.step(batch)
        after(step)


def by_lightning(ordinary: Ordinary, steps: int, after: Callable[[int], None], *, deterministic: bool = True) -> None:
    """The same by Lightning's Trainer."""
    from pytorch_lightning import LightningModule, Trainer

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = ordinary.network

        def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
            return ordinary.loss(self.network(batch[0]), batch[1])

        def on_train_batch_end(self, outputs: object, batch: object, batch_idx: int) -> None:
            after(self.global_step)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return ordinary.optimizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = Trainer(
            accelerator="cpu",
            devices=1,
            max_steps=steps,
            deterministic=deterministic,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Module(), ordinary.loader())


def main() -> None:
    """Train once and write what was seen."""
    with told() as (order, spec):
        torch.set_num_threads(order["threads"])
        torch.use_deterministic_algorithms(mode=True)
        ordinary, looks = Ordinary(spec), {*order["looks"]}
        if not order["seeded"]:
            torch.seed()  # of the operating system's: the one that somebody forgot
        seen = [ordinary.look()] if 0 in looks else []

        def after(step: int) -> None:
            if step in looks:
                seen.append(ordinary.look())

        (by_torch if order["loop"] == "torch" else by_lightning)(ordinary, max(looks), after)
        save_file({name: np.stack([one[name] for one in seen]) for name in seen[0]}, Path(order["to"]))


if __name__ == "__main__":
    end(main)
