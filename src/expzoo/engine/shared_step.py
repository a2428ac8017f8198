"""One network by plain PyTorch kernels under one of Lightning's own strategies: its batch is split over processes.

With ddp each process holds the network's row, and its parameters are views of it, so that optimizers, masks and
constraints are those of a population; with fsdp each holds a part (see `sharded`). Equal to a population within
rounding: sums over a batch are taken in another order.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning_fabric.plugins.environments import LightningEnvironment
from pytorch_lightning import Trainer
from pytorch_lightning.strategies import ModelParallelStrategy
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import Tensor, nn

from expzoo.engine.assembly import Assembler
from expzoo.engine.evaluation import Evaluator
from expzoo.engine.lightning import KEEPING_SHARE, AfterBlock, PopulationModule, _Blocks
from expzoo.engine.session import Session
from expzoo.engine.sharded import ShardedProgram
from expzoo.store.store import Store
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.errors import BadInput
from expzoo.system.machine import machine_class
from expzoo.system.signals import Interruption

if TYPE_CHECKING:
    from expzoo.components.contracts import Loss
    from expzoo.lab.trained import Want
    from expzoo.spec.spec import Spec
    from expzoo.store.network import Network

SAME = 1e-3  # relative: beyond, the loss of a batch is not the mean of its parts' losses


def solo_class(accelerator: str, strategy: str, processes: int) -> str:
    """The machine class of networks that so many processes have trained together."""
    return f"{machine_class(accelerator)}-{strategy}{processes}"


class SharedStep:
    """Loss and gradient of one network, each process on its part of the batch: what a tape is to a population."""

    num_bytes = 0

    def __init__(
        self,
        loss: Loss,
        rank: int,
        processes: int,
        module: nn.Module,
        x: Tensor,
        y: Tensor,
        prepare: Callable[[], None],
    ) -> None:
        """The batch `x`, `y` (1, batch, ...) is memory of a program; `prepare` makes gradients ready to be added to."""
        self.module, self.loss, self.x, self.y, self.prepare = module, loss, x[0], y[0], prepare
        self.part, self.processes = slice(rank, None, processes), processes
        self.outputs = [torch.zeros(1, dtype=next(module.parameters()).dtype, device=x.device)]
        self.backward: Any = Tensor.backward
        self._is_checked = False

    def run(self, step: int, seeds: list[int]) -> None:
        """One forward and backward on the batch that was loaded; Lightning's strategy averages the gradients."""
        if not self._is_checked:
            self._check()
        self.prepare()
        loss = self.loss(self.module(self.x[self.part]), self.y[self.part])
        self.backward(loss)
        mean = loss.detach().clone()
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(mean)
            mean /= self.processes
        self.outputs[0].fill_(mean)

    @torch.no_grad()
    def _check(self) -> None:
        """BadInput if a batch is more than the sum of its parts: then processes cannot share it."""
        if len(self.x) % self.processes:
            raise BadInput(
                f"dataset.batch_size={len(self.x)} cannot be shared by {self.processes} processes: choose a multiple"
            )
        whole = self.loss(self.module(self.x), self.y)
        parts = [slice(rank, None, self.processes) for rank in range(self.processes)]
        mean = torch.stack([self.loss(self.module(self.x[part]), self.y[part]) for part in parts]).mean()
        if whole.isfinite() and abs(whole - mean) > SAME * max(abs(whole), SAME):
            raise BadInput(
                f"trainer: the loss of {type(self.module).__name__} on a batch is {float(whole):g}, the mean over its "
                f"{self.processes} parts {float(mean):g}: a network with batch normalisation or dropout, or a loss "
                "that is no mean over examples, cannot be shared; use trainer=auto or trainer=population"
            )
        self._is_checked = True


def step_on_rows(
    make: Callable[..., SharedStep],
    module: nn.Module,
    parameters: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    x: Tensor,
    y: Tensor,
) -> SharedStep:
    """A step whose parameters and gradients are views of a program's rows, each (1, *shape)."""
    pairs = [(parameter, gradients[name][0]) for name, parameter in module.named_parameters()]
    for name, parameter in module.named_parameters():
        parameter.data = parameters[name][0]

    def prepare() -> None:
        for parameter, gradient in pairs:
            parameter.grad = gradient.zero_()  # which Lightning takes away when it begins

    return make(module, x, y, prepare)


