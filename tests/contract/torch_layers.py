"""Every class of modules in torch.nn in the smallest network that has it: what docs/LAYERS.md is made from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from expzoo.config.registry import build

INPUTS, CLASSES = 6, 3
CROSS_ENTROPY = build("loss", "cross_entropy")


@dataclass(frozen=True)
class Case:
    """A module on hidden values (batch, *shape), how it is called, and what is minimised."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...] = (5,)
    call: Callable[[Any, Tensor], Tensor] = lambda layer, hidden: layer(hidden)
    loss: Callable[[Tensor, Tensor], Tensor] = CROSS_ENTROPY

    def network(self) -> nn.Module:
        """The network with this module in its middle."""
        return Around(self)


class Around(nn.Module):
    """A linear layer, the module of a case, and another linear layer."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.shape, self.call = case.shape, case.call
        self.first, self.layer = nn.Linear(INPUTS, math.prod(case.shape)), case.make()
        with torch.no_grad():
            modes = [(part, part.training) for part in self.layer.modules()]
            self.layer.eval()
            width = self.middle(torch.zeros(2, INPUTS)).shape[1]
            for part, mode in modes:
                part.training = mode
        self.last = nn.Linear(width, CLASSES)

    def middle(self, x: Tensor) -> Tensor:
        """What the module makes of the hidden values, (batch, width)."""
        return self.call(self.layer, self.first(x).unflatten(1, self.shape)).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.middle(x))


LINE, IMAGE, VOLUME = (2, 7), (2, 5, 6), (2, 3, 4, 4)
SEQUENCE = (3, 4)


def of(kind: Callable[..., nn.Module], *args: Any, shape: tuple[int, ...] = (5,), **options: Any) -> Case:
    """A module that takes one tensor and gives one."""
    return Case(lambda: kind(*args, **options), shape)


def first_of(kind: Callable[..., nn.Module], *args: Any, **options: Any) -> Case:
    """A module that gives a tuple, of a sequence."""
    return Case(lambda: kind(*args, **options), SEQUENCE, lambda layer, hidden: layer(hidden)[0])


def tokens(hidden: Tensor) -> Tensor:
    """Whole numbers 0, 1, 2 of hidden values."""
    return (hidden > -0.3).long() + (hidden > 0.3).long()


def unpooled(pool: Callable[..., nn.Module], unpool: Callable[..., nn.Module], shape: tuple[int, ...]) -> Case:
    """What a pool with indices gives, put back."""

    def call(layer: Any, hidden: Tensor) -> Tensor:
        return layer[1](*layer[0](hidden), output_size=hidden.shape)

    return Case(lambda: nn.ModuleList([pool(2, return_indices=True), unpool(2)]), shape, call)


def one_hot(y: Tensor, like: Tensor) -> Tensor:
    """Labels as numbers like the outputs."""
    return (y[:, None] == torch.arange(CLASSES)).to(like.dtype)


def signs(y: Tensor, like: Tensor) -> Tensor:
    """Labels as 1 for the first class and -1 for the others."""
    return torch.where(y == 0, 1, -1).to(like.dtype)


def loss(kind: Callable[..., nn.Module], of: Callable[[Any, Tensor, Tensor], Tensor]) -> Case:
    """A loss, as a function of itself, of outputs and of labels."""
    return Case(nn.Identity, loss=lambda outputs, y: of(kind(), outputs, y))


class Joined(nn.Module):
    """Parameters in a container."""

    def __init__(self, container: nn.Module) -> None:
        super().__init__()
        self.container = container

    def forward(self, x: Tensor) -> Tensor:
        values = self.container.values() if isinstance(self.container, nn.ParameterDict) else self.container
        return x * sum(values)


def parameters() -> list[nn.Parameter]:
    return [nn.Parameter(torch.randn(5)) for _ in range(2)]


ACTIVATIONS = (
    *("CELU", "ELU", "GELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid", "Mish"),
    *("PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softplus", "Softshrink", "Softsign", "Tanh"),
    *("Tanhshrink", "Identity"),
)
SHAPES = {1: LINE, 2: IMAGE, 3: VOLUME}
ATTENTION = {"batch_first": True, "dropout": 0.2}


def by_rank() -> dict[str, Case]:
    """The layers that there are for signals, images and volumes."""
    cases = {}
    for rank, shape in SHAPES.items():

        def case(name: str, *args: Any, rank: int = rank, shape: tuple[int, ...] = shape, **options: Any) -> None:
            cases[f"{name}{rank}d"] = of(getattr(nn, f"{name}{rank}d"), *args, shape=shape, **options)

        case("AdaptiveAvgPool", 2)
        case("AdaptiveMaxPool", 2)
        case("AvgPool", 2)
        case("BatchNorm", 2)
        case("CircularPad", 1)
        case("ConstantPad", 1, 0.5)
        case("Conv", 2, 3, 2)
        case("ConvTranspose", 2, 3, 2, stride=2)
        case("Dropout")
        case("InstanceNorm", 2, affine=True)
        case("LPPool", 2, 2)
        case("LazyBatchNorm")
        case("LazyConv", 3, 2)
        case("LazyConvTranspose", 3, 2)
        case("LazyInstanceNorm")
        case("MaxPool", 2)
        case("ReflectionPad", 1)
        case("ReplicationPad", 1)
        case("ZeroPad", 1)
        pool, unpool = getattr(nn, f"MaxPool{rank}d"), getattr(nn, f"MaxUnpool{rank}d")
        cases[f"MaxUnpool{rank}d"] = unpooled(pool, unpool, shape)
    return cases


LAYERS: dict[str, Case] = {
    **{name: of(getattr(nn, name)) for name in ACTIVATIONS},
    **by_rank(),
    "AdaptiveLogSoftmaxWithLoss": Case(
        lambda: nn.AdaptiveLogSoftmaxWithLoss(5, 4, [2]), call=lambda layer, hidden: layer.log_prob(hidden)
    ),
    "AlphaDropout": of(nn.AlphaDropout),
    "Bilinear": Case(lambda: nn.Bilinear(5, 5, 4), call=lambda layer, hidden: layer(hidden, hidden.tanh())),
    "ChannelShuffle": of(nn.ChannelShuffle, 2, shape=(4, 3, 3)),
    "CosineSimilarity": Case(nn.CosineSimilarity, (2, 5, 2), lambda layer, h: layer(h[:, 0], h[:, 1])),
    "CrossMapLRN2d": of(nn.CrossMapLRN2d, 3, shape=IMAGE),
    "Dropout": of(nn.Dropout),
    "Embedding": Case(lambda: nn.Embedding(3, 4), call=lambda layer, h: layer(tokens(h))),
    "EmbeddingBag": Case(lambda: nn.EmbeddingBag(3, 4), call=lambda layer, h: layer(tokens(h))),
    "FeatureAlphaDropout": of(nn.FeatureAlphaDropout, shape=IMAGE),
    "Flatten": of(nn.Flatten, shape=IMAGE),
    "Fold": of(nn.Fold, (4, 4), 2, shape=(8, 9)),
    "FractionalMaxPool2d": of(nn.FractionalMaxPool2d, 2, output_ratio=0.5, shape=IMAGE),
    "FractionalMaxPool3d": of(nn.FractionalMaxPool3d, 2, output_ratio=0.5, shape=VOLUME),
    "GLU": of(nn.GLU, shape=(6,)),
    "GRU": first_of(nn.GRU, 4, 3, num_layers=2, dropout=0.2, batch_first=True, bidirectional=True),
    "GRUCell": Case(lambda: nn.GRUCell(5, 4), call=lambda layer, hidden: layer(hidden, layer(hidden))),
    "GroupNorm": of(nn.GroupNorm, 2, 4, shape=(4, 3, 3)),
    "LSTM": first_of(nn.LSTM, 4, 3, num_layers=2, dropout=0.2, batch_first=True),
    "LSTMCell": Case(lambda: nn.LSTMCell(5, 4), call=lambda layer, hidden: layer(hidden, layer(hidden))[0]),
    "LayerNorm": of(nn.LayerNorm, 5),
    "LazyLinear": of(nn.LazyLinear, 4),
    "Linear": of(nn.Linear, 5, 4),
    "LocalResponseNorm": of(nn.LocalResponseNorm, 2, shape=IMAGE),
    "LogSoftmax": of(nn.LogSoftmax, 1),
    "ModuleDict": Case(lambda: nn.ModuleDict({"a": nn.Linear(5, 4)}), call=lambda layer, h: layer["a"](h)),
    "ModuleList": Case(lambda: nn.ModuleList([nn.Linear(5, 4)]), call=lambda layer, h: layer[0](h)),
    "MultiheadAttention": Case(
        lambda: nn.MultiheadAttention(4, 2, **ATTENTION), SEQUENCE, lambda layer, h: layer(h, h, h)[0]
    ),
    "PairwiseDistance": Case(nn.PairwiseDistance, (2, 5, 2), lambda layer, h: layer(h[:, 0], h[:, 1])),
    "ParameterDict": of(lambda: Joined(nn.ParameterDict(dict(zip("ab", parameters(), strict=True))))),
    "ParameterList": of(lambda: Joined(nn.ParameterList(parameters()))),
    "PixelShuffle": of(nn.PixelShuffle, 2, shape=(4, 3, 3)),
    "PixelUnshuffle": of(nn.PixelUnshuffle, 2, shape=(1, 4, 4)),
    "RMSNorm": of(nn.RMSNorm, 5),
    "RNN": first_of(nn.RNN, 4, 3, num_layers=2, dropout=0.2),
    "RNNCell": Case(lambda: nn.RNNCell(5, 4), call=lambda layer, hidden: layer(hidden, layer(hidden))),
    "Sequential": of(lambda: nn.Sequential(nn.Linear(5, 4), nn.Tanh())),
    "Softmax": of(nn.Softmax, 1),
    "Softmax2d": of(nn.Softmax2d, shape=IMAGE),
    "Softmin": of(nn.Softmin, 1),
    "SyncBatchNorm": of(nn.SyncBatchNorm, 2, shape=IMAGE),
    "Threshold": of(nn.Threshold, 0.1, 0.0),
    "Transformer": Case(
        lambda: nn.Transformer(4, 2, 1, 1, 6, **ATTENTION), SEQUENCE, lambda layer, h: layer(h, h[:, :2])
    ),
    "TransformerDecoder": Case(
        lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 6, **ATTENTION), 2),
        SEQUENCE,
        lambda layer, h: layer(h[:, :2], h),
    ),
    "TransformerDecoderLayer": Case(
        lambda: nn.TransformerDecoderLayer(4, 2, 6, **ATTENTION), SEQUENCE, lambda layer, h: layer(h[:, :2], h)
    ),
    "TransformerEncoder": of(
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 6, **ATTENTION), 2), shape=SEQUENCE
    ),
    "TransformerEncoderLayer": of(nn.TransformerEncoderLayer, 4, 2, 6, shape=SEQUENCE, **ATTENTION),
    "Unflatten": of(nn.Unflatten, 1, (2, 3), shape=(6,)),
    "Unfold": of(nn.Unfold, 2, shape=IMAGE),
    "Upsample": of(nn.Upsample, scale_factor=2, mode="bilinear", shape=IMAGE),
    "UpsamplingBilinear2d": of(nn.UpsamplingBilinear2d, scale_factor=2, shape=IMAGE),
    "UpsamplingNearest2d": of(nn.UpsamplingNearest2d, scale_factor=2, shape=IMAGE),
}

LOSSES: dict[str, Case] = {
    "BCELoss": loss(nn.BCELoss, lambda of, o, y: of(o.sigmoid(), one_hot(y, o))),
    "BCEWithLogitsLoss": loss(nn.BCEWithLogitsLoss, lambda of, o, y: of(o, one_hot(y, o))),
    "CTCLoss": loss(
        nn.CTCLoss,
        lambda of, o, y: of(o.log_softmax(1).expand(4, *o.shape), y.clamp(1, 2)[:, None], (4,) * len(o), (1,) * len(o)),
    ),
    "CosineEmbeddingLoss": loss(nn.CosineEmbeddingLoss, lambda of, o, y: of(o, one_hot(y, o), signs(y, o))),
    "CrossEntropyLoss": loss(nn.CrossEntropyLoss, lambda of, o, y: of(o, y)),
    "GaussianNLLLoss": loss(nn.GaussianNLLLoss, lambda of, o, y: of(o, one_hot(y, o), o.exp())),
    "HingeEmbeddingLoss": loss(nn.HingeEmbeddingLoss, lambda of, o, y: of(o[:, 0], signs(y, o))),
    "HuberLoss": loss(nn.HuberLoss, lambda of, o, y: of(o, one_hot(y, o))),
    "KLDivLoss": loss(
        lambda: nn.KLDivLoss(reduction="batchmean"), lambda of, o, y: of(o.log_softmax(1), one_hot(y, o) * 0.7 + 0.1)
    ),
    "L1Loss": loss(nn.L1Loss, lambda of, o, y: of(o, one_hot(y, o))),
    "MSELoss": loss(nn.MSELoss, lambda of, o, y: of(o, one_hot(y, o))),
    "MarginRankingLoss": loss(nn.MarginRankingLoss, lambda of, o, y: of(o[:, 0], o[:, 1], signs(y, o))),
    "MultiLabelMarginLoss": loss(
        nn.MultiLabelMarginLoss,
        lambda of, o, y: of(o, torch.stack([y, *[torch.full_like(y, -1)] * (CLASSES - 1)], 1)),
    ),
    "MultiLabelSoftMarginLoss": loss(nn.MultiLabelSoftMarginLoss, lambda of, o, y: of(o, one_hot(y, o))),
    "MultiMarginLoss": loss(nn.MultiMarginLoss, lambda of, o, y: of(o, y)),
    "NLLLoss": loss(nn.NLLLoss, lambda of, o, y: of(o.log_softmax(1), y)),
    "PoissonNLLLoss": loss(nn.PoissonNLLLoss, lambda of, o, y: of(o, one_hot(y, o))),
    "SmoothL1Loss": loss(nn.SmoothL1Loss, lambda of, o, y: of(o, one_hot(y, o))),
    "SoftMarginLoss": loss(nn.SoftMarginLoss, lambda of, o, y: of(o, 2 * one_hot(y, o) - 1)),
    "TripletMarginLoss": loss(nn.TripletMarginLoss, lambda of, o, y: of(o, one_hot(y, o), o.flip(1))),
    "TripletMarginWithDistanceLoss": loss(
        nn.TripletMarginWithDistanceLoss, lambda of, o, y: of(o, one_hot(y, o), o.flip(1))
    ),
}

ELSEWHERE = {
    "Container": "a base class",
    "DataParallel": "`trainer=` says what is spread over devices",
    "LinearCrossEntropyLoss": "a loss has no parameters: `nn.Linear` in the model, `nn.CrossEntropyLoss` as loss",
    "Module": "the base class",
    "NLLLoss2d": "an old name of `nn.NLLLoss`",
    "RNNBase": "a base class",
    "RNNCellBase": "a base class",
}
