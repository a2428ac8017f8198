"""The claims about learning the Game of Life, each with its rule, fixed before anything is trained."""

from __future__ import annotations

from typing import Any

from expzoo.science.claims import Claim

FIRNER = "Firner, Large DNNs look good, but they may be fooling us (2023-08-28), figures 4 to 7 and their text"
FOLLOW_UP = "Firner, Large DNNs and bad local minima (2023-08-29), figures 3 and 4"
ONE_RATE = "all are trained at the one rate of the published script, which may suit some better than others"
SPRINGER = "Springer & Kenyon, It's hard for neural networks to learn the Game of Life (2020), arXiv 2009.01398"


def _rate(name: str, statement: str, published: str, reference: float, **more: Any) -> Claim:
    """A claim about a success rate in percent, compared with `reference`, with an exact binomial interval."""
    fixed: dict[str, Any] = {"source": FIRNER, "unit": "% of networks", "smallest_effect": 0.0}
    fixed |= {"rule": "Clopper-Pearson", "direction": "less"} | more
    return Claim(name=name, statement=statement, published=published, reference=reference, **fixed)


EXACT = Claim(
    name="life.exact_construction",
    statement="The hand-set weights compute the rule without an error, whatever a cell and its neighbours are.",
    source=FIRNER,
    published="loss starts at 0 and stays there",
    unit="wrong boards",
    smallest_effect=0.0,
    reference=1.0,
    direction="less",
    rule="enumeration",
    note="exact for ReLU with outputs clamped to [0, 1]; with a sigmoid the answer is right only after rounding",
)
MINIMAL = _rate(
    "life.minimal_net_never_learns",
    "From a random start in the plain configuration, the smallest network gets 1000 boards right in under 5 % of runs.",
    "0 of 20; Springer & Kenyon 4.7 %",
    5.0,
    note="the script clamps its output since after the essay, so the code that gave the published number is gone",
)
SMOOTH = _rate(
    "life.smooth_minimal_rarely_learns",
    "With leaky units and a sigmoid the smallest network still learns one step in fewer than half of the runs.",
    "2 of 20",
    50.0,
)
WIDTH_GROWS = Claim(
    name="life.width_needed_grows_with_steps",
    statement="The width at which half of the networks succeed grows with each further step that was tried.",
    source=FIRNER,
    published="m about 3, 22 and 50 for 1, 2 and 3 steps",
    unit="times",
    smallest_effect=0.0,
    reference=1.0,
    direction="greater",
    rule="BCa bootstrap",
    note=f"half widths beyond those tried count as the nearest that was; {ONE_RATE}",
)
MANY_STEPS = _rate(
    "life.many_steps_never",
    "Of all networks for five steps and more, whatever their number of steps and width, under 5 % succeed.",
    "0 of 20 at every width up to 100 for 5 steps, up to 200 for 20",
    5.0,
    note="what a fixed number of training steps does not reach may still be learnable",
)
CELLS_HIDE = Claim(
    name="life.cell_accuracy_hides_failure",
    statement="Networks that fail at two steps are right in at least 90 % of the cells.",
    source=FIRNER,
    published="success per tile is going up nicely even when the model failure rates are high",
    unit="% of cells",
    smallest_effect=0.0,
    reference=90.0,
    direction="greater",
    rule="one-sample t",
)
PLATEAU = Claim(
    name="life.plateau_is_all_dead",
    statement="At ten steps, the share of boards a network gets right is within 3 points of the boards that die out.",
    source=FIRNER,
    published=".51 to .53 of the boards, read as 'success rates for individual tiles' and as guessing",
    unit="percentage points",
    smallest_effect=3.0,
    direction="equivalent",
    rule="TOST",
)
ANSWERS_DEAD = _rate(
    "life.stuck_networks_answer_all_dead",
    "At ten steps, at least 90 % of the networks answer that every cell is dead, whatever the board.",
    "not stated; the mechanism behind the plateau",
    90.0,
    direction="greater",
)
SIGNS = _rate(
    "life.sign_flips_break_lucky_inits",
    "With the signs of six weights flipped, a start that led to success leads there in fewer than half of the runs.",
    "4 to 6 flips; a single sign can suffice",
    50.0,
    rule="cluster bootstrap",
    unit="% of runs",
    source=SPRINGER,
)
BARRIER = Claim(
    name="life.linear_path_barrier",
    statement="On the straight line from the known solution to a trained network that succeeds as well, at the largest "
    "width tried, the loss rises above both ends.",
    source=FOLLOW_UP,
    published="10 of 10 lines for m = 1, and 10 of 10 for m = 5; peaks 1.5 to 30",
    unit="% of lines",
    smallest_effect=0.0,
    reference=90.0,
    direction="greater",
    rule="Clopper-Pearson",
    note="a rise counts from 0.01 nats on",
)
BARRIER_ALIGNED = Claim(
    name="life.barrier_after_alignment",
    statement="Permuting the trained network's filters to match the known ones lowers the barrier on more than half of "
    "the lines to networks that succeed.",
    source="Ainsworth et al., Git Re-Basin (2023), asked of Firner's lines",
    published="not stated: the lines were drawn without alignment",
    unit="% of lines",
    smallest_effect=0.0,
    reference=50.0,
    direction="greater",
    rule="Clopper-Pearson",
)
PUBLISHED = {
    1: {1: 0.10, 5: 1.0, 10: 1.0, 20: 1.0, 30: 1.0, 40: 1.0},
    2: {1: 0.0, 5: 0.10, 10: 0.20, 20: 0.45, 30: 0.65, 40: 0.75, 50: 0.75},
    3: {1: 0.0, 5: 0.0, 10: 0.05, 20: 0.0, 30: 0.10, 40: 0.25, 50: 0.50, 100: 0.50},
    5: dict.fromkeys((1, 5, 10, 20, 30, 40, 50, 75, 100), 0.0),
    10: dict.fromkeys((1, 5, 10, 20, 30, 40, 50, 75, 100), 0.0),
    20: dict.fromkeys((1, 5, 10, 20, 30, 40, 50, 75, 100), 0.0),
}
"""Success rates by game steps and width, of 20 networks each, read off the figures to within .02."""
PUBLISHED_BOARDS = {
    1: {1: 0.63, 5: 1.0, 10: 1.0, 20: 1.0},
    2: {1: 0.14, 5: 0.51, 10: 0.75, 20: 0.94, 30: 0.98, 40: 0.99, 50: 0.99},
    3: {1: 0.25, 5: 0.45, 10: 0.53, 20: 0.60, 30: 0.77, 40: 0.83, 50: 0.91, 100: 0.97},
    5: {1: 0.44, 5: 0.43, 50: 0.74, 75: 0.74, 100: 0.69},
}
"""Mean shares of boards that are right in every cell, by game steps and width, read off likewise."""
PUBLISHED_PLAIN = 0.0
"""The success rate of the plain configuration's smallest network, of 20, as the text has it."""
