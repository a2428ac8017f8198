"""CIFAR-100."""

from __future__ import annotations

from typing import Literal

from expzoo.plugin import Archive, Count, Fraction, Natural, Remote, StoredImages, register

SOURCE = Archive(
    name="cifar100",
    remote=Remote(
        "cifar-100-binary.tar.gz",
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        ("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",),
    ),
    members=("cifar-100-binary/train.bin", "cifar-100-binary/test.bin"),
    records=(50000, 10000),
    classes=(20, 100),
)
MEAN, STD = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)


@register
class Cifar100(StoredImages):
    """60000 photographs of 32 x 32 pixels in 100 classes of 20 kinds: 50000 for training, 10000 for testing.

    Krizhevsky 2009, "Learning multiple layers of features from tiny images". Channels are
    standardised by the mean and deviation of the training images. The binary version is downloaded
    once, 161 MiB.

    Args:
        labels: the 100 classes (fine) or the 20 kinds that they are grouped into (coarse).
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
        labels: Literal["fine", "coarse"] = "fine",
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
            label=("coarse", "fine").index(labels),
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
