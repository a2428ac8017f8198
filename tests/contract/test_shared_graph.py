"""A network is traced once: chunks of other sizes, what is left of a chunk, and the probe share the graph."""

from __future__ import annotations

import pytest

from expzoo.engine import program
from expzoo.spec.component import Component
from expzoo.system.randomness import member_seed


@pytest.fixture
def traces(monkeypatch):
    """Every tracing, as the shape of the batch."""
    found, trace = [], program.trace

    def counted(of, parameters, x, y):
        found.append(tuple(x.shape[1:]))
        return trace(of, parameters, x, y)

    monkeypatch.setattr(program, "trace", counted)
    return found


def test_chunks_compaction_and_probe_share_one_trace(base, open_lab, traces, monkeypatch):
    monkeypatch.setattr("expzoo.engine.device.MOST_MEMBERS", 8)
    stop = Component.of("stop", "fitted", loss=1.5, every=5, at_most=60)
    rates = (0.003, 0.01, 0.03, 0.1)
    members = [
        base.replace(seed=member_seed(0, index), stop=stop, optimizer={"lr": rates[index % 4]}) for index in range(15)
    ]
    whole = open_lab("whole").train(members)
    assert len({network.step for network in whole}) > 2  # so populations have shrunk
    assert traces == [(25, 40)]
    monkeypatch.setattr("expzoo.engine.device.MOST_MEMBERS", 1)
    alone = open_lab("alone").train(members[::4])
    assert [one.row().tobytes() for one in alone] == [one.row().tobytes() for one in whole[::4]]
    assert traces == [(25, 40)] * 2


def test_what_changes_the_graph_is_traced_anew(base, open_lab, traces):
    others = [{"dataset": {"batch_size": 20}}, {"model": {"activation": "tanh"}}, {"dtype": "float64"}]
    others += [{"loss": Component.of("loss", "mse")}, {"dataset": Component.of("dataset", "digits", batch_size=25)}]
    open_lab().train([base.replace(stop={"steps": 2}, **changes) for changes in ({}, *others)])
    assert len(traces) == 6


def test_a_graph_that_is_used_again_draws_its_own_dropout(base, open_lab, tmp_path, monkeypatch):
    (tmp_path / "plugins" / "models").mkdir(parents=True)
    (tmp_path / "plugins" / "models" / "dropping.py").write_text(
        "from torch import nn\n"
        "from expzoo.plugin import register\n\n\n"
        "@register\n"
        "class Dropping(nn.Sequential):\n"
        '    """A linear layer on what dropout leaves."""\n\n'
        "    def __init__(self, inputs, outputs) -> None:\n"
        "        super().__init__(nn.Dropout(0.5), nn.Linear(inputs[0], outputs))\n"
    )
    monkeypatch.chdir(tmp_path)
    base = base.replace(model=Component.of("model", "dropping"), stop={"steps": 12})
    members = [base.replace(seed=member_seed(0, index)) for index in range(9)]
    whole = open_lab("whole").train(members)
    monkeypatch.setattr("expzoo.engine.device.MOST_MEMBERS", 4)
    parts = open_lab("parts").train(members[::-1])[::-1]
    assert [one.row().tobytes() for one in parts] == [one.row().tobytes() for one in whole]
