"""Changes of data before a network sees it, by the signatures of `torchvision.transforms` where those have them."""

from __future__ import annotations

from typing import ClassVar, Literal

from dlspec.ir.fields import Data, Fielded, Floats, Ints, Pair
from dlspec.ir.op import OpError


class Augmentation(Fielded):
    """Base of the changes. A ``random`` one changes images while training, and is drawn anew for each image of a batch; the
    others change all that is looked at, of any form.

    ``moves`` says that it changes where something is, and not how bright it is.
    """

    moves: ClassVar[bool] = True
    random: ClassVar[bool] = True

    @property
    def channels(self) -> set[int]:
        """The numbers of channels that it is for; none where it is for any."""
        return set()


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


class RandomLighting(Augmentation):
    """Adds to all pixels of an image a color along the principal components of the colors of a data set, each as far as its
    eigenvalue times a normal number of deviation `std` (Krizhevsky et al. 2012).

    A row of `eigvec` is of a channel, a column of a component. Those of ImageNet, for pixels from 0 to 1, unless told.
    """

    moves = False

    std: float = 0.1
    eigval: Floats = (0.2175, 0.0188, 0.0045)
    eigvec: Data = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))

    def check(self) -> None:
        """Raises `OpError` for eigenvectors that are no table with a column for each eigenvalue."""
        rows = self.eigvec if isinstance(self.eigvec, tuple) else ()
        count = len(self.eigval) if isinstance(self.eigval, tuple) else 1
        if not rows or any(not isinstance(row, tuple) or len(row) != count for row in rows):
            message = f"`eigvec` has a row for each channel, of a number for each of {count} eigenvalues"
            raise OpError(message, code="DL0208")

    @property
    def channels(self) -> set[int]:
        return {len(self.eigvec)} if isinstance(self.eigvec, tuple) else set()


class Normalize(Augmentation):
    """Takes `mean` off and divides by `std`, each a number or one for each channel; also at evaluation."""

    moves = False
    random = False

    mean: Floats
    std: Floats

    def check(self) -> None:
        """Raises `OpError` for what cannot be divided by."""
        for number in self.std if isinstance(self.std, tuple) else (self.std,):
            if number <= 0:
                raise OpError(f"`std` is positive, and {number:g} is not", code="DL0208")

    @property
    def channels(self) -> set[int]:
        return {len(each) for each in (self.mean, self.std) if isinstance(each, tuple) and len(each) > 1}


AUGMENTATIONS: dict[str, type[Augmentation]] = {cls.__name__: cls for cls in Augmentation.__subclasses__()}
