"""The Game of Life against a program that looks at one cell after the other, and against patterns everybody knows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from expzoo.analysis.studies.life.rules import LifeRule, World, coin_flips
from expzoo.config.registry import build
from expzoo.engine.assembly import Assembler
from expzoo.engine.feed import StreamFeed
from expzoo.spec.component import Component
from expzoo.spec.spec import Known, Spec
from expzoo.system.randomness import stream_words

OTHERS = {
    "optimizer": "adam",
    "schedule": "constant",
    "loss": "bce_of_probabilities",
    "stop": "steps",
}
AROUND = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
BESIDE = [(-1, 0), (1, 0), (0, -1), (0, 1)]


def slow_life(board, birth, survival, neighbourhood, edge, steps):
    """One board (height, width), one cell at a time."""
    height, width = board.shape
    for _ in range(steps):
        after = np.zeros_like(board)
        for row in range(height):
            for column in range(width):
                count = 0
                for i, j in AROUND if neighbourhood == "moore" else BESIDE:
                    y, x = row + i, column + j
                    if edge == "torus":
                        count += board[y % height, x % width]
                    elif 0 <= y < height and 0 <= x < width:
                        count += board[y, x]
                after[row, column] = count in (survival if board[row, column] else birth)
        board = after
    return board


@pytest.mark.parametrize("edge", ["dead", "torus"])
@pytest.mark.parametrize(
    ("neighbourhood", "rule"),
    [
        ("von_neumann", "B3/S23"),
        ("moore", "B3/S23"),
        ("moore", "B36/S125"),
        ("von_neumann", "B0/S"),
        ("moore", "B2/S8"),
    ],
)
def test_boards_evolve_as_cell_by_cell(neighbourhood, rule, edge):
    birth, survival = ({int(digit) for digit in part[1:]} for part in rule.split("/"))
    boards = np.random.default_rng(0).integers(0, 2, (6, 5, 9), dtype=np.uint8)
    world = World(LifeRule.parse(rule, neighbourhood), neighbourhood, edge, 3)
    after = world.after(boards)
    for index in range(boards.shape[-1]):
        expected = slow_life(boards[..., index], birth, survival, neighbourhood, edge, 3)
        assert np.array_equal(after[..., index], expected)


def drawn(picture):
    return np.array([[cell == "#" for cell in line] for line in picture.split()], np.uint8)


def test_a_blinker_blinks_and_a_glider_glides():
    conway = World(LifeRule.parse("B3/S23", "moore"), "moore", "dead", 1)
    blinker = drawn("..... ..#.. ..#.. ..#.. .....")
    assert np.array_equal(conway.after(blinker[..., None])[..., 0], blinker.T)
    glider = drawn(".#...... ..#..... ###..... ........ ........ ........ ........ ........")
    assert np.array_equal(conway.after(glider[..., None], 4)[..., 0], np.roll(glider, (1, 1), (0, 1)))
    around = World(conway.rule, "moore", "torus", 1)
    assert np.array_equal(around.after(glider[..., None], 32)[..., 0], glider)


def test_the_essays_rule_is_that_of_its_text():
    """Alive next: three neighbours of four, or two and alive."""
    world = World(LifeRule.parse("B3/S23", "von_neumann"), "von_neumann", "dead", 1)
    for state in range(32):
        up, left, cell, right, down = ((state >> bit) & 1 for bit in range(5))
        board = np.array([[0, up, 0], [left, cell, right], [0, down, 0]], np.uint8)
        count = up + left + right + down
        assert world.after(board[..., None])[1, 1, 0] == (count == 3 or (count == 2 and cell))


def test_what_a_cell_sees_is_enumerated():
    for neighbourhood, steps, count in (("von_neumann", 1, 512), ("moore", 1, 512), ("von_neumann", 2, 8192)):
        boards = World(LifeRule.parse("B3/S23", neighbourhood), neighbourhood, "dead", steps).patterns()
        assert boards.shape[-1] == count
        assert len({boards[..., index].tobytes() for index in range(count)}) == count
    diamond = boards.any(-1)
    assert diamond.sum() == 13
    assert np.array_equal(diamond, np.abs(np.arange(5) - 2)[:, None] + np.abs(np.arange(5) - 2) <= 2)
    with pytest.raises(ValueError, match=r"2 steps see 25 cells"):
        World(LifeRule.parse("B3/S23", "moore"), "moore", "dead", 2).patterns()


def future_of_every_pattern(neighbourhood, rule, steps):
    """Which cells of a square decide its middle cell, (side, side) bool, and its future for each of their states."""
    world = World(LifeRule.parse(rule, neighbourhood), neighbourhood, "dead", steps)
    boards = world.patterns()
    return boards.any(-1), world.after(boards)[steps, steps]


@pytest.mark.parametrize("edge", ["dead", "torus"])
@pytest.mark.parametrize(
    ("neighbourhood", "steps", "rule"),
    [("von_neumann", 1, "B3/S23"), ("moore", 1, "B3/S23"), ("von_neumann", 2, "B3/S23"), ("von_neumann", 2, "B1/S024")],
)
def test_the_enumeration_foretells_every_cell_of_every_board(neighbourhood, steps, rule, edge):
    """Of a torus all cells, with a dead edge those that it does not reach in time."""
    seen, future = future_of_every_pattern(neighbourhood, rule, steps)
    digits = [{int(digit) for digit in part[1:]} for part in rule.split("/")]
    random = np.random.default_rng(7)
    for density in (0.2, 0.5, 0.8):
        board = (random.random((9, 11)) < density).astype(np.uint8)
        after = slow_life(board, *digits, neighbourhood, edge, steps)
        around = np.pad(board, steps, mode="wrap" if edge == "torus" else "constant")
        inside = 0 if edge == "torus" else steps
        for row in range(inside, 9 - inside):
            for column in range(inside, 11 - inside):
                square = around[row : row + 2 * steps + 1, column : column + 2 * steps + 1]
                state = int((square[seen].astype(int) << np.arange(seen.sum())).sum())
                assert after[row, column] == future[state]


def test_no_cell_of_the_diamond_can_be_left_out():
    seen, future = future_of_every_pattern("von_neumann", "B3/S23", 2)
    states = np.arange(2**13)
    assert all((future[states] != future[states ^ (1 << cell)]).any() for cell in range(seen.sum()))


def every_case_of_every_cell(side, reach):
    """For each cell of a board, all states of the cells within this distance (von Neumann), the others dead."""
    rows, columns = np.indices((side, side))
    for cell in np.ndindex(side, side):
        seen = abs(rows - cell[0]) + abs(columns - cell[1]) <= reach
        boards = np.zeros((side, side, 2 ** seen.sum()), np.uint8)
        boards[seen] = (np.arange(boards.shape[-1]) >> np.arange(seen.sum())[:, None]) & 1
        yield cell, boards


def test_the_known_network_is_right_at_edges_and_in_corners_too():
    """The 25 cells of a board of 5 x 5 are all that there are: 37,120 cases, with those of the diamond among them."""
    part = Component.of
    options = {"dataset": part("dataset", "life", steps=2), "model": part("model", "life_net", steps=2)}
    rest = {kind: part(kind, name) for kind, name in OTHERS.items()}
    spec, assembler = Spec(**options, **rest, seed=0, init=Known("life")), Assembler()
    row = torch.from_numpy(assembler.recipes.initial_row(spec, {}))
    network = assembler.blueprints.layout(spec).load(assembler.blueprints.module(spec), row).eval()
    world, cases = spec.dataset.build().world, 0
    for cell, boards in every_case_of_every_cell(5, 2):
        with torch.no_grad():
            said = network(torch.from_numpy(np.moveaxis(boards, -1, 0)[:, None].astype(np.float32)))
        assert np.array_equal(said.view(-1, 5, 5)[:, *cell].numpy(), world.after(boards)[cell])
        cases += boards.shape[-1]
    assert cases == 37120


def test_a_stream_of_words_does_not_depend_on_where_a_call_begins():
    whole = stream_words(7, "purpose", 0, 40)
    assert np.array_equal(stream_words(7, "purpose", 12, 20), whole[12:32])
    assert len({*whole.tolist(), *stream_words(8, "purpose", 0, 40).tolist()}) == 80
    with pytest.raises(ValueError, match="multiple of 4"):
        stream_words(7, "purpose", 2, 4)


@pytest.mark.parametrize("density", [0.0, 0.25, 0.38, 0.5, 0.9, 1.0])
def test_coins_fall_as_often_as_they_should(density):
    count = 5000
    flips = np.unpackbits(coin_flips(3, "coins", 0, 20, count, density), axis=1, bitorder="little")[:, :count]
    assert abs(flips.mean() - density) <= 5 * np.sqrt(density * (1 - density) / flips.size)
    if 0 < density < 1:  # neighbours in memory and in time are independent
        for first, second in ((flips[:, 1:], flips[:, :-1]), (flips[1:], flips[:-1])):
            assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 5 / np.sqrt(first.size)
    part = coin_flips(3, "coins", 7, 9, count, density)
    assert np.array_equal(np.unpackbits(part, axis=1, bitorder="little")[:, :count], flips[7:9])


def test_batches_are_random_boards_and_their_future():
    stream = build("dataset", "life", board=6, batch_size=7, steps=2, neighbourhood="moore", edge="torus", density=0.3)
    x, y = stream.batches([4, 9], 3, 8)
    assert (x.shape, y.shape) == ((5, 2, 7, 1, 6, 6), (5, 2, 7, 36))
    for index in np.ndindex(5, 2, 7):
        expected = slow_life(x[index][0], {3}, {2, 3}, "moore", "torus", 2)
        assert np.array_equal(y[index].reshape(6, 6), expected)
    assert len({x[index].tobytes() for index in np.ndindex(5, 2, 7)}) == 70


def test_splits_are_boards_and_their_future():
    dataset = build("dataset", "life", test_size=20, test_board=4, steps=3)
    seen = set()
    for name, side, count in (("train", 10, 1000), ("test", 4, 20), ("fresh", 4, 20)):
        split = dataset.split(name, 5)
        assert (split.x.shape, split.y.shape) == ((count, 1, side, side), (count, side * side))
        for x, y in zip(split.x[:20, 0], split.y, strict=False):
            assert np.array_equal(
                slow_life(x.astype(int), {3}, {2, 3}, "von_neumann", "dead", 3), y.reshape(side, side)
            )
        seen.add(split.x[:20].tobytes())
    assert len(seen) == 3


@pytest.mark.parametrize("members", [1, 3])
def test_a_feed_brings_the_batches_of_the_stream(members, monkeypatch):
    monkeypatch.setattr("expzoo.engine.feed.BLOCK_BYTES", 4000)  # so that blocks end within what is prepared
    stream, seeds = build("dataset", "life", batch_size=5), [11, 12, 13][:members]
    feed = StreamFeed(stream, seeds)
    x, y = (torch.zeros(max(members, 2), *shape) for shape in feed.shapes())
    for start, stop in ((0, 1), (1, 9), (20, 24), (3, 5)):
        feed.prepare(start, stop)
        for step in range(start, stop):
            feed.load(step, x, y)
            expected = stream.batches(seeds, step, step + 1)
            for found, made in zip((x, y), expected, strict=True):
                assert np.array_equal(found[:members].numpy(), made[0])
                assert torch.equal(found[-1], found[members - 1])
