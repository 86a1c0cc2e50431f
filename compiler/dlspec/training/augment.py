"""The changes of data, as the spec's `data` asks for them.

What is drawn for an image are a few numbers from 0 to 1, one row for each image of a batch; `apply` turns rows and
images, float[N, C, H, W], into changed images. So the draws do not depend on what else is drawn, nor on how a batch is
divided among processes. Warping is Kornia's, with zeros outside; between pixels it is bilinear, and what holds whole
numbers, a mask of classes, takes the nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from dlspec.backends.runtime import RunError
from dlspec.backends.torch.live import require_torch
from dlspec.objectives import augmentations
from dlspec.training.extras import need
from dlspec.training.seeds import generator_of

if TYPE_CHECKING:
    from torch import Tensor

_WARPS = "kornia.geometry.transform"


class Change:
    """One augmentation at work. ``draws`` are the numbers that an image takes."""

    draws: int = 1

    def __init__(self, recipe: Any, between: str = "bilinear") -> None:
        self.recipe = recipe
        self.between = between

    def size(self, height: int, width: int) -> tuple[int, int]:
        """The height and width of what it makes. Raises `RunError` where the image is too small."""
        return height, width

    def apply(self, images: Tensor, u: Tensor) -> Tensor:
        """The changed images; ``u`` is float64[N, draws]."""
        raise NotImplementedError

    def settle(self, images: Tensor) -> Tensor:
        """What is done to images that are not to be changed at random."""
        return images

    def _warped(self, images: Tensor, **how: Tensor) -> Tensor:
        return _warped(images, self.between, **how)


class HorizontalFlip(Change):
    axis: ClassVar[int] = -1

    def apply(self, images: Tensor, u: Tensor) -> Tensor:
        return _where(u[:, 0] < self.recipe.p, images.flip(self.axis), images)


class VerticalFlip(HorizontalFlip):
    axis = -2


class Crop(Change):
    draws = 2

    def size(self, height: int, width: int) -> tuple[int, int]:
        wanted = self._wanted()
        padded = tuple(size + 2 * self.recipe.padding for size in (height, width))
        if any(part > size for part, size in zip(wanted, padded, strict=True)):
            shown = f"{wanted[0]}x{wanted[1]} of {padded[0]}x{padded[1]}"
            raise RunError(f"RandomCrop takes a part that is larger than the image: {shown}", "--resize HxW")
        return wanted

    def apply(self, images: Tensor, u: Tensor) -> Tensor:
        pad = self.recipe.padding
        padded = require_torch().nn.functional.pad(images, (pad,) * 4, mode=self.recipe.padding_mode)
        return _cut(padded, u, self._wanted())

    def settle(self, images: Tensor) -> Tensor:
        """The middle of the image, as large as a part is."""
        pad = self.recipe.padding
        padded = require_torch().nn.functional.pad(images, (pad,) * 4, mode=self.recipe.padding_mode)
        height, width = self._wanted()
        top, left = (padded.shape[2] - height) // 2, (padded.shape[3] - width) // 2
        return padded[:, :, top : top + height, left : left + width]

    def _wanted(self) -> tuple[int, int]:
        size = self.recipe.size
        return (size, size) if isinstance(size, int) else (size[0], size[-1])


class Pad(Change):
    draws = 2

    def apply(self, images: Tensor, u: Tensor) -> Tensor:
        padded = require_torch().nn.functional.pad(images, (self.recipe.padding,) * 4)
        return _cut(padded, u, (images.shape[2], images.shape[3]))


class Affine(Change):
    """Turn, shift, zoom and shear around the middle; the other warps are cases of it."""

    draws = 5

    def apply(self, images: Tensor, u: Tensor) -> Tensor:
        recipe = self.recipe
        return self._warped(
            images,
            angle=_between(u[:, 0], -recipe.degrees, recipe.degrees),
            shift=_between(u[:, 1:3], -1.0, 1.0) * u.new_tensor(_pair(recipe.translate or 0.0)),
            scale=_between(u[:, 3], *_pair(recipe.scale or 1.0)),
            shear=_between(u[:, 4], -(recipe.shear or 0.0), recipe.shear or 0.0),
        )


class Rotation(Change):
    def apply(self, images: Tensor, u: Tensor) -> Tensor:
        return self._warped(images, angle=_between(u[:, 0], -self.recipe.degrees, self.recipe.degrees))


class Scale(Change):
    def apply(self, images: Tensor, u: Tensor) -> Tensor:
        return self._warped(images, scale=_between(u[:, 0], *_pair(self.recipe.scale)))


class Perspective(Change):
    draws = 9

    def apply(self, images: Tensor, u: Tensor) -> Tensor:
        warps = need(_WARPS, "RandomPerspective")
        height, width = images.shape[2], images.shape[3]
        right, bottom = width - 1.0, height - 1.0
        corners = u.new_tensor([[0, 0], [right, 0], [right, bottom], [0, bottom]])
        inwards = u.new_tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]])
        reach = u.new_tensor([width, height]) * self.recipe.distortion_scale / 2
        moved = corners + u[:, 1:].reshape(-1, 4, 2) * inwards * reach
        matrices = warps.get_perspective_transform(corners.expand_as(moved), moved).to(images.dtype)
        warped = warps.warp_perspective(images, matrices, (height, width), self.between, align_corners=True)
        return _where(u[:, 0] < self.recipe.p, warped, images)


class Intensity(Change):
    def apply(self, images: Tensor, u: Tensor) -> Tensor:
        return images + _column(_between(u[:, 0], -self.recipe.amount, self.recipe.amount), images)


class Contrast(Change):
    def apply(self, images: Tensor, u: Tensor) -> Tensor:
        factor = _column(_between(u[:, 0], 1 - self.recipe.amount, 1 + self.recipe.amount), images)
        # By NumPy: PyTorch adds one image of many pixels in another order where it has more threads.
        mean = require_torch().from_numpy(images.numpy().mean((1, 2, 3), keepdims=True))
        return mean + factor * (images - mean)


class Noise(Change):
    draws = 2

    def apply(self, images: Tensor, u: Tensor) -> Tensor:
        torch = require_torch()
        shape = images.shape[1:]
        noise = torch.stack([torch.randn(shape, generator=generator_of(float(row[1]))) for row in u])
        return _where(u[:, 0] < self.recipe.p, images + self.recipe.std * noise.to(images.dtype), images)


class Lighting(Change):
    """Normal numbers are made of those that are drawn by the inverse of their distribution."""

    def __init__(self, recipe: Any, between: str = "bilinear") -> None:
        super().__init__(recipe, between)
        torch = require_torch()
        eigval = torch.tensor(recipe.eigval, dtype=torch.float64).reshape(-1)
        self.components = torch.tensor(recipe.eigvec, dtype=torch.float64) * eigval
        self.draws = len(eigval)

    def apply(self, images: Tensor, u: Tensor) -> Tensor:
        normal = require_torch().special.ndtri(u.clamp(min=1e-16))
        color = self.recipe.std * normal @ self.components.T
        return images + color.to(images.dtype)[:, :, None, None]


class Normalized(Change):
    """Also of what is no image: of [N, features] the channels are the second axis too."""

    draws = 0

    def apply(self, images: Tensor, u: Tensor) -> Tensor:
        return self.settle(images)

    def settle(self, images: Tensor) -> Tensor:
        shape = (-1, *(1,) * (images.ndim - 2))
        mean, std = (images.new_tensor(each).reshape(shape) for each in (self.recipe.mean, self.recipe.std))
        return (images - mean) / std


CHANGES: dict[type[augmentations.Augmentation], type[Change]] = {
    augmentations.RandomHorizontalFlip: HorizontalFlip,
    augmentations.RandomVerticalFlip: VerticalFlip,
    augmentations.RandomCrop: Crop,
    augmentations.RandomPad: Pad,
    augmentations.RandomRotation: Rotation,
    augmentations.RandomAffine: Affine,
    augmentations.RandomPerspective: Perspective,
    augmentations.RandomScale: Scale,
    augmentations.RandomIntensity: Intensity,
    augmentations.RandomContrast: Contrast,
    augmentations.GaussianNoise: Noise,
    augmentations.RandomLighting: Lighting,
    augmentations.Normalize: Normalized,
}
"""What does each augmentation of the language."""


class Pipeline:
    """Augmentations in order. Beside images they take masks, [N, H, W], and whole numbers, of which none is mixed."""

    def __init__(self, recipes: Sequence[augmentations.Augmentation], whole: bool = False) -> None:
        between = "nearest" if whole else "bilinear"
        self.changes = [CHANGES[type(recipe)](recipe, between) for recipe in recipes]
        self._of_images = any(recipe.random for recipe in recipes)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape, batch first, of what comes out. Raises `RunError` where an image is too small. What has no height and
        width stays as it is."""
        if len(shape) in (3, 4):
            for change in self.changes:
                shape = (*shape[:-2], *change.size(*shape[-2:]))
        return shape

    def settled(self, images: Tensor) -> Tensor:
        """The images at evaluation: nothing is drawn, a crop takes the middle."""
        made = _as_images(images) if self._of_images else images
        for change in self.changes:
            made = change.settle(made)
        return _as_before(made, images) if self._of_images else made

    def augmented(self, images: Tensor, first: int, of: int, *seed: object) -> Tensor:
        """Images changed at random: they are those from ``first`` on of a batch ``of`` so many."""
        torch = require_torch()
        made = _as_images(images) if self._of_images else images
        for place, change in enumerate(self.changes):
            generator = generator_of(*seed, place)
            drawn = torch.rand(of, change.draws, generator=generator, dtype=torch.float64)
            made = change.apply(made, drawn[first : first + len(images)])
        return _as_before(made, images) if self._of_images else made


