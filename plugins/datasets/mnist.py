"""MNIST."""

from __future__ import annotations

from typing import Literal

from expzoo.plugin import Count, Fraction, Idx, Natural, StoredImages, register

SOURCE = Idx.like_mnist(
    "mnist",
    urls=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    sums=(  # of images and labels, for training and for testing
        (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
)
MEAN, STD = (0.1307,), (0.3081,)


@register
class Mnist(StoredImages):
    """70000 handwritten digits of 28 x 28 pixels in ten classes: 60000 for training, 10000 for testing.

    LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition".
    Standardised by the mean and deviation of the training images. Four files are downloaded once,
    11 MiB.

    Args:
        train_size: use only the first so many of the training images.
        validation_size: how many are taken from the end of the training images.
        test_size: how many of the test images are used.
        label_noise: how likely the label of a training image is replaced.
        noise_labels: by a wrong one (other) or by any, which may be the true one.
        augment: whether each training image is cropped from a border of 4 pixels, and mirrored, anew at each step.
        border: of zeros, which is the mean colour (He et al. 2015), or the image's own reflection.
        draw: there is one draw of these images: all members see it, and verdicts speak about it.
        batch_size: images in a batch.
        order: shuffled permutes every epoch, fixed never, full takes all images at every step.
        view: plain, with left and right exchanged (flipped), or with all pixels in a random order,
            the same in all splits (shuffled).
    """

    CACHE_VERSION = 1
    NOT_IN_KEY = ("test_size",)
    ADDED = ("view",)

    def __init__(
        self,
        *,
        train_size: Count | None = None,
        validation_size: Natural = 0,
        test_size: Count | None = None,
        label_noise: Fraction = 0.0,
        noise_labels: Literal["other", "any"] = "other",
        augment: Literal["none", "flip", "crop", "crop_flip"] = "none",
        border: Literal["zeros", "reflect"] = "zeros",
        draw: Literal["frozen"] = "frozen",
        batch_size: Count = 128,
        order: Literal["shuffled", "fixed", "full"] = "shuffled",
        view: Literal["plain", "shuffled", "flipped"] = "plain",
    ) -> None:
        super().__init__(
            SOURCE,
            MEAN,
            STD,
            train_size=train_size,
            validation_size=validation_size,
            test_size=test_size,
            label_noise=label_noise,
            noise_labels=noise_labels,
            augment=augment,
            border=border,
            batch_size=batch_size,
            order=order,
            view=view,
        )
