"""Impossible experiments on the Game of Life as they are typed: one clear line, exit code 2, nothing trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

NO_LIFE_NET = (
    "model=mlp cannot take the test examples of dataset=life, of shape (1, 5, 5), as it trains on (1, 10, 10): "
    "give dataset.test_board=10"
)
NO_LABELS = "loss=cross_entropy cannot take the targets of dataset=life, 100 numbers for each example: give loss=bce"
LINES = {
    "+experiment=life_minimal model=mlp": NO_LIFE_NET,
    "+experiment=life_exact model=mlp": NO_LIFE_NET,
    "+experiment=life_path model=mlp": NO_LIFE_NET,
    "+experiment=life_plateau model=mlp": NO_LIFE_NET,
    "+experiment=life_sign_flips model=mlp": NO_LIFE_NET,
    "+experiment=life_minimal dataset=digits": "model: life_net maps boards (1, height, width) to boards, not (1, 8",
    "+experiment=life_minimal loss=cross_entropy": NO_LABELS,
    "dataset=life model=life_net loss=cross_entropy dataset.batch_size=100": NO_LABELS,
    "+experiment=life_minimal dataset.board=2": "dataset: board 2 is smaller than the kernel of 3 x 3",
    "+experiment=life_minimal dataset.density=nan": "dataset.density must be a number from 0 to 1, not nan",
    "+experiment=life_minimal dataset.test_size=0": "dataset.test_size must be a whole number at least 1, not 0",
    "+experiment=life_minimal dataset.test_size=100000000000": "dataset: test_size 100000000000, test_board 5: 100,",
    "+experiment=life_minimal dataset.board=100000": "dataset: batch_size 16, board 100000: 1,000 examples of ",
    "+experiment=life_minimal dataset.batch_size=1000000000": "dataset: batch_size 1000000000, board 10: 1,000,000,",
    "+experiment=life_exact analysis.life_exact.widths=[0]": "analysis.life_exact.widths must be a list, each item a ",
    "+experiment=life_exact analysis.life_exact.widths=[]": (
        "analysis.life_exact: widths must be a list of one or more different values, not []"
    ),
    "+experiment=life_steps analysis.life_success.widths=[1,1]": (
        "analysis.life_success: widths must be a list of one or more different values, not [1, 1]"
    ),
    "+experiment=life_minimal analysis.life_success.arms=[]": "analysis.life_success: arms must be a list of one or ",
    "+experiment=life_plateau analysis.life_plateau.steps=[]": "analysis.life_plateau: steps must be a list of one or ",
    "+experiment=life_path analysis.life_path.widths=[]": "analysis.life_path: widths must be a list of one or more ",
    "+experiment=life_sign_flips analysis.life_sign_flips.ks=[]": "analysis.life_sign_flips: ks must be a list of one ",
    "+experiment=life_sign_flips analysis.life_sign_flips.ks=[22]": (
        "analysis.life_sign_flips.ks [22]: the network has 21 weights"
    ),
    "+experiment=life_minimal analysis.life_success.widths=[1,100000]": "model: the training of one network takes ",
    "+experiment=life_minimal model.m_factor=5": (
        "model.m_factor 5 would be ignored: this experiment takes it from analysis.life_success.widths"
    ),
    "+experiment=life_exact dataset.steps=4": (
        "dataset.steps 4 would be ignored: this experiment takes it from analysis.life_exact.steps"
    ),
    "+experiment=life_minimal model.edge=torus": "model.edge torus is not the edge of the boards: give dataset.edge=",
}
"""Words -> how the only line of the answer begins."""


@pytest.mark.parametrize("words", LINES)
def test_it_is_refused(command_line: Any, tmp_path: Path, words: str) -> None:
    ended = command_line.type(*words.split(), "budget=smoke", folder=tmp_path)
    assert ended.code == 2, ended.err
    [line] = ended.err
    assert line.startswith(LINES[words])
    assert not list(tmp_path.glob("outputs/store/*/*"))


@pytest.mark.parametrize("words", ["model.normalize=true", "model.form=springer", "dataset.edge=torus"])
def test_every_recipe_has_a_control(command_line: Any, tmp_path: Path, words: str) -> None:
    """The hand-set network is exact in one configuration only, whatever the networks that are counted are."""
    ended = command_line.type("+experiment=life_steps", "budget=smoke", "dry_run=true", words, folder=tmp_path)
    assert ended.code == 0, ended.err
    assert sum("x 1 steps of life_net" in line and "'normalize': False" in line for line in ended.out) == 2


@pytest.mark.parametrize("wants", ["*, power: float", "*, power: float = missing"])
def test_a_loss_that_cannot_be_had_is_not_offered(command_line: Any, tmp_path: Path, wants: str) -> None:
    """Neither one that needs an option nor one that is broken is the fault of who asked for another."""
    source = (
        "from expzoo.plugin import register\n\n\n@register\nclass Odd:\n"
        '    """A loss.\n\n    Args:\n        power: of what.\n    """\n\n    CACHE_VERSION = 1\n\n'
        f"    def __init__(self, {wants}) -> None:\n        self.power = power\n"
    )
    file = tmp_path / "plugins" / "losses" / "odd.py"
    file.parent.mkdir(parents=True)
    file.write_text(source, encoding="utf-8")
    ended = command_line.type("+experiment=life_minimal", "loss=cross_entropy", "budget=smoke", folder=tmp_path)
    assert ended.code == 2, ended.err
    assert ended.err == [f"{NO_LABELS} or bce_of_probabilities or mse"]
