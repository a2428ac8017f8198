"""Temperatures and calibration errors against slow, obvious second implementations, and where the answer is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from expzoo.components.metrics import log_probabilities
from expzoo.config.registry import build
from expzoo.science.numerics import calibration, ensembles, power_law
from expzoo.science.numerics.calibration import HOTTEST, Reliability, fit_temperature, log_softmax, nll
from expzoo.system.randomness import integers, normals, uniforms


def made(count: int, classes: int, scale: float, draw: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels that are more often than not the likeliest class."""
    logits = scale * normals(0, "logits", draw, count * classes).reshape(count, classes)
    right = uniforms(0, "right", draw, count) < 0.6
    return logits, np.where(right, logits.argmax(1), integers(0, "labels", draw, count, classes))


def by_bisection(logits: np.ndarray, labels: np.ndarray) -> float:
    """The root in 1 / T of the derivative of the NLL, which increases."""
    low, high = 1 / HOTTEST, HOTTEST

    def slope(beta: float) -> float:
        probabilities = torch.from_numpy(beta * logits).softmax(1).numpy()
        return float(((probabilities * logits).sum(1) - logits[range(len(labels)), labels]).mean())

    if slope(low) >= 0:
        return 1 / low
    if slope(high) <= 0:
        return 1 / high
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 1 / low


@pytest.mark.parametrize(
    ("count", "classes", "scale"), [(50, 2, 1.0), (300, 10, 8.0), (300, 10, 0.05), (40, 3, 30.0), (1, 4, 1.0)]
)
def test_three_ways_to_the_temperature_agree(count: int, classes: int, scale: float) -> None:
    logits, labels = made(count, classes, scale)
    found = math.log(fit_temperature(logits, labels))
    assert found == pytest.approx(math.log(by_bisection(logits, labels)), abs=1e-9)
    if count > 1:  # one example that is right is likelier the colder it is, until rounding makes all equal
        assert found == pytest.approx(math.log(calibration.temperature_by_search(logits, labels)), abs=1e-5)


def test_the_temperature_at_which_labels_were_drawn_is_found() -> None:
    logits, _ = made(40_000, 5, 2.0)
    for true in (0.5, 1.0, 3.0):
        cumulative = np.exp(log_softmax(logits, true)).cumsum(1)
        labels = (cumulative < uniforms(1, "drawn", 0, len(logits))[:, None]).sum(1)
        assert fit_temperature(logits, labels) == pytest.approx(true, rel=0.03)


def test_labels_that_the_logits_separate_have_the_coldest_temperature_and_wrong_ones_the_hottest() -> None:
    logits, _ = made(30, 4, 1.0)
    assert fit_temperature(logits, logits.argmax(1)) == pytest.approx(1 / HOTTEST)
    assert fit_temperature(logits, logits.argmin(1)) == pytest.approx(HOTTEST)


def test_an_empty_split_has_no_temperature() -> None:
    with pytest.raises(ValueError, match="are no examples"):
        fit_temperature(np.empty((0, 3)), np.empty(0, np.int64))


def slow_error(confidence: np.ndarray, correct: np.ndarray, groups: list[list[int]]) -> float:
    """Gap by gap."""
    total = 0.0
    for group in groups:
        if group:
            gap = sum(correct[i] for i in group) / len(group) - sum(confidence[i] for i in group) / len(group)
            total += len(group) * abs(gap)
    return 100 * total / len(confidence)


