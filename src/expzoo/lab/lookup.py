"""What a store has of what is wanted: networks that are whole, with everything that is to be known of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from expzoo.engine.assembly import Assembler
    from expzoo.engine.evaluation import Evaluator
    from expzoo.lab.accounting import Tally
    from expzoo.lab.trained import Want
    from expzoo.spec.measure import Measure
    from expzoo.spec.spec import Spec
    from expzoo.store.leases import Leases
    from expzoo.store.network import Network
    from expzoo.store.store import Store


class Shelf:
    """Finds networks in a store, and looks at their rows where something is wanted that nobody asked for before."""

    def __init__(self, store: Store, leases: Leases, assembler: Assembler, evaluator: Evaluator, tally: Tally) -> None:
        self.store, self.leases, self.assembler, self.evaluator, self.tally = store, leases, assembler, evaluator, tally

    def found(self, wants: dict[str, Want]) -> dict[str, Network]:
        """The wanted networks that the store has, with everything that is wanted of them."""
        found = {}
        for key, want in wants.items():
            network = self.store.load(key)
            if network is None or not self._fits(network, want.spec):
                continue
            lacking = want.lacking(network, network.step, ended=True)
            if lacking is None or any(step not in network.rows for step in lacking):
                continue
            if lacking and self.assembler.maps(want.spec):
                continue  # its rows are not weights: they are looked at on the way
            if lacking:
                self._measure(network, want.spec, lacking)
            self.leases.clear(key)
            self.store.drop_partials(key)  # what a kill between the last commit and its clean-up has left
            found[key] = network
            self.tally.cached.add(key)
        return found

    def _fits(self, network: Network, spec: Spec) -> bool:
        """Whether a stored network has the rows that its spec has; if not it is set aside."""
        row = network.rows[0]
        size = self.assembler.row_size(spec)
        if fits := row.shape == (size,) and row.dtype == spec.dtype:
            return fits
        self.store.reject(network, f"has rows of {row.shape[0]} {row.dtype}, not {size} {spec.dtype}")
        return False

    def _measure(self, network: Network, spec: Spec, lacking: dict[int, list[Measure]]) -> None:
        """Measure kept rows, and keep the values with the network."""
        import torch

        begin, dataset = time.perf_counter(), self.assembler.dataset(spec.dataset)
        with exact_arithmetic():
            for step, measures in lacking.items():
                row = torch.from_numpy(network.rows[step])
                values = self.evaluator.values(spec, dataset, row, measures, network)
                for measure, value in zip(measures, values, strict=True):
                    network.measured.setdefault(measure.label(spec), {})[step] = value
        self.tally.spent([network.key], 0.0, time.perf_counter() - begin)
        stored = self.store.load(network.key)  # with what others have looked at meanwhile
        if stored is not None and stored.machine == network.machine:
            network.take_over(stored)
        self.store.save(network)

    def refuse_absent_splits(self, wants: dict[str, Want]) -> None:
        """BadInput, before anything is trained, if somebody looks at a split that a dataset does not have."""
        asked = {(want.spec.dataset, split): want.spec for want in wants.values() for split in want.splits()}
        faults = []
        for (dataset, split), spec in asked.items():
            try:
                self.evaluator.split(spec, self.assembler.dataset(dataset), split)
            except ValueError as error:
                faults.append(f"dataset={dataset.name}: {error}")
        if faults:
            raise BadInput("\n".join(sorted(set(faults))))
