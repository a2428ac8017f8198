"""CIFAR-10."""

from __future__ import annotations

from typing import Literal

from expzoo.plugin import Archive, Count, Fraction, Natural, Remote, StoredImages, register

SOURCE = Archive(
    name="cifar10",
    remote=Remote(
        "cifar-10-binary.tar.gz",
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    ),
    members=(
        *(f"cifar-10-batches-bin/data_batch_{batch}.bin" for batch in range(1, 6)),
        "cifar-10-batches-bin/test_batch.bin",
    ),
    records=(10000,) * 6,
    classes=(10,),
)
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


@register
class Cifar10(StoredImages):
    """60000 photographs of 32 x 32 pixels in ten classes: 50000 for training and validation, 10000 for testing.

    Krizhevsky 2009, "Learning multiple layers of features from tiny images". Channels are
    standardised by the mean and deviation of the training images. The binary version is downloaded
    once, 162 MiB.

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
