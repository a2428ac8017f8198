"""Files of the store that a stranger made, with checksums that fit: refused quickly, in one line, in little memory."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from expzoo.lab.lab import Lab, Request
from expzoo.spec.measure import Measure
from expzoo.spec.spec import Spec
from expzoo.store.network import Network, Partial
from expzoo.store.store import Store
from expzoo.system.checksummed import Corrupt, pack, read_packed, unpack

Arrays = dict[str, np.ndarray]
About = dict[str, str]


def forged(entries: dict[str, Any], data: bytes, about: object = None, metadata: object = None) -> bytes:
    """A safetensors file with any header at all, whose own checksum fits."""
    told = json.dumps({"sha256": "0" * 64} if about is None else about)
    header = json.dumps({**entries, "__metadata__": {"expzoo": told} if metadata is None else metadata}).encode()
    return sealed(header, data)


def sealed(header: bytes, data: bytes = b"") -> bytes:
    header += b" " * (-len(header) % 8)
    blank = len(header).to_bytes(8, "little") + header + data
    digest = hashlib.sha256(blank).hexdigest().encode()
    return blank[: len(header) + 8].replace(b"0" * 64, digest, 1) + data


def tensor(dtype: str, shape: list[Any], start: Any, stop: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


HEADERS = {
    "unknown type": forged({"a": tensor("BF16", [1], 0, 2)}, b"12"),
    "eight bits": forged({"a": tensor("F8_E4M3", [1], 0, 1)}, b"1"),
    "an object": forged({"a": tensor("O", [1], 0, 1)}, b"1"),
    "overlap": forged({"a": tensor("U8", [2], 0, 2), "b": tensor("U8", [2], 1, 3)}, b"123"),
    "hole": forged({"a": tensor("U8", [1], 0, 1), "b": tensor("U8", [1], 2, 3)}, b"123"),
    "backwards": forged({"a": tensor("U8", [1], 1, 0)}, b"1"),
    "negative": forged({"a": tensor("U8", [-1], 0, 1)}, b"1"),
    "overflow": forged({"a": tensor("F32", [2**62, 4], 0, 1)}, b"1"),
    "four gigabytes": forged({"a": tensor("U8", [2**32], 0, 2**32)}, b"1"),
    "fraction": forged({"a": tensor("U8", [1.5], 0, 1)}, b"1"),
    "no tensor": forged({"a": 3}, b""),
    "no metadata": forged({}, b"", metadata={}),
    "metadata of numbers": forged({}, b"", metadata={"expzoo": 3}),
    "metadata that is a list": forged({}, b"", about=["sha256", "0" * 64]),
    "checksum of a number": forged({}, b"", about={"sha256": 0}),
    "checksum of nothing": forged({}, b"", about={"sha256": ""}),
    "no object": sealed(b"[]"),
    "not a number": sealed(b'{"a":NaN,"__metadata__":{"expzoo":"{\\"sha256\\":\\"' + b"0" * 64 + b'\\"}"}}'),
    "not text": sealed(b"\xff\xfe" * 99),
    "deep": sealed(b'{"a":' * 10**5 + b"1" + b"}" * 10**5),
    "a header longer than the file": (2**63).to_bytes(8, "little") + b"{}",
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.check("S6")
def test_a_forged_header_is_refused(name: str) -> None:
    begin = time.process_time()
    with pytest.raises(Corrupt, match=r"^some file is ") as caught:
        unpack(HEADERS[name], "some file")
    assert "\n" not in str(caught.value)
    assert time.process_time() - begin < 1


READER = """
import resource, sys, time
from pathlib import Path
from expzoo.system.checksummed import Corrupt, read_packed

before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
try:
    read_packed(Path(sys.argv[1]))
except Corrupt as error:
    print(error)
