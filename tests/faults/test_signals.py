"""Signals: the first stops training at a step boundary, the second at once; both lose nothing and end with code 75."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from expzoo.system.checksummed import read_packed
from expzoo.system.signals import NUMBERS, Interruption, Stopped, ignore, interruptible

BLOCK = 50  # steps between two boundaries at most
STEPS = 150
SAID = "interrupted: what was done is kept; the same command goes on from here"

SLOW = f'''
import time
from pathlib import Path

from expzoo.plugin import register


@register
class Slow:
    """A constant rate. Files say that it is made, and that the second block has begun, whose steps take long."""

    NOT_IN_KEY = ("folder", "seconds")

    def __init__(self, *, folder: str = "", seconds: float = 0.0) -> None:
        self.folder, self.seconds = folder, seconds
        Path(folder, "made").touch()
        while Path(folder, "hold").exists():
            time.sleep(0.01)

    def factor(self, step: int, steps: int) -> float:
        if step > {BLOCK} and steps == {STEPS} and self.seconds:  # it is proved by trainings of other lengths
            Path(self.folder, "started").touch()
            time.sleep(self.seconds)
        return 1.0
'''


@pytest.fixture
def handlers() -> Iterator[dict[int, object]]:
    """Who handles the signals, as it is put back after the test."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0)  # the handler runs between two operations


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_asks_the_second_stops_and_no_other_disturbs(number: int, handlers: dict[int, object]) -> None:
    told: list[str] = []
    interruption = Interruption()
    with interruption.listening(lambda: told.append("heard")):
        send(number)
        assert interruption.asked
        with pytest.raises(Stopped):
            send(number)
        send(number)
    assert told == ["heard"]
    assert {number: signal.getsignal(number) for number in NUMBERS} == handlers


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.usefixtures("handlers")
def test_a_command_hears_one_signal_on_its_way_out(number: int) -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        send(number)
    send(number)


def test_an_undisturbed_command_leaves_the_signals_alone(handlers: dict[int, object]) -> None:
    with interruptible():
        pass
    assert {number: signal.getsignal(number) for number in NUMBERS} == handlers
    ignore()
    assert {signal.getsignal(number) for number in NUMBERS} == {signal.SIG_IGN}


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the same small training in the folder of the test, with steps that take so many seconds."""
    home = tmp_path / "home"
    (home / "schedules").mkdir(parents=True)
    (home / "schedules" / "slow.py").write_text(SLOW)
    environment = {**os.environ, "EXPZOO_PLUGINS": str(home), "OMP_NUM_THREADS": "1"}
    fixed = ("schedule=slow", f"schedule.folder={tmp_path}", "population.size=3", "model.width=9")
    fixed += (f"stop.steps={STEPS}", "dataset.num_samples=300", f"analysis.learning_curves.every={STEPS}")
    started = []

    def command(seconds: float, name: str = "it") -> subprocess.Popen[str]:
        where = (f"store={name}/store", f"hydra.run.dir={name}/out")
        line = [sys.executable, "-m", "expzoo", *fixed, *where, f"schedule.seconds={seconds}"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(line, env=environment, cwd=tmp_path, **pipes))
        return started[-1]

    yield command
    for process in started:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=600)
    return process.returncode, said


def training(folder: Path, process: subprocess.Popen[str], event: str = "started") -> None:
    """Wait until it trains in its second block, or for another event."""
    end = time.monotonic() + 300
    while not (folder / event).exists():
        assert process.poll() is None, ended(process)
        assert time.monotonic() < end
        time.sleep(0.01)


def rows(folder: Path) -> dict[str, bytes]:
    """The last row of every network that is stored, by key."""
    found = {}
    for path in (folder / "store").rglob("network.safetensors"):
        arrays, about = read_packed(path)
        found[about["key"]] = arrays[f"row/{about['step']}"].tobytes()
    return found


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param([signal.SIGINT, signal.SIGINT], id="twice Ctrl-C"),
        pytest.param([signal.SIGTERM] * 3, marks=pytest.mark.slow, id="three times SIGTERM"),
        pytest.param([signal.SIGINT, signal.SIGTERM], marks=pytest.mark.slow, id="both"),
        pytest.param([signal.SIGINT] * 20, marks=pytest.mark.slow, id="in anger"),
    ],
)
@pytest.mark.check("R5")
def test_a_second_signal_within_a_block_loses_nothing(start: Start, tmp_path: Path, signals: list[int]) -> None:
    process = start(seconds=0.2)  # the block takes ten seconds
    training(tmp_path, process)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.5)  # since two at once are one
    code, said = ended(process)
    assert (code, said.splitlines()) == (75, [SAID])
    partials = list((tmp_path / "it").rglob("partial.safetensors"))
    assert [read_packed(path)[1]["at"] for path in partials] == [str(BLOCK)] * 3  # nobody waited for the second
    assert ended(start(seconds=0)) == (0, "")
    assert ended(start(seconds=0, name="undisturbed")) == (0, "")
    assert rows(tmp_path / "it") == rows(tmp_path / "undisturbed")
    assert len(rows(tmp_path / "it")) == 3


@pytest.mark.check("R5")
def test_a_signal_outside_of_training_ends_with_the_same_code(start: Start, tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    process = start(seconds=0)
    training(tmp_path, process, "made")
    process.send_signal(signal.SIGTERM)
    (tmp_path / "hold").unlink()
    code, said = ended(process)
    assert (code, said.splitlines()[-1]) == (75, SAID)


def test_an_interruption_inside_of_code_made_of_a_string_ends_with_the_same_code(tmp_path: Path) -> None:
    """As where a dataclass is made while a library is imported: `python -m` would end by SIGINT."""
    (tmp_path / "command.py").write_text(
        "import sys\n"
        "from expzoo.cli import app as cli\n"
        "cli._dispatch = lambda arguments: exec('raise KeyboardInterrupt')\n"
        "sys.exit(cli.main())\n"
    )
    command = [sys.executable, "-m", "command"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.splitlines()) == (75, [SAID])
