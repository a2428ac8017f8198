"""The proof that a population trains what its author wrote: beside an ordinary loop, on the same batches.

A population replays one trace of one forward for all of its members, and evaluates them with a
module that is not theirs. What is no function of parameters and batch would be frozen or shared in
silence, so whatever an ordinary loop and a population differ in is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Literal, NoReturn

import torch
from torch import Tensor, nn

from expzoo.engine.adoption import looks, plain, population
from expzoo.engine.adoption.fault import Fault, Refused, same
from expzoo.engine.adoption.state import moved, remembered
from expzoo.engine.blueprints import Blueprints, layout_of, refuse_drawn
from expzoo.engine.large import Loop, is_much, multiplications
from expzoo.engine.members.crowd import Unadoptable
from expzoo.spec.component import built
from expzoo.spec.layout import construct
from expzoo.spec.spec import Fresh
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.randomness import stable_hash

if TYPE_CHECKING:
    from expzoo.engine.adoption.plain import Path
    from expzoo.spec.spec import Spec

VERSION = 2
"""Raised when a proof finds more than before: what was proved earlier is then proved again."""

STEPS, EXAMPLES = 3, 8
STEPS_OF_LARGE, LEAST = 2, 3
WORK = 10**8
"""Multiplications in one forward pass, beyond which a proof has fewer steps and examples, but LEAST."""
EXACT = 1e-8
"""Relative, of losses, gradients, weights and outputs in float64. Sums in another order are 1e-16 apart, which steep
layers, such as a normalisation of nearly equal numbers, may enlarge a millionfold."""
ROUNDED = 1e-3
"""The same where the forward itself computes in float32, whose numbers are 1e-7 apart."""
MOST_EXACT = 10**7
"""Parameters of a network that is compared in float64: of a larger one there may be no room for twice its size."""
FLAT = 1e-6  # gradients that are all smaller are compared as if they were of this size

FROZEN = (
    "a population traces one forward and replays it for every step and member, so what is neither in the batch nor in "
    "a parameter stays as it was"
)


def prove(
    spec: Spec,
    blueprints: Blueprints | None = None,
    *,
    size: tuple[int, int] | None = None,
    tolerance: float = EXACT,
) -> Fault | None:
    """What is wrong with the adoption of a spec's model and loss on its kind of data; None if nothing is.

    `size` is how many steps of how many examples are compared, by default as many as the network
    allows in a second. Constraint, mask and parametrisation are left aside. What plugins raise by themselves is raised,
    BadInput where the model is refused anyway.
    """
    try:
        with exact_arithmetic(), torch.random.fork_rng(devices=[]):
            own = Blueprints(blueprints.dataset if blueprints else None)
            _Proof(spec, own, size, tolerance).run()
    except Refused as refused:
        return refused.fault
    return None


class _Proof:
    """Of one spec, of which only model, loss, data and type count."""

    def __init__(self, spec: Spec, blueprints: Blueprints, size: tuple[int, int] | None, tolerance: float) -> None:
        self.spec = spec.replace(init=Fresh(), mask=None, constraint=None, parametrisation=None, fixed=())
        self.blueprints, self.tolerance = blueprints, tolerance
        self.dataset = blueprints.dataset(spec.dataset)
        self.loss = blueprints.plugin(spec.loss)
        self.batches = looks.batches(self.dataset, spec.seed, *(size or (STEPS, EXAMPLES)))
        self.cuts = size is None
        self.is_silent = False  # whether what torch's layers drop at random is left out
        self.is_noisy = False  # whether there is noise even so: then a population may draw other numbers

    def run(self) -> None:
        """Refused at the first difference."""
        member, again = self.module(), self.module()
        mine = self.generators
        layout = layout_of(self.spec, member)
        self.structure = self.module(0)
        looks.require_own_draws(self.spec.model, mine, self.generators)
        looks.require_one_start(self.spec.model, member, again)
        refuse_drawn(self.spec, self.structure, lambda: member)
        work = multiplications(member, self.dataset, self.spec.seed)
        alone = is_much(work * self.dataset.batch_size)
        self._cut(work)
        outputs = self._look(again, layout.num_parameters)
        dtype = getattr(torch, self.spec.dtype)
        self.structure.to(dtype)
        start = layout.row(member.to(dtype))
        with _default_type(dtype):
            value = looks.look_at_loss(self.spec.loss, self.loss, outputs, self.batches[0][1])
            trained, path = self._train_twice(member, value)
            self._compare_with_population(path, start, alone=alone)
            self._compare_outputs(trained)

    def module(self, seed: int | None = None) -> nn.Module:
        """The member's module at its start, or that of another seed; `generators` is where these are then."""
        seed = stable_hash(self.spec.seed, "init", 0) if seed is None else seed

        def make() -> nn.Module:
            module = built(self.spec.model, self.dataset, self.spec.seed)
            self.generators = looks.generators()
            return module

        module = construct(make, seed, getattr(torch, self.spec.dtype))
        return plain.silence(module) if self.is_silent else module

    def _cut(self, work: float) -> None:
        """Fewer examples and steps of what takes so many multiplications for one."""
        examples = max(int(WORK // max(work, 1)), LEAST)
        if self.cuts and examples < EXAMPLES:
            self.batches = [(x[:examples], y[:examples]) for x, y in self.batches[:STEPS_OF_LARGE]]

    def _look(self, module: nn.Module, num_parameters: int) -> Tensor:
        """What a forward gives: in float64, in which differences show, if it can be computed in it."""
        own, given = self.spec, self.batches
        if num_parameters <= MOST_EXACT:
            self._take("float64")
            with suppress(Exception), _default_type(torch.float64), plain.Narrow() as narrow:
                found = looks.look_at_model(self.spec, module.double(), self.dataset, self.batches[0])
                self.tolerance = max(self.tolerance, ROUNDED) if narrow.found else self.tolerance
                return found
            self.spec, self.batches = own, given
            module = self.module()
        self._take(own.dtype)
        self.tolerance = max(self.tolerance, ROUNDED)
        with _default_type(getattr(torch, own.dtype)):
            return looks.look_at_model(self.spec, module, self.dataset, self.batches[0])

    def _take(self, dtype: Literal["float32", "float64"]) -> None:
        """Compare in this type."""
        self.spec = self.spec.replace(dtype=dtype)
        self.batches = [(_as(x, getattr(torch, dtype)), _as(y, getattr(torch, dtype))) for x, y in self.batches]

    # The ordinary loop.

    def _train_twice(self, member: nn.Module, value: Tensor) -> tuple[nn.Module, Path]:
        """A module trained by the ordinary loop, and how; without noise if some of it only torch can draw.

        `value` is the loss of the first batch in another such module.
        """
        path, draws = self._train(member)
        told = self._apart(0, path.losses[0], float(value))
        if draws:
            self.is_silent = True
            self.structure = plain.silence(self.structure)
            member = self.module()
            path, self.is_noisy = self._train(member)
            told = self._difference(path, self._train(self.module(), path.rate, steps=1)[0])
        if told:  # what is random or moves outside of it differs at once
            self._refuse(
                f"trained twice from one start on the same batches {told}: it draws random numbers that are "
                "not its own, or something that is outside of it moves; draw in the constructor, or use nn.Dropout"
            )
        return member, path

    def _train(self, module: nn.Module, rate: float | None = None, steps: int | None = None) -> tuple[Path, bool]:
        """How a module is trained from where it is, in place, and whether torch's generator was used on the way."""
        torch.default_generator.manual_seed(0)
        before, memories = torch.get_rng_state(), []

        def note() -> None:
            memories.append((remembered(module), remembered(self.loss)))

        path = plain.train(module, self.loss, self.batches[:steps], self.spec.seed, rate=rate, after=note)
        for component, first, last in zip((self.spec.model, self.spec.loss), memories[0], memories[-1], strict=True):
            if names := moved(first, last):
                raise Refused(component, f"it changes {', '.join(names[:3])} while it is used: {FROZEN}")
        return path, not torch.equal(before, torch.get_rng_state())

    # What differs.

    def _compare_with_population(self, path: Path, start: Tensor, *, alone: bool) -> None:
        """Refused if a population, or the loop of a network that is trained `alone`, goes another way."""
        make_step = partial(Loop, self.structure, self.loss) if alone else None
        try:
            ours = population.train(
                self.structure, self.loss, start, self.batches, self.spec.seed, path.rate, make_step
            )
        except Unadoptable as error:
            self._refuse(str(error))
        told = self._difference(path, ours)
        if told and not self.is_noisy:
            self._refuse(f"in a population {told}, the first as in an ordinary PyTorch loop: {FROZEN}")

    def _compare_outputs(self, trained: nn.Module) -> None:
        """Refused if an evaluation sees another network, or not the same one twice."""
        x, _ = self.batches[0]
        with torch.no_grad():
            plain.settle(trained, x)
            first, before = trained(x.clone()), remembered(trained)
            second, after = trained(x.clone()), remembered(trained)
        if not same(first, second):
            self._refuse(
                "evaluated twice on the same examples it gives other outputs: it draws random numbers in "
                "evaluation mode, or something that is no parameter moves"
            )
        if names := moved(before, after):
            self._refuse(f"it changes {', '.join(names[:3])} while it is evaluated: {FROZEN}")
        ours = population.outputs(self.blueprints, self.spec, trained, x)
        if not _near(first, ours, float(first.abs().max()), self.tolerance):
            apart = float((first - ours).abs().max())
            self._refuse(
                f"evaluated with the same weights its outputs are up to {apart:.2g} apart in an ordinary PyTorch "
                "loop and in the engine: all that it holds must be a parameter, or the same for every seed, and "
                "nothing computed from parameters may be kept from call to call"
            )

    def _difference(self, one: Path, other: Path) -> str:
        """The first difference of two paths as far as both go, empty if there is none; what is not finite ends both."""
        for step, (loss, loss_of_other) in enumerate(zip(one.losses, other.losses, strict=False)):
            if not (math.isfinite(loss) or math.isfinite(loss_of_other)):
                return ""
            if told := self._apart(step, loss, loss_of_other):
                return told
            for what, mine, others, least in (
                ("gradient", one.gradients[step], other.gradients[step], FLAT),
                ("weights", one.weights[step], other.weights[step], 1.0),
            ):
                size = max(float(value.abs().max()) for value in mine.values() if value.numel())
                for name, value in mine.items():
                    if not _near(value, others[name], size, self.tolerance, least):
                        apart = float((value - others[name]).abs().max())
                        return f"the {what} of {name} at step {step} are up to {apart:.2g} apart"
        return ""

    def _apart(self, step: int, loss: float, loss_of_other: float) -> str:
        one, other = torch.tensor([loss, loss_of_other], dtype=torch.float64)
        if _near(one, other, 0.0, self.tolerance) or not (one.isfinite() or other.isfinite()):
            return ""
        return f"its loss at step {step} is {loss:.9g} and {loss_of_other:.9g}"

    def _refuse(self, why: str) -> NoReturn:
        raise Refused(self.spec.model, why)


def _near(one: Tensor, other: Tensor, size: float, tolerance: float, least: float = 1.0) -> bool:
    """Whether two tensors are as near as numbers of this size can be; what is not finite must be alike."""
    if one.shape != other.shape:
        return False
    apart = (one.double() - other.double()).abs().nan_to_num(nan=torch.inf)
    alike = one == other
    return bool((alike | (apart <= tolerance * max(size, least))).all())


def _as(value: Tensor, dtype: torch.dtype) -> Tensor:
    """Floating numbers in this type, whole numbers as they are."""
    return value.to(dtype) if value.is_floating_point() else value


@contextmanager
def _default_type(dtype: torch.dtype) -> Iterator[None]:
    """Inside, what a forward makes without a type has this one, as its parameters have."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