@pytest.mark.parametrize("bins", [1, 4, 15])
def test_calibration_errors_are_those_of_a_slow_count(bins: int) -> None:
    logits, labels = made(200, 5, 3.0)
    logs = log_softmax(logits)
    confidence, correct = calibration.predicted(logs, labels)
    wide = [[i for i, c in enumerate(confidence) if b / bins < c <= (b + 1) / bins] for b in range(bins)]
    assert calibration.ece(logs, labels, bins) == pytest.approx(slow_error(confidence, correct, wide))
    order = np.argsort(confidence, kind="stable").tolist()
    mass = [[order[i] for i in range(200) if i * bins // 200 == b] for b in range(bins)]
    assert calibration.ece_by_mass(logs, labels, bins) == pytest.approx(slow_error(confidence, correct, mass))
    by_class = []
    for k in range(5):
        own = np.exp(logs[:, k])
        groups = [[i for i, c in enumerate(own) if b / bins < c <= (b + 1) / bins] for b in range(bins)]
        by_class.append(slow_error(own, (labels == k).astype(float), groups))
    assert calibration.ece_class_wise(logs, labels, bins) == pytest.approx(sum(by_class) / 5)


def test_the_scores_are_those_of_the_metrics() -> None:
    logits, labels = made(300, 10, 4.0)
    found = calibration.scores(log_softmax(logits), labels)
    outputs, targets = torch.from_numpy(logits), torch.from_numpy(labels)
    for name, metric in (("accuracy", "accuracy"), ("nll", "nll"), ("brier", "brier"), ("ece", "calibration_error")):
        assert found[name] == pytest.approx(build("metric", metric)(outputs, targets))
    np.testing.assert_allclose(log_softmax(logits), log_probabilities(outputs, targets).numpy(), atol=1e-12)


def test_certainty_falls_into_the_last_bin_and_empty_bins_count_for_nothing() -> None:
    seen = calibration.reliability(np.array([1.0, 1.0, 0.0, 0.5]), np.array([1.0, 0.0, 0.0, 1.0]), 2)
    np.testing.assert_array_equal(seen.count, [2, 2])
    np.testing.assert_allclose(seen.confidence, [0.25, 1.0])
    empty = calibration.reliability(np.array([0.95]), np.array([1.0]), 10)
    assert np.isnan(empty.accuracy[:9]).all()
    assert empty.error == pytest.approx(5.0)
    assert isinstance(empty, Reliability)


# Ensembles.


def pool(members: int = 5) -> tuple[np.ndarray, np.ndarray]:
    logits = np.stack([made(60, 4, 2.0, draw)[0] for draw in range(members)])
    return logits, made(60, 4, 2.0)[1]


def test_an_ensemble_averages_probabilities() -> None:
    logits, _ = pool()
    expected = np.log(np.mean([np.exp(log_softmax(one)) for one in logits], 0))
    np.testing.assert_allclose(ensembles.average(log_softmax(logits)), expected, atol=1e-12)


def test_the_curve_is_the_mean_over_the_ensembles_that_it_names() -> None:
    logits, labels = pool(7)
    shares = log_softmax(logits)
    curve = ensembles.nll_curve(ensembles.true_likelihoods(shares, labels), (1, 2, 3, 7), 4)
    for size, value in zip((1, 2, 3, 7), curve, strict=True):
        chosen = ensembles.subsets(7, size, 4)
        assert all(len(set(members.tolist())) == size for members in chosen)
        assert value == pytest.approx(np.mean([nll(ensembles.average(shares[members]), labels) for members in chosen]))
    assert sorted(ensembles.subsets(7, 1, 4)[:, 0].tolist()) == list(range(7))


def test_disagreement_is_that_of_all_pairs() -> None:
    logits, _ = pool()
    votes = logits.argmax(-1)
    pairs = [100 * (votes[a] != votes[b]).mean() for a, b in itertools.combinations(range(5), 2)]
    assert ensembles.disagreement(logits) == pytest.approx(np.mean(pairs))


def test_temperatures_before_and_after_averaging_are_two_things_and_both_are_maxima() -> None:
    logits, labels = pool()
    after = fit_temperature(ensembles.average(log_softmax(logits)), labels)
    before = ensembles.fit_before(logits, labels)
    assert abs(math.log(after / before)) > 0.05
    for when, found in (("before", before), ("after", after)):
        least = nll(ensembles.calibrated(logits, logits, labels, when), labels)
        for near in (0.9 * found, 1.1 * found):
            if when == "before":
                other = ensembles.average(log_softmax(logits, near))
            else:
                other = log_softmax(ensembles.average(log_softmax(logits)), near)
            assert least < nll(other, labels)


# Laws.


def test_laws_are_found_again_and_told_apart() -> None:
    x, outside = np.array([1.0, 2, 3, 4, 6, 8, 16, 32]), np.arange(8) >= 6
    for form in power_law.FORMS:
        curve = power_law.example(form)(x)
        law = power_law.fit(x[~outside], curve[~outside], form)
        np.testing.assert_allclose(law(x), curve, atol=1e-6)
        assert power_law.nearest(x, curve, outside) == form
    for rate in (-0.3, -1.0, -2.5):
        assert power_law.fit(x, 0.2 + 3 * x**rate).rate == pytest.approx(rate, abs=1e-4)


def test_a_fit_is_no_worse_than_any_law_of_a_fine_grid() -> None:
    x = np.array([1.0, 2, 4, 8, 16])
    y = 1 / x + 0.02 * normals(0, "noise", 0, 5)
    law = power_law.fit(x, y)
    least = np.square(law(x) - y).sum()
    for rate in np.linspace(-4, -0.05, 80):
        columns = np.stack([np.ones(5), x**rate], 1)
        weights, *_ = np.linalg.lstsq(columns, y, rcond=None)
        assert least <= np.square(columns @ weights - y).sum() + 1e-9


def test_curves_are_fitted_together_as_one_by_one() -> None:
    x, outside = np.array([1.0, 2, 4, 8, 16, 32]), np.arange(6) >= 4
    curves = 1 / x + 0.05 * normals(0, "curves", 0, 36).reshape(2, 3, 6)
    for form in power_law.FORMS:
        together = power_law.miss(x, curves, outside, form)
        alone = [[power_law.miss(x, curve, outside, form) for curve in row] for row in curves]
        np.testing.assert_allclose(together, alone, rtol=1e-9)
    np.testing.assert_allclose(
        power_law.exponent(x, curves, outside)[1, 2], power_law.fit(x[:4], curves[1, 2, :4]).rate
    )


def test_too_few_points_determine_no_law() -> None:
    with pytest.raises(ValueError, match="do not determine a power law"):
        power_law.fit(np.array([1.0, 2.0]), np.array([1.0, 0.5]))