print(time.process_time() - begin, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.parametrize("number", [10**5, 10**6])
@pytest.mark.check("S6")
def test_a_hundred_thousand_tensors_are_refused_at_little_cost(tmp_path: Path, number: int) -> None:
    path = tmp_path / "bomb"
    entry = b',"%d":' + json.dumps(tensor("U8", [0], 0, 0)).encode()
    about = b'{"__metadata__":{"expzoo":"{\\"sha256\\":\\"' + b"0" * 64 + b'\\"}"}'
    path.write_bytes(sealed(about + b"".join(entry % i for i in range(number)) + b"}"))
    command = [sys.executable, "-c", READER, str(path)]
    said, measured = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    seconds, mebibytes = map(float, measured.split())
    assert said.startswith(str(path))
    assert seconds < 1
    assert mebibytes < 200


@pytest.mark.check("S6")
def test_a_file_that_claims_to_be_huge_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(2**40)
    begin = time.process_time()
    with pytest.raises(Corrupt, match="refused"):
        read_packed(path)
    assert time.process_time() - begin < 1


@pytest.mark.check("S6")
def test_random_files_are_refused() -> None:
    rng, whole = random.Random(0), bytearray(pack({"a": np.arange(9.0)}, {"format": "1"}))
    for _ in range(2000):
        content = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            offset = rng.randrange(len(content))
            content[offset : offset + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
        if content != whole:
            with pytest.raises(Corrupt):
                unpack(bytes(content), "some file")


def row(change: Callable[[np.ndarray], Any]) -> Callable[[Arrays, About], None]:
    """Changes the last row of a network."""

    def changed(arrays: Arrays, about: About) -> None:
        arrays[f"row/{about['step']}"] = change(arrays[f"row/{about['step']}"])

    return changed


def put(name: str, value: Any) -> Callable[[Arrays, About], None]:
    """Adds an array."""
    return lambda arrays, _: arrays.update({name: np.asarray(value)})


def tell(**changes: str) -> Callable[[Arrays, About], None]:
    """Changes what a file says about itself."""
    return lambda _, about: about.update(changes)


NETWORKS: dict[str, Callable[[Arrays, About], Any]] = {
    "no losses": lambda arrays, _: arrays.pop("losses"),
    "no first row": lambda arrays, _: arrays.pop("row/0"),
    "no last row": lambda arrays, about: arrays.pop(f"row/{about['step']}"),
    "no step": lambda _, about: about.pop("step"),
    "no status": lambda _, about: about.pop("status"),
    "a short row": row(lambda values: values[:-1]),
    "a long row": row(lambda values: np.append(values, values)),
    "short rows": lambda arrays, _: arrays.update({k: v[:64] for k, v in arrays.items() if k.startswith("row/")}),
    "a row with two axes": row(lambda values: values.reshape(2, -1)),
    "a row without axes": row(lambda values: values[0]),
    "a row of integers": row(lambda values: values.astype(np.int64)),
    "a row of another type": row(lambda values: values.astype(np.float64)),
    "rows of another type": lambda arrays, _: arrays.update(
        {k: v.astype(np.float64) for k, v in arrays.items() if k[:4] == "row/"}
    ),
    "a row that is no number": row(lambda values: values * np.nan),
    "a row of no step": put("row/abc", np.zeros(64, np.float32)),
    "a row before the start": lambda arrays, _: arrays.update({"row/-1": arrays["row/0"]}),
    "losses with two axes": put("losses", np.zeros((2, 2), np.float32)),
    "a mask of another length": put("mask", np.ones(3, np.uint8)),
    "steps without values": put("steps/accuracy/test/x", [1]),
    "steps and values that differ": lambda a, _: (put("steps/m", [1, 2])(a, {}), put("values/m", [1.0])(a, {})),
    "values that are no list": lambda a, _: (put("steps/m", [[1]])(a, {}), put("values/m", [[1.0]])(a, {})),
    "an unknown status": tell(status="excellent"),
    "a step that is no number": tell(step="eight"),
    "a step that was not kept": tell(step="7"),
    "a step before the start": tell(step="-8"),
    "no format": lambda _, about: about.pop("format"),
    "another key": tell(key="ab" * 32),
}


def network_file(lab: Lab) -> Path:
    [path] = lab.store.root.rglob("network.safetensors")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, Spec, bytes]:
    """A lab that has trained one tiny network, its spec, and its file."""
    from expzoo.spec.component import Component

    kinds = {"dataset": "mnist1d", "model": "mlp", "optimizer": "adam", "schedule": "constant", "loss": "mse"}
    parts = {kind: Component.of(kind, name) for kind, name in kinds.items()}
    spec = Spec(**parts, stop=Component.of("stop", "steps", steps=4), seed=0).replace(model={"width": 4})
    lab = Lab(Store(tmp_path_factory.mktemp("store"), "here"))
    lab.train([spec])
    return lab, spec, network_file(lab).read_bytes()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_forged_network_is_set_aside_and_trained_again(
    trained: tuple[Lab, Spec, bytes], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    lab, spec, genuine = trained
    path = network_file(lab)
    arrays, about = unpack(genuine, path)
    NETWORKS[name](arrays, about)
    path.write_bytes(pack(arrays, about))
    lab.account.trained.clear()
    lab.train(Request((spec,), measures=(Measure("accuracy", "test"), Measure("loss", "train"))))
    lab.train(Request((spec,), steps=(2,)))
    assert lab.account.trained == {spec.key}
    [message] = caplog.messages
    assert message.startswith(str(path))
    assert "\n" not in message
    path.write_bytes(genuine)


PARTIALS: dict[str, Callable[[Arrays, About], Any]] = {
    "no theta": lambda arrays, _: arrays.pop("theta"),
    "no state": lambda arrays, _: arrays.pop("state/exp_avg"),
    "a state of another length": lambda arrays, _: arrays.update({"state/exp_avg": np.zeros(3, np.float32)}),
    "a short theta": lambda arrays, _: arrays.update({"theta": arrays["theta"][:-1]}),
    "a theta of integers": lambda arrays, _: arrays.update({"theta": arrays["theta"].astype(np.int32)}),
    "a theta of another type": lambda arrays, _: arrays.update({"theta": arrays["theta"].astype(np.float64)}),
    "a theta that is no number": lambda arrays, _: arrays.update({"theta": arrays["theta"] * np.nan}),
    "no step": lambda _, about: about.pop("at"),
    "a step that is no number": tell(at="two"),
    "a step before the start": tell(at="-1"),
    "a step after the end": tell(at="5"),
    "losses of other steps": lambda arrays, _: arrays.update({"losses": np.zeros(3, np.float32)}),
}


@pytest.mark.parametrize("name", PARTIALS)
def test_a_forged_partial_file_is_not_resumed(
    trained: tuple[Lab, Spec, bytes],
    name: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, spec, genuine = trained
    lab = Lab(Store(tmp_path, "here"))
    trainee = lab.assembler.trainee

    def started(spec: Spec, networks: Any, partial: Partial | None, *rest: Any) -> Any:
        assert partial is None  # what native code does with arrays of other sizes is not waited for
        return trainee(spec, networks, partial, *rest)

    monkeypatch.setattr(lab.assembler, "trainee", started)
    arrays, about = unpack(genuine, "genuine")
    size = len(arrays["row/0"])
    state = {"exp_avg": np.zeros(size, np.float32), "exp_avg_sq": np.zeros(size, np.float32)}
    unfinished = Network(spec.key, "finished", 0, {0: arrays["row/0"]}, np.ones(2, np.float32))
    lab.store.save_partial(Partial(spec.key, 2, arrays["row/0"], state, unfinished))
    [path] = tmp_path.rglob("partial.safetensors")
    arrays, about = unpack(path.read_bytes(), path)
    PARTIALS[name](arrays, about)
    path.write_bytes(pack(arrays, about))
    lab.train([spec])
    assert network_file(lab).read_bytes() == genuine
    [message] = caplog.messages
    assert message.startswith(str(path))
    assert not path.exists()
