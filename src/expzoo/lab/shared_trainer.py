"""One network trained by several processes together: what each of the workers does, and which networks fit."""

from __future__ import annotations

import time
import warnings
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from lightning_fabric.plugins.environments import LightningEnvironment
from pytorch_lightning import Trainer
from pytorch_lightning.strategies import ModelParallelStrategy
from pytorch_lightning.utilities.exceptions import SIGTERMException

from expzoo.engine.lightning import KEEPING_SHARE, AfterBlock, _Blocks
from expzoo.engine.session import Session
from expzoo.engine.sharded import ShardedProgram
from expzoo.engine.shared_step import SharedStep, SoloModule, step_on_rows
from expzoo.lab.lookup import Lookup
from expzoo.lab.resources import Resources
from expzoo.store.store import Store
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.errors import BadInput
from expzoo.system.machine import machine_class
from expzoo.system.signals import Interrupted

if TYPE_CHECKING:
    from expzoo.engine.program import Program
    from expzoo.lab.request import Want
    from expzoo.spec.spec import Spec
    from expzoo.store.network import Network


def solo_class(accelerator: str, strategy: str, processes: int) -> str:
    """The machine class of networks that so many processes have trained together."""
    return f"{machine_class(accelerator)}-{strategy}{processes}"


class SoloTrainer:
    """Trains networks one by one as process `rank` of several; the first one puts them into the store."""

    def __init__(
        self, root: Path, accelerator: str, strategy: str, rank: int, processes: int, partial_seconds: float
    ) -> None:
        self.strategy, self.rank, self.processes = strategy, rank, processes
        self.device = torch.device(accelerator, rank) if accelerator == "cuda" else torch.device("cpu")
        self.resources = Resources(
            Store(root, solo_class(accelerator, strategy, processes)),
            accelerator=accelerator,
            partial_seconds=partial_seconds,
            device=self.device,
        )
        self.lookup = Lookup(self.resources)
        self._next = time.monotonic() + partial_seconds

    def train(self, wants: dict[str, Want]) -> None:
        """Train these networks, whose sources are in the store; Interrupted if a signal asked to stop."""
        for want in wants.values():
            with self.resources.interruption.listening(), exact_arithmetic():
                self._train(want)
            if self.resources.interruption.asked:
                raise Interrupted

    def _train(self, want: Want) -> None:
        spec, own = want.spec, self.resources
        refuse_unfit(spec, self.strategy)
        loaded = {source.key: own.store.load(source.key) for source, _ in spec.sources()}
        trainee = self.lookup.trainee(want, {key: network for key, network in loaded.items() if network})
        network, sharded = own.blueprints.module(spec).to(self.device), self.strategy == "fsdp"
        share = partial(SharedStep, spec.loss.build(), self.rank, self.processes)
        if sharded:
            feed, total = own.assembler.feed_of([spec]), trainee.stop.at_most
            one = ShardedProgram(network, trainee.member, feed, share, total=total, device=self.device)
            program = cast("Program", one)  # it has all that a session of one member asks for
        else:
            step = partial(step_on_rows, share, network)
            program = own.assembler.new_program([spec], [trainee.member], step)
        session = Session(program, [trainee], own.evaluator, self._commit, lambda *_: program)
        module = SoloModule(session, network, sharded=sharded)
        cast("SharedStep", program.tape).backward = module.manual_backward
        self._fit(module)

    def _fit(self, module: SoloModule) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
            trainer = Trainer(
                accelerator="gpu" if self.resources.accelerator == "cuda" else "cpu",
                strategy=ModelParallelStrategy(self.processes, 1) if module.sharded else self.strategy,
                devices=self.processes,
                max_epochs=1,
                callbacks=[AfterBlock(self._after_block)],
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                use_distributed_sampler=False,
                plugins=[LightningEnvironment()],
            )
            with suppress(SIGTERMException):
                trainer.fit(module, train_dataloaders=_Blocks(module.session.blocks))

    def _after_block(self, trainer: Trainer, session: Session) -> None:
        """Keep where the network is, and stop, at the same step in every process."""
        due = trainer.strategy.reduce_boolean_decision(time.monotonic() >= self._next, all=False)
        if due and session.active:
            begin = time.monotonic()
            self._keep(session)
            now = time.monotonic()
            self._next = now + max(self.resources.partial_seconds, (now - begin) / KEEPING_SHARE)
        if trainer.strategy.reduce_boolean_decision(self.resources.interruption.asked, all=False):
            self.resources.interruption.asked = trainer.should_stop = True
            self._keep(session)

    def _keep(self, session: Session) -> None:
        """Of all processes at the same time: what each has a part of is gathered."""
        for kept in session.partials():
            if self.rank == 0:
                self.resources.store.save_partial(kept)

    def _commit(self, network: Network) -> None:
        if self.rank == 0:
            network.machine = self.resources.store.machine
            self.resources.store.save(network)


def refuse_unfit(spec: Spec, strategy: str) -> None:
    """BadInput if a network is one that processes cannot share."""
    optimizer = spec.optimizer.build()
    if spec.constraint and strategy == "fsdp":
        raise BadInput(f"trainer=fsdp: constraint={spec.constraint.name} needs whole rows, of which nobody has any")
    if spec.schedule.build().batches and strategy == "fsdp":
        raise BadInput(f"trainer=fsdp: schedule={spec.schedule.name} lets batches grow: choose trainer=ddp")
    if spec.parametrisation:
        raise BadInput(f"trainer: a network with parametrisation={spec.parametrisation.name} cannot be shared")
    if optimizer.noisy:
        raise BadInput(f"trainer: optimizer={spec.optimizer.name} draws noise for whole rows, which cannot be shared")
