"""A contrast that has a claim of every kind that a file can say, for worlds of the words themselves."""

from __future__ import annotations

from tests.worlds.contrasts import ContrastWorld

RIGHT = "score/test >= 90"
SIZES = [8, 16, 32, 64]
OPTIONS = {
    "arms": {arm: {"model.width": 10 + index} for index, arm in enumerate("abc")},
    "measure": {"score": "score/test", "loss": "loss/test"},
}
SWEPT = OPTIONS | {"sweep": {"model.depth": SIZES}}
CLAIMS = {
    "greater": {"greater": ["a", "b"], "by": 2},
    "less": {"less": ["a", "b"]},
    "equal": {"equal": ["a", "b"], "within": 1},
    "value_of": {"value_of": "a", "greater": "chance", "by": 5},
    "value_between": {"value_of": "a", "between": [40, 60]},
    "mean": {"greater": [{"mean": ["a", "b"]}, "c"]},
    "ratio": {"ratio": ["a", "b"], "of": "loss", "less": 0.9},
    "ratio_between": {"ratio": ["a", "b"], "of": "loss", "between": [0.9, 1.1]},
    "rate_of": {"rate_of": "a", "success": RIGHT, "greater": 60},
    "rates": {"greater": ["a", "b"], "success": RIGHT, "by": 10},
    "difference_of": {"difference_of": [["a", "b"], ["a", "c"]], "greater": 0},
    "log_odds": {"greater": ["a", "b"], "scale": "log_odds"},
    "all": {"all": [{"greater": ["a", "b"]}, {"greater": ["b", "c"]}]},
    "control": {"greater": ["a", "b"], "control": {"value_of": "c", "of": "score/test at start", "equal": "chance"}},
}
TRENDS = {
    "slope_of": {"slope_of": "a", "over": "model.depth", "greater": 0},
    "exponent_of": {"exponent_of": "a", "over": "model.depth", "of": "loss", "less": -0.2},
    "monotone_of": {"monotone_of": "a", "over": "model.depth"},
    "peak_of": {"peak_of": "a", "over": "model.depth"},
    "dip_of": {"dip_of": "a", "over": "model.depth"},
    "for_all": {"greater": ["a", "b"], "for_all": "model.depth"},
    "for_each": {"greater": ["a", "b"], "for_each": "model.depth"},
}
MANY = {"rate_of": 40, "rates": 40}  # seeds, where successes are counted
KINDS = [
    ContrastWorld(("words",), name, options | {"claims": {name: claim}}, MANY.get(name, 8))
    for options, claims in ((OPTIONS, CLAIMS), (SWEPT, TRENDS))
    for name, claim in claims.items()
]