class SoloModule(PopulationModule):
    """A session of one network whose parameters Lightning's strategy knows."""

    def __init__(self, session: Session, network: nn.Module, *, sharded: bool) -> None:
        super().__init__(session)
        self.network, self.sharded = network, sharded

    def configure_model(self) -> None:
        """Cut the parameters over the processes, if that is the strategy; called once by Lightning."""
        if self.sharded:
            from torch.distributed.fsdp import fully_shard

            assert self.device_mesh is not None
            fully_shard(self.network, mesh=self.device_mesh["data_parallel"])


class SoloTrainer:
    """Trains networks one by one as process `rank` of several; the first one puts them into the store."""

    def __init__(
        self, root: Path, accelerator: str, strategy: str, rank: int, processes: int, partial_seconds: float
    ) -> None:
        self.store = Store(root, solo_class(accelerator, strategy, processes))
        self.accelerator, self.strategy, self.rank, self.processes = accelerator, strategy, rank, processes
        self.device = torch.device(accelerator, rank) if accelerator == "cuda" else torch.device("cpu")
        self.assembler, self.evaluator = Assembler(self.device), Evaluator()
        self.interruption, self.partial_seconds = Interruption(), partial_seconds
        self._next = time.monotonic() + partial_seconds

    def train(self, wants: dict[str, Want]) -> None:
        """Train these networks, whose sources are in the store; Interrupted if a signal asked to stop."""
        from expzoo.system.signals import Interrupted

        for want in wants.values():
            with self.interruption.listening(), exact_arithmetic():
                self._train(want)
            if self.interruption.asked:
                raise Interrupted

    def _train(self, want: Want) -> None:
        spec = want.spec
        refuse_unfit(spec, self.strategy)
        sources = {source.key: self.store.load(source.key) for source, _ in spec.sources()}
        partial_file = self.store.load_partial(spec.key)
        if partial_file is not None and (
            not self.assembler.continues(spec, partial_file)
            or want.lacking(partial_file.network, partial_file.step, ended=False) != {}
        ):
            partial_file = None
        measures, events = sorted(want.measures, key=repr), sorted(want.events, key=repr)
        trainee = self.assembler.trainee(
            spec, {k: n for k, n in sources.items() if n}, partial_file, frozenset(want.steps), measures, events
        )
        network, sharded = self.assembler.module(spec).to(self.device), self.strategy == "fsdp"
        share = partial(SharedStep, spec.loss.build(), self.rank, self.processes)
        if sharded:
            feed, total = self.assembler.feed_of([spec]), trainee.stop.at_most
            program: Any = ShardedProgram(network, trainee.member, feed, share, total=total, device=self.device)
        else:
            step = partial(step_on_rows, share, network)
            program = self.assembler.new_program([spec], [trainee.member], step)
        session = Session(program, [trainee], self.evaluator, self._commit, lambda *_: program)
        module = SoloModule(session, network, sharded=sharded)
        program.tape.backward = module.manual_backward
        self._fit(module)

    def _fit(self, module: SoloModule) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
            trainer = Trainer(
                accelerator="gpu" if self.accelerator == "cuda" else "cpu",
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
            self._next = now + max(self.partial_seconds, (now - begin) / KEEPING_SHARE)
        if trainer.strategy.reduce_boolean_decision(self.interruption.asked, all=False):
            self.interruption.asked = trainer.should_stop = True
            self._keep(session)

    def _keep(self, session: Session) -> None:
        """Of all processes at the same time: what each has a part of is gathered."""
        for kept in session.partials():
            if self.rank == 0:
                self.store.save_partial(kept)

    def _commit(self, network: Network) -> None:
        if self.rank == 0:
            network.machine = self.store.machine
            self.store.save(network)


def refuse_unfit(spec: Spec, strategy: str) -> None:
    """BadInput if a network is one that processes cannot share."""
    optimizer = spec.optimizer.build()
    if spec.constraint and strategy == "fsdp":
        raise BadInput(f"trainer=fsdp: constraint={spec.constraint.name} needs whole rows, of which nobody has any")
    if spec.parametrisation:
        raise BadInput(f"trainer: a network with parametrisation={spec.parametrisation.name} cannot be shared")
    if getattr(optimizer, "noisy", False):
        raise BadInput(f"trainer: optimizer={spec.optimizer.name} draws noise for whole rows, which cannot be shared")
