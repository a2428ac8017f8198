"""In a notebook: threads at once, a Hydra of the user's own, specs from a composed config, kinds that there are not."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

import expzoo
from expzoo import lab
from expzoo.api import Figures, Result
from expzoo.config import homes
from expzoo.config.identity import plain
from expzoo.science.verdicts import Verdict, dump_verdicts
from expzoo.spec.spec import Spec
from expzoo.system.errors import BadInput
from expzoo.system.randomness import member_seed

if TYPE_CHECKING:
    from expzoo.lab.trained import Trained


def at_once(function: Callable[[Any], Any], arguments: Sequence[Any]) -> list[Any]:
    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(function, arguments))


def specs(width: int) -> list[Spec]:
    cfg = expzoo.compose(f"model.width={width}", "stop.steps=60", "dataset.num_samples=500")
    return [Spec.from_config(cfg, member_seed(0, index)) for index in range(3)]


def bits(networks: list[Trained]) -> list[bytes]:
    return [network.row().tobytes() for network in networks]


def test_threads_that_train_at_once_get_the_bits_of_one_that_trains_alone(tmp_path: Path) -> None:
    widths = (24, 25, 26)
    alone = {width: bits(lab.train(specs(width), tmp_path / f"alone {width}")) for width in widths}
    before = torch.get_num_threads()
    together = at_once(lambda width: bits(lab.train(specs(width), tmp_path / f"together {width}")), widths)
    assert dict(zip(widths, together, strict=True)) == alone
    assert torch.get_num_threads() == before


def test_threads_compose_at_once_beside_a_hydra_of_the_users_own() -> None:
    from hydra import initialize
    from hydra.core.global_hydra import GlobalHydra

    with initialize(config_path=None, version_base="1.3"):
        own = GlobalHydra.instance().hydra
        configs = at_once(lambda width: expzoo.compose(f"model.width={width}"), range(1, 6))
        assert GlobalHydra.instance().hydra is own
    assert [cfg.model.width for cfg in configs] == [1, 2, 3, 4, 5]


def test_a_composed_config_is_a_spec_whether_typed_or_plain() -> None:
    cfg = expzoo.compose("model.width=7", "optimizer.lr=0.5")
    assert Spec.from_config(cfg, 3) == Spec.from_config(plain(cfg), 3)
    assert Spec.from_config(cfg, 3).model["width"] == 7


@pytest.mark.parametrize("ask", [expzoo.available, lambda kind: expzoo.build(kind, "mlp")])
def test_a_kind_that_there_is_not_is_refused_with_the_nearest(ask: Callable[[str], Any]) -> None:
    with pytest.raises(BadInput, match="there is no kind of plugin called modle: did you mean model"):
        ask("modle")


def test_plugins_and_experiments_that_are_written_in_the_session_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "written" not in expzoo.available("stop")
    source = (homes.HOME / "plugins" / "stops" / "steps.py").read_text()
    for name, text in (
        ("stops/written.py", source.replace("class Steps", "class Written")),
        ("conf/experiment/of_mine.yaml", "# @package _global_\ndefaults:\n  - override /stop: written\n"),
    ):
        file = tmp_path / "plugins" / name
        file.parent.mkdir(parents=True)
        file.write_text(text)
    assert "written" in expzoo.available("stop")
    assert expzoo.build("stop", "written", steps=3).at_most == 3
    assert expzoo.compose("+experiment=of_mine").stop.name == "written"


MISTAKES = [
    (lab.train, "train takes a list of specs, not one: write train([spec])"),
    (lambda spec: lab.train("+experiment=life"), "train takes a list of specs, not str: write train([Spec.from_con"),
    (lambda spec: lab.train([spec, 3]), "train takes a list of specs, not int: write train([Spec.from_config(cfg, s"),
    (lambda spec: expzoo.build("model", "mlp"), "build: a model is given inputs (the shape of one example) and outpu"),
    (lambda spec: expzoo.build("dataset", "mnist1d", 5), "build: a dataset is given options by name alone, not 1 val"),
    (lambda spec: expzoo.run("+experiment=life"), 'run takes a composed config, not str: write run(compose("+experi'),
    (lambda spec: expzoo.compose(["budget=smoke"]), 'compose takes overrides as text, not list: write compose("+exp'),
]


@pytest.mark.parametrize(("ask", "said"), MISTAKES)
def test_a_mistake_is_told_on_one_line_with_what_to_write(ask: Callable[[Any], Any], said: str, base: Spec) -> None:
    with pytest.raises(BadInput) as raised:
        ask(base)
    assert str(raised.value).startswith(said)
    assert str(raised.value).count("\n") == 0


def test_what_there_is_shows_itself_on_a_line(base: Spec, tmp_path: Path) -> None:
    data = expzoo.build("dataset", "mnist1d", num_samples=500)
    [network] = lab.train([base], tmp_path / "store")
    said = [repr(one) for one in (base, data, data.train, network, verdict())]
    assert [len(text) < 120 and "\n" not in text for text in said] == [True] * len(said), said
    assert said[1] == "<Data Mnist1d: inputs (40,), 10 outputs, train, test>"
    assert said[2] == "<Split of 400 examples: x (400, 40) float32, y (400,) int64>"
    assert said[3] == f"<Trained {base.key[:12]}: mlp on mnist1d, 60 steps>"


def verdict() -> Verdict:
    return Verdict(
        *("a.claim", "It is <so>.", 3.0, "points", (2.0, 4.0), 0.95, 5, "supported"),
        *("", "a paper", 1.0, "greater", "paired t"),
    )


def test_a_notebook_shows_verdicts_and_figures(tmp_path: Path) -> None:
    (tmp_path / "verdicts.json").write_text(dump_verdicts([verdict()]))
    result = Result(tmp_path)
    assert repr(result) == f"<Result {tmp_path}: 1 supported>"
    assert "<td>a.claim</td><td>supported</td><td>+3.0 points</td>" in result.verdicts._repr_html_()
    (tmp_path / "a.png").write_bytes(b"picture")
    assert 'alt="a"' in Figures({"a": tmp_path / "a.png"})._repr_html_()
    assert "base64,cGljdHVyZQ==" in Figures({"a": tmp_path / "a.png"})._repr_html_()


def test_every_example_of_a_public_docstring_can_be_typed() -> None:
    """Each names only what there is: every line that is indented as code compiles, and its names are expzoo's."""
    offered = {name: getattr(expzoo, name) for name in dir(expzoo) if not name.startswith("_")}
    told = [thing.__doc__ for thing in offered.values() if callable(thing)] + [expzoo.__doc__]
    used = {name for text in told for name in re.findall(r"expzoo\.(\w+)\(", text or "")}
    assert used <= offered.keys()
    assert used >= {"compose", "run", "build", "train", "open_run", "available"}