def _as_images(tensor: Tensor) -> Tensor:
    """With an axis of channels, and in numbers that can be warped: whole ones up to 2 ** 53 stay what they are."""
    tensor = tensor if tensor.is_floating_point() else tensor.double()
    return tensor if tensor.ndim == 4 else tensor[:, None]


def _as_before(images: Tensor, before: Tensor) -> Tensor:
    return (images if before.ndim == 4 else images[:, 0]).to(before.dtype)


def _warped(
    images: Tensor,
    between: str,
    angle: Tensor | None = None,
    shift: Tensor | None = None,
    scale: Tensor | None = None,
    shear: Tensor | None = None,
) -> Tensor:
    """Images turned by degrees, shifted by parts of their size, zoomed and sheared along x by degrees, each its own."""
    warps = need(_WARPS, "augmentation")
    torch = require_torch()
    count, height, width = images.shape[0], images.shape[2], images.shape[3]
    zeros, ones = images.new_zeros(count), images.new_ones(count)
    kind = images.dtype
    zoom = ones if scale is None else scale.to(kind)
    matrices = warps.get_affine_matrix2d(
        translations=zeros.new_zeros(count, 2)
        if shift is None
        else (shift * shift.new_tensor([width, height])).to(kind),
        center=images.new_tensor([(width - 1) / 2, (height - 1) / 2]).expand(count, 2),
        scale=torch.stack([zoom, zoom], 1),
        angle=zeros if angle is None else angle.to(kind),
        sx=None if shear is None else torch.deg2rad(shear.to(kind)),
        sy=None if shear is None else zeros,
    )
    return warps.warp_affine(images, matrices[:, :2], (height, width), between, align_corners=True)


def _cut(images: Tensor, u: Tensor, size: tuple[int, int]) -> Tensor:
    """A part of each image, where its two draws say."""
    torch = require_torch()
    height, width = size
    top, left = (
        (u[:, axis] * (whole - part + 1)).long().clamp(max=whole - part)
        for axis, (whole, part) in enumerate(zip(images.shape[2:], size, strict=True))
    )
    rows = (top[:, None] + torch.arange(height))[:, None, :, None]
    columns = (left[:, None] + torch.arange(width))[:, None, None, :]
    example = torch.arange(images.shape[0])[:, None, None, None]
    return images[example, torch.arange(images.shape[1])[None, :, None, None], rows, columns]


def _between(u: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * u


def _pair(value: Any) -> tuple[float, float]:
    return (value, value) if isinstance(value, float) else (value[0], value[-1])


def _column(numbers: Tensor, images: Tensor) -> Tensor:
    return numbers.to(images.dtype)[:, None, None, None]


def _where(chosen: Tensor, changed: Tensor, images: Tensor) -> Tensor:
    return require_torch().where(chosen[:, None, None, None], changed, images)
