"""Fashion-MNIST."""

from __future__ import annotations

from typing import Literal

from expzoo.plugin import Count, Fraction, Idx, Natural, StoredImages, register

SOURCE = Idx.like_mnist(
    "fashion_mnist",
    urls=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",  # the checksum is the protection
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    sums=(  # of images and labels, for training and for testing
        (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        (
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
)
MEAN, STD = (0.2860,), (0.3530,)


@register
class FashionMnist(StoredImages):
    """70000 pictures of clothes of 28 x 28 pixels in ten classes: 60000 for training, 10000 for testing.

    Xiao, Rasul & Vollgraf 2017, "Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms". Standardised by the mean and deviation of the training images. Four files
    are downloaded once, 30 MiB.

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
