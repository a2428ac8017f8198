"""Parts of others that would train as something else: one line each, exit code 2, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.clouds import CALLED, DATA, model

if TYPE_CHECKING:
    from tests.conftest import CommandLine

HOME = {
    "datasets/clouds.py": DATA,
    "models/inplace.py": model("x -= 2.0\n        return self.last(self.first(x).relu())"),
    "models/flat.py": model("return self.last(self.first(x).relu())[:, 0]"),
    "models/pair.py": model("return self.last(self.first(x).relu()), x"),
    "models/one.py": model(outputs=1),
    "models/cut.py": model(more="self.odd = nn.Parameter(torch.ones(2, dtype=torch.complex64))"),
    "models/sound.py": model(),
    "losses/writes.py": CALLED.format(body="outputs -= 1\n        return outputs.square().mean()"),
}
SHAPES = "for 8 examples, not a tensor of shape (8, 2) or (8, 1)"
REFUSED: dict[tuple[str, ...], str] = {
    ("model=inplace",): "model=inplace: its forward changes its input in place",
    ("model=flat",): f"model=flat: its forward returns a tensor of shape (8,) {SHAPES}",
    ("model=flat", "loss=bce"): f"model=flat: its forward returns a tensor of shape (8,) {SHAPES}",
    ("model=pair",): f"model=pair: its forward returns a tuple {SHAPES}",
    ("model=one",): "loss=cross_entropy: of one output it is 0 whatever the weights; give loss=bce, or two outputs",
    ("model=sound", "dataset.outputs=1"): "loss=cross_entropy: of one output it is 0 whatever the weights",
    ("model=cut",): "Given.odd is complex64, which float32 cuts",
    ("model=sound", "loss=writes"): "loss=writes: it changes the outputs or targets it is given",
    ("model=sound", "dataset.spoilt='train nan'"): "dataset=clouds: 2 of 400 examples of the train split have NaN in x",
    ("model=sound", "dataset.spoilt='test nan'"): "dataset=clouds: 2 of 400 examples of the test split have NaN in x",
    ("model=sound", "dataset.spoilt='train one'"): "dataset=clouds: all 400 examples of the train split have label 1",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    for name, source in HOME.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(source)
    return home


SHORT = ("dataset=clouds", "stop.steps=2", "population.size=2")


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_a_part_that_would_train_as_something_else_is_refused(
    command_line: CommandLine, home: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    ended = command_line.type(*SHORT, *words, folder=tmp_path, plugins=home)
    assert ended.code == 2
    assert len(ended.err) == 1
    assert ended.err[0].startswith(REFUSED[words])
    assert not list(tmp_path.glob("outputs/**/network.safetensors"))


def test_a_finished_run_is_answered_without_torch_and_without_a_proof(
    command_line: CommandLine, home: Path, tmp_path: Path
) -> None:
    words = (*SHORT, "model=one", "loss=bce")
    first = command_line.type(*words, folder=tmp_path, plugins=home)
    assert first.code == 0, first.err
    proofs = list(tmp_path.glob("outputs/store/proofs/*.json"))
    assert proofs
    for proof in proofs:
        proof.unlink()
    assert command_line.type(*words, folder=tmp_path, plugins=home).code == 0
    assert not list(tmp_path.glob("outputs/store/proofs/*.json"))
