"""Random changes of images while training, by the signatures of `torchvision.transforms` where those have them."""

from __future__ import annotations

from typing import ClassVar, Literal

from dlspec.ir.fields import Fielded, Ints, Pair


class Augmentation(Fielded):
    """Base of the random changes of images while training. Each is drawn anew for each image of a batch.

    ``moves`` says that it changes where something is, and not how bright it is.
    """

    moves: ClassVar[bool] = True


class RandomHorizontalFlip(Augmentation):
    """Mirrors left and right with probability `p`."""

    p: float = 0.5


class RandomVerticalFlip(Augmentation):
    """Mirrors top and bottom with probability `p`."""

    p: float = 0.5


class RandomCrop(Augmentation):
    """A part of `size` at a random place, after `padding` on all sides."""

    size: Ints
    padding: int = 0
    padding_mode: Literal["constant", "reflect", "replicate"] = "constant"


class RandomPad(Augmentation):
    """Shifts the image within up to `padding` pixels of zeros on each side; its size stays."""

    padding: int


class RandomRotation(Augmentation):
    """Turns by up to `degrees` either way."""

    degrees: float


class RandomAffine(Augmentation):
    """Turns by up to `degrees`, shifts by up to `translate` of the size, scales within `scale`, shears by up to
    `shear` degrees."""

    degrees: float = 0.0
    translate: Pair | None = None
    scale: Pair | None = None
    shear: float | None = None


class RandomPerspective(Augmentation):
    """Moves the corners by up to half of `distortion_scale` of the size, with probability `p`."""

    distortion_scale: float = 0.5
    p: float = 0.5


class RandomScale(Augmentation):
    """Zooms by a factor between the two of `scale`; the size stays."""

    scale: Pair


class RandomIntensity(Augmentation):
    """Adds up to `amount` to all pixels, or takes it away."""

    moves = False

    amount: float


class RandomContrast(Augmentation):
    """Multiplies the difference from the mean by a factor within ``[1 - amount, 1 + amount]``."""

    moves = False

    amount: float


class GaussianNoise(Augmentation):
    """Adds normal noise of standard deviation `std`, with probability `p`."""

    moves = False

    std: float
    p: float = 1.0


AUGMENTATIONS: dict[str, type[Augmentation]] = {cls.__name__: cls for cls in Augmentation.__subclasses__()}
