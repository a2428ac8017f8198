"""What a store has of what is wanted: whole networks, and members that were kept on their way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from expzoo.store.network import Network
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from expzoo.engine.session import Trainee
    from expzoo.lab.request import Want
    from expzoo.lab.resources import Resources
    from expzoo.spec.measure import Measure
    from expzoo.spec.spec import Spec
    from expzoo.store.network import Partial


class Lookup:
    """Finds networks in a store, and looks at their rows where something is wanted that nobody asked for before."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    def found(self, wants: Mapping[str, Want]) -> dict[str, Network]:
        """The wanted networks that the store has, with everything that is wanted of them."""
        own, found = self.resources, dict[str, Network]()
        for key, want in wants.items():
            network = own.store.load(key)
            if network is None or not self._fits(network, want.spec):
                continue
            lacking = want.lacking(network, network.step, ended=True)
            if lacking is None or any(step not in network.rows for step in lacking):
                continue
            if lacking and own.blueprints.maps(want.spec):
                continue  # its rows are not weights: they are looked at on the way
            if lacking:
                self._measure(network, want.spec, lacking)
            own.leases.clear(key)
            own.store.drop_partials(key)  # what a kill between the last commit and its clean-up has left
            found[key] = network
            own.account.cached.add(key)
        return found

    def partial(self, want: Want) -> Partial | None:
        """A member where it was kept, if all that is wanted up to there was kept too.

        A file that is whole and does not continue the training of its spec is set aside.
        """
        partial = self.resources.store.load_partial(want.spec.key)
        if partial is None:
            return None
        if not self.resources.assembler.continues(want.spec, partial):
            self.resources.store.reject_partial(partial, "does not continue the training of its spec")
            return None
        return partial if want.lacking(partial.network, partial.step, ended=False) == {} else None

    def trainee(self, want: Want, networks: Mapping[str, Network]) -> Trainee:
        """The member to be trained, where it was kept or else at its start, with what is wanted of it."""
        measures, events = sorted(want.measures, key=repr), sorted(want.events, key=repr)
        return self.resources.assembler.trainee(
            want.spec, networks, self.partial(want), frozenset(want.steps), measures, events
        )

    def refuse_absent_splits(self, wants: Mapping[str, Want]) -> None:
        """BadInput, before anything is trained, if somebody looks at a split that is not there or not sound."""
        asked = {(want.spec.dataset, split): want.spec for want in wants.values() for split in want.splits()}
        faults, refused = [], []
        for (dataset, split), spec in asked.items():
            try:
                self.resources.blueprints.split(spec, split)
            except BadInput as error:
                faults += str(error).splitlines()
            except ValueError as error:
                faults.append(f"dataset={dataset.name}: {error}")
                refused.append(error)
        if faults:
            raise BadInput("\n".join(sorted(set(faults)))) from (
                ExceptionGroup("refused", refused) if refused else None
            )

    def _fits(self, network: Network, spec: Spec) -> bool:
        """Whether a stored network has the rows that its spec has; if not it is set aside."""
        row = network.rows[0]
        size = self.resources.blueprints.row_size(spec)
        if fits := row.shape == (size,) and row.dtype == spec.dtype:
            return fits
        self.resources.store.reject(network, f"has rows of {row.shape[0]} {row.dtype}, not {size} {spec.dtype}")
        return False

    def _measure(self, network: Network, spec: Spec, lacking: dict[int, list[Measure]]) -> None:
        """Measure kept rows, and keep the values with the network."""
        import torch

        own, begin = self.resources, time.perf_counter()
        with exact_arithmetic():
            for step, measures in lacking.items():
                values = own.evaluator.values(spec, torch.from_numpy(network.rows[step]), measures, network)
                for measure, value in zip(measures, values, strict=True):
                    network.measured.setdefault(measure.label(spec), {})[step] = value
        own.account.spent([network.key], 0.0, time.perf_counter() - begin)
        stored = own.store.load(network.key)  # with what others have looked at meanwhile
        if stored is not None and stored.machine == network.machine:
            network.take_over(stored)
        own.store.save(network)
