"""Impossible settings of the dataset: one clear line each, before anything is drawn."""

from __future__ import annotations

import pytest

from expzoo.config import registry
from expzoo.system.errors import BadInput


def dataset(**options):
    return registry.build("dataset", "mnist1d", **({"num_samples": 200, "batch_size": 10} | options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 500}, "batch_size 500 is more than the 160 training examples"),
        ({"batch_size": 5, "train_size": 4}, "batch_size 5 is more than the 4 training examples"),
        ({"padding": [60, 36]}, r"padding \[60, 36\] must be two numbers \[low, high\]"),
        ({"padding": [1, 2, 3]}, "must be two numbers"),
        ({"padding": []}, "must be two numbers"),
        ({"view": "chunk_shuffled", "chunk_size": 40}, "chunk_size 40 leaves no two chunks of 40 positions"),
        ({"train_split": 1.0}, "train_split 1.0 leaves no test example of 200"),
        ({"train_split": 0.004}, "train_split 0.004 leaves no training example of 200"),
        ({"num_samples": 9}, "num_samples 9 must be at least 10"),
        ({"max_translation": 73}, "max_translation 73 is beyond the padded length"),
        ({"template_len": 1, "padding": [0, 0], "max_translation": 1}, "leave one position"),
        ({"final_seq_length": 1}, "final_seq_length 1 must be at least 2"),
        ({"validation_size": 160}, "validation_size 160 leaves none of the 160 training examples"),
        ({"seed": 2**32}, "seed 4294967296 must be below 4294967296"),
        ({"view": "upside_down"}, "dataset.view must be one of plain, shuffled, flipped, chunk_shuffled"),
        ({"label_noise": 1.5}, "dataset.label_noise"),
    ],
    ids=str,
)
def test_impossible_options_are_refused_before_anything_is_drawn(options, message):
    with pytest.raises(BadInput, match=message):
        dataset(**options)


def test_faults_are_reported_together():
    with pytest.raises(BadInput, match=r"num_samples 9 .*padding") as caught:
        dataset(num_samples=9, padding=[5, 1])
    assert len(str(caught.value).splitlines()) == 1


def test_an_unknown_split_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="did you mean validation"):
        dataset().split("valid", 0)


def test_signals_without_any_variation_are_refused():
    constant = {"template_len": 2, "padding": [0, 0], "max_translation": 1, "final_seq_length": 2}
    still = {"corr_noise_scale": 0.0, "iid_noise_scale": 0.0, "shear_scale": 0.0, "scale_coeff": 0.0}
    with pytest.raises(ValueError, match="cannot be standardised"):
        dataset(**constant, **still).split("train", 0)
