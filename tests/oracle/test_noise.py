"""Layers that drop something, given what they drop, against torch's own code given the same."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from expzoo.engine.layers.noise import CountedNoise

P = 0.4


class Given(CountedNoise):
    """Draws from a generator that is seeded by the number of the draw; keeps what it drew."""

    def __init__(self):
        super().__init__()
        self.drawn = []

    def draw(self, like, p, call):
        self.drawn.append(kept(like, p, call))
        return self.drawn[-1]


def kept(like, p, call):
    generator = torch.Generator().manual_seed(call)
    return (torch.rand(like.shape, generator=generator, dtype=like.dtype) >= p) / (1 - p)


def doubles(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def as_tuple(state):
    return state if isinstance(state, tuple) else (state,)


def in_doubles(make):
    torch.manual_seed(0)
    return make().double()


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("masked", [None, "causal", "bool", "float"])
def test_attention_drops_weights_as_the_code_of_torch_does(monkeypatch, masked, need_weights):
    layer, x = in_doubles(lambda: nn.MultiheadAttention(6, 2, dropout=P, batch_first=True)), doubles(3, 5, 6)
    causal = nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    options = {
        None: {},
        "causal": {"attn_mask": causal, "is_causal": True},
        "bool": {"attn_mask": causal < 0},
        "float": {"attn_mask": doubles(5, 5, seed=1)},
    }[masked]
    with Given() as noise:
        ours, _ = layer(x, x, x, need_weights=need_weights, **options)
    assert len(noise.drawn) == 1
    [drawn] = noise.drawn
    # torch's code with weights calls functional.dropout on (batch * heads, queries, keys)
    monkeypatch.setattr(functional, "dropout", lambda weights, p: weights * drawn.view_as(weights))
    theirs, _ = layer(x, x, x, need_weights=True, **options)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)


def test_a_query_that_sees_nothing_gets_zeros_with_a_gradient_of_zero_as_in_torch():
    query, key, value = (doubles(2, 3, 4, seed=seed).requires_grad_() for seed in range(3))
    sees = torch.tensor([[True, True, False], [False] * 3, [True] * 3])
    with Given() as noise:
        ours = functional.scaled_dot_product_attention(query, key, value, sees, dropout_p=P)
        functional.scaled_dot_product_attention(query, key, value, sees)
    assert len(noise.drawn) == 1
    gradients = torch.autograd.grad(ours.square().sum(), [query, key, value])
    assert not ours[:, 1].any()
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert not gradients[0][:, 1].any()
    scores = (query @ key.mT / 2).masked_fill(~sees, -torch.inf).softmax(-1).nan_to_num()
    torch.testing.assert_close(ours, scores * noise.drawn[0] @ value)


def test_grouped_queries_and_another_scale_are_as_in_torch():
    query, key, value = doubles(2, 4, 3, 5), doubles(2, 2, 3, 5, seed=1), doubles(2, 2, 3, 5, seed=2)
    with Given() as noise:
        ours = functional.scaled_dot_product_attention(
            query, key, value, dropout_p=P, is_causal=True, scale=0.3, enable_gqa=True
        )
    key, value = (part.repeat_interleave(2, 1) for part in (key, value))
    scores = (0.3 * query @ key.mT).masked_fill(~torch.ones(3, 3, dtype=torch.bool).tril(), -torch.inf)
    torch.testing.assert_close(ours, scores.softmax(-1) * noise.drawn[0] @ value)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
def test_stacked_recurrent_layers_drop_between_layers(kind, bidirectional):
    ways, x = 1 + bidirectional, doubles(3, 5, 4)
    whole = in_doubles(lambda: kind(4, 2, num_layers=3, dropout=P, bidirectional=bidirectional, batch_first=True))
    start = doubles(3 * ways, 3, 2, seed=1)
    start = (start, start.cos()) if kind is nn.LSTM else start
    with Given() as noise:
        outputs, finals = whole(x, start)
    assert len(noise.drawn) == 2
    for layer in range(3):
        one = kind(x.shape[2], 2, bidirectional=bidirectional, batch_first=True).double()
        for name, value in one.named_parameters():
            value.data = getattr(whole, name.replace("_l0", f"_l{layer}")).data
        part = slice(layer * ways, (layer + 1) * ways)
        own = tuple(state[part] for state in as_tuple(start))
        x, last = one(x, own if kind is nn.LSTM else own[0])
        for ours, theirs in zip(as_tuple(finals), as_tuple(last), strict=True):
            torch.testing.assert_close(ours[part], theirs)
        x = x * noise.drawn[layer] if layer < 2 else x
    torch.testing.assert_close(outputs, x)


def test_what_drops_nothing_is_left_to_torch():
    attention = in_doubles(lambda: nn.TransformerEncoderLayer(4, 2, 6, dropout=P, batch_first=True))
    gru, x = in_doubles(lambda: nn.GRU(4, 3, num_layers=2, dropout=P, batch_first=True)), doubles(2, 5, 4)
    for module in (attention.eval(), gru.eval(), nn.AlphaDropout().eval(), nn.Dropout(0.0)):
        with Given() as noise:
            ours = module(x)
        theirs = module(x)
        assert not noise.drawn
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("function", [functional.alpha_dropout, functional.feature_alpha_dropout])
@pytest.mark.parametrize("p", [0.2, 0.7, 1.0])
def test_alpha_dropout_is_that_of_torch(function, p):
    x = doubles(8, 6, 5)
    torch.manual_seed(1)
    theirs = function(x, p, training=True)
    alpha = 1.6732632423543772 * 1.0507009873554805  # of SELU: alpha times scale, as Klambauer et al. print them
    a = 1 / math.sqrt((1 - p) * (1 + p * alpha**2)) if p < 1 else 0.0
    lost = (theirs - (-alpha * a + alpha * a * p)).abs() < 1e-13

    class Theirs(Given):
        def draw(self, like, p, call):
            mask = lost if like.shape == lost.shape else lost[:, :, :1]
            return (~mask).to(like.dtype)

    with Theirs():
        ours = function(x, p, training=True)
        twice = x.clone()
        assert function(twice, p, training=True, inplace=True) is twice
    assert 0 < lost.sum() < lost.numel() or p == 1
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(twice, ours)
