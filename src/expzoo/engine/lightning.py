"""Lightning runs a session: one Lightning step is many optimizer steps, so its overhead is shared by all of them."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from lightning_fabric.plugins.environments import LightningEnvironment
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities.exceptions import SIGTERMException

from expzoo.system.arithmetic import exact_arithmetic

if TYPE_CHECKING:
    import torch

    from expzoo.engine.session import Session

logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
logging.getLogger("pytorch_lightning.trainer.connectors.signal_connector").setLevel(logging.WARNING)
logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)
logging.getLogger("lightning_fabric.utilities.distributed").setLevel(logging.WARNING)


class _Blocks:
    """The blocks (start, stop) of a session, as Lightning iterates over batches."""

    def __init__(self, blocks: list[tuple[int, int]]) -> None:
        self.blocks = blocks

    def __len__(self) -> int:
        return len(self.blocks)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self.blocks)


class PopulationModule(LightningModule):
    """Advances a session by one block of optimizer steps in each `training_step`."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.session = session

    def training_step(self, batch: tuple[int, int], batch_idx: int) -> None:
        """Run the block (start, stop)."""
        self.session.advance(*batch)
        if not self.session.active:
            self.trainer.should_stop = True

    def configure_optimizers(self) -> None:
        """The program has its own, on the rows of theta."""

    def transfer_batch_to_device(
        self, batch: tuple[int, int], device: torch.device, dataloader_idx: int
    ) -> tuple[int, int]:
        """A block is two numbers; the data are on the device already."""
        return batch


class AfterBlock(Callback):
    """Calls a function after each block."""

    def __init__(self, function: Callable[[Trainer, Session], None]) -> None:
        self.function = function

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """A block is done, at a step boundary."""
        if isinstance(pl_module, PopulationModule):
            self.function(trainer, pl_module.session)


KEEPING_SHARE = 0.02  # of the time goes into keeping partial results, at most


class KeepPartials(AfterBlock):
    """Hands over where the running members are every few seconds, or less often where keeping them takes long."""

    def __init__(self, keep: Callable[[Session], None], every_seconds: float) -> None:
        super().__init__(self.after_block)
        self.keep, self.every_seconds = keep, every_seconds
        self.next = time.monotonic() + every_seconds

    def after_block(self, trainer: Trainer, session: Session) -> None:
        """Keep them if it is time."""
        start = time.monotonic()
        if start >= self.next and session.active:
            self.keep(session)
            end = time.monotonic()
            self.next = end + max(self.every_seconds, (end - start) / KEEPING_SHARE)


def fit(session: Session, callbacks: list[Callback], accelerator: str = "cpu") -> None:
    """Run a session to its end, or until a callback stops it, on one device with exact arithmetic."""
    fit_module(PopulationModule(session), session.blocks, callbacks, accelerator)


def fit_module(
    module: LightningModule, blocks: list[tuple[int, int]], callbacks: list[Callback], accelerator: str = "cpu"
) -> None:
    """Run a module whose batches are blocks (start, stop), on one device with exact arithmetic."""
    with exact_arithmetic(), warnings.catch_warnings():
        # of loaders, of torch's private interfaces, of clusters that this process does not use
        warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
        trainer = Trainer(
            accelerator="gpu" if accelerator == "cuda" else "cpu",
            devices=1,
            max_epochs=1,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            plugins=[LightningEnvironment()],  # else it would take a job of SLURM's for its own, and its signals
        )
        with suppress(SIGTERMException):  # Lightning's own answer to SIGTERM; `interruption` has noted the signal
            trainer.fit(module, train_dataloaders=_Blocks(blocks))
