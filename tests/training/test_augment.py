"""Each augmentation of `data`: what it keeps, what it draws, and where it changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from trains import Call, records

from dlspec.backends.runtime import RunError
from dlspec.objectives import augmentations
from dlspec.training.augment import CHANGES, Pipeline
from dlspec.training.seeds import generator_of

IMAGES = torch.rand(6, 3, 12, 10, generator=generator_of("images"))
SAME = IMAGES[:1].expand(64, -1, -1, -1)
"""One image many times: what differs is what is drawn."""

CASES: list[tuple[augmentations.Augmentation, augmentations.Augmentation | None]] = [
    (augmentations.RandomHorizontalFlip(), augmentations.RandomHorizontalFlip(p=0)),
    (augmentations.RandomVerticalFlip(), augmentations.RandomVerticalFlip(p=0)),
    (augmentations.RandomCrop((12, 10), padding=2), augmentations.RandomCrop((12, 10))),
    (augmentations.RandomCrop((12, 10), padding=2, padding_mode="reflect"), None),
    (augmentations.RandomCrop(8), None),
    (augmentations.RandomPad(3), augmentations.RandomPad(0)),
    (augmentations.RandomRotation(30), augmentations.RandomRotation(0)),
    (augmentations.RandomAffine(10, (0.1, 0.2), (0.8, 1.2), 5), augmentations.RandomAffine()),
    (augmentations.RandomPerspective(p=1), augmentations.RandomPerspective(distortion_scale=0, p=1)),
    (augmentations.RandomScale((0.5, 1.5)), augmentations.RandomScale((1, 1))),
    (augmentations.RandomIntensity(0.2), augmentations.RandomIntensity(0)),
    (augmentations.RandomContrast(0.5), augmentations.RandomContrast(0)),
    (augmentations.RandomLighting(), augmentations.RandomLighting(0)),
    (augmentations.GaussianNoise(0.1), augmentations.GaussianNoise(0)),
]
IDS = [repr(case) for case, _ in CASES]


def changed(recipe: augmentations.Augmentation, images: Tensor = IMAGES, *seed: Any) -> Tensor:
    return Pipeline([recipe]).augmented(images, 0, len(images), *(seed or (0,)))


def test_every_augmentation_has_a_case() -> None:
    known = set(augmentations.AUGMENTATIONS.values())
    assert {type(case) for case, _ in CASES} == {each for each in known if each.random}
    assert set(CHANGES) == known


@pytest.mark.parametrize(("recipe", "identity"), CASES, ids=IDS)
def test_shape_seed_and_draws(recipe: augmentations.Augmentation, identity: augmentations.Augmentation | None) -> None:
    first = changed(recipe)
    assert first.shape == Pipeline([recipe]).shape(tuple(IMAGES.shape))
    assert first.dtype == IMAGES.dtype
    assert torch.equal(first, changed(recipe))
    assert not torch.equal(first, changed(recipe, IMAGES, 1))
    drawn = changed(recipe, SAME)
    assert any(not torch.equal(drawn[0], image) for image in drawn[1:])
    if identity is not None:
        assert torch.allclose(changed(identity), IMAGES, atol=1e-5)
        assert not torch.equal(first, IMAGES)


@pytest.mark.parametrize(("recipe", "identity"), CASES, ids=IDS)
def test_a_part_of_a_batch_is_changed_as_in_the_whole(recipe: augmentations.Augmentation, identity: object) -> None:
    pipeline = Pipeline([recipe, augmentations.RandomIntensity(0.1)])
    whole = pipeline.augmented(IMAGES, 0, 6, 5)
    part = pipeline.augmented(IMAGES[2:5], 2, 6, 5)
    assert torch.allclose(part, whole[2:5], atol=1e-6)


@pytest.mark.parametrize(("recipe", "identity"), CASES, ids=IDS)
def test_the_generator_of_training_is_left_alone(recipe: augmentations.Augmentation, identity: object) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    changed(recipe)
    assert torch.equal(torch.get_rng_state(), before)


MASK = (IMAGES[:, 0] > 0.5).long() * 7


@pytest.mark.parametrize(
    "recipe", [case for case, _ in CASES if case.moves], ids=[repr(c) for c, _ in CASES if c.moves]
)
def test_a_mask_moves_with_its_image(recipe: augmentations.Augmentation) -> None:
    """The same numbers as an image and as a mask: nothing is mixed in the mask, and the nearest of four has a quarter or
    more of what the image has there."""
    alike = [recipe, augmentations.RandomVerticalFlip()]
    image = Pipeline(alike).augmented((MASK / 7.0)[:, None], 0, 6, 3)[:, 0]
    mask = Pipeline(alike, whole=True).augmented(MASK, 0, 6, 3)
    assert mask.dtype == MASK.dtype
    assert set(mask.unique().tolist()) <= {0, 7}
    assert mask.shape == image.shape
    assert float((mask / 7.0 - image).abs().max()) <= 0.7501
    assert torch.equal(Pipeline(alike).settled(IMAGES)[:, 0] > 0.5, Pipeline(alike, whole=True).settled(MASK) > 0)


def test_flips_mirror_about_half_of_the_images() -> None:
    for recipe, axis in ((augmentations.RandomHorizontalFlip(), 3), (augmentations.RandomVerticalFlip(), 2)):
        flipped = [torch.equal(image, SAME.flip(axis)[0]) for image in changed(recipe, SAME)]
        kept = [torch.equal(image, SAME[0]) for image in changed(recipe, SAME)]
        assert 16 < sum(flipped) < 48
        assert sum(flipped) + sum(kept) == 64
    assert torch.equal(changed(augmentations.RandomHorizontalFlip(p=1)), IMAGES.flip(3))


def test_a_crop_is_a_part_and_takes_the_middle_at_evaluation() -> None:
    pipeline = Pipeline([augmentations.RandomCrop((8, 6))])
    places = {
        (row, column): IMAGES[0, :, row : row + 8, column : column + 6] for row in range(5) for column in range(5)
    }
    seen = {
        next(place for place, part in places.items() if torch.equal(part, image))
        for image in pipeline.augmented(SAME, 0, 64, 0)
    }
    assert len(seen) > 15
    assert torch.equal(pipeline.settled(IMAGES), IMAGES[:, :, 2:10, 2:8])
    with pytest.raises(RunError, match="RandomCrop takes a part that is larger than the image: 14x14 of 12x10"):
        Pipeline([augmentations.RandomCrop(14)]).shape((6, 3, 12, 10))


def test_nothing_else_changes_images_at_evaluation() -> None:
    pipeline = Pipeline([case for case, _ in CASES if not isinstance(case, augmentations.RandomCrop)])
    assert torch.equal(pipeline.settled(IMAGES), IMAGES)


def test_normalized_is_all_that_is_looked_at() -> None:
    wanted = (IMAGES - torch.tensor([0.1, 0.2, 0.3])[:, None, None]) / 0.5
    pipeline = Pipeline([augmentations.Normalize((0.1, 0.2, 0.3), 0.5)])
    assert torch.equal(pipeline.settled(IMAGES), wanted)
    assert torch.equal(pipeline.augmented(IMAGES, 0, 6, 0), wanted)
    rows = IMAGES.flatten(2).mean(2)
    assert torch.equal(pipeline.settled(rows), (rows - torch.tensor([0.1, 0.2, 0.3])) / 0.5)
    flipped = Pipeline([augmentations.RandomHorizontalFlip(p=1), augmentations.Normalize(0.5, 0.5)])
    assert torch.equal(flipped.augmented(IMAGES, 0, 6, 0), (IMAGES.flip(3) - 0.5) / 0.5)


def test_lighting_is_along_the_principal_components_of_colors() -> None:
    """Over many draws its covariance is that of the components, each by the square of its eigenvalue times `std`."""
    recipe = augmentations.RandomLighting(0.5)
    many = IMAGES[:1].expand(20_000, -1, -1, -1)[..., :2, :2].double()
    added = changed(recipe, many) - many
    assert torch.allclose(added, added[:, :, :1, :1].expand_as(added), atol=1e-12)
    vectors = torch.tensor(recipe.eigvec, dtype=torch.float64)
    assert torch.allclose(vectors.T @ vectors, torch.eye(3, dtype=torch.float64), atol=1e-3)
    shares = added[:, :, 0, 0] @ vectors / torch.tensor(recipe.eigval)
    assert torch.allclose(shares.T.cov(), 0.25 * torch.eye(3, dtype=torch.float64), atol=0.01)
    assert float((shares.mean(0)).abs().max()) < 0.02
    assert float((shares**4).mean() / 0.25**2) == pytest.approx(3, abs=0.1)  # as a normal distribution has it
    gray = augmentations.RandomLighting(0.5, 0.2, ((1.0,),))
    assert changed(gray, IMAGES[:, :1]).shape == (6, 1, 12, 10)


def test_alexnet_trains_on_parts_in_another_light(call: Call) -> None:
    np.savez("data.npz", image=np.random.default_rng(0).random((12, 3, 72, 72), np.float32), label=np.arange(12) % 3)
    small = [f"--set={setting}" for setting in ("side=64", "classes=3", "hidden=8")]
    status, _, err = call(
        "train", "std.alexnet", "--data", "data.npz", *small, "--batch-size=5", "--steps=2", "--out=run"
    )
    assert (status, err) == (0, "")
    assert records("run")[-1]["held_out"]["named"].keys() == {"loss", "top1", "top5"}


def test_turning_by_a_right_angle() -> None:
    """What is drawn for an image is an angle: at the end of its range it is the angle itself."""
    square = IMAGES[:, :, :9, :9]
    change = CHANGES[augmentations.RandomRotation](augmentations.RandomRotation(90))
    turned = change.apply(square, torch.ones(6, 1, dtype=torch.float64))
    assert torch.allclose(turned, square.rot90(-1, (2, 3)), atol=1e-4)


def test_shifts_zooms_and_corners() -> None:
    affine = CHANGES[augmentations.RandomAffine](augmentations.RandomAffine(translate=(0.2, 0.0)))
    drawn = torch.full((6, 5), 0.5, dtype=torch.float64)
    drawn[:, 1] = 1.0
    assert torch.allclose(affine.apply(IMAGES, drawn)[..., 2:], IMAGES[..., :-2], atol=1e-5)
    scale = CHANGES[augmentations.RandomScale](augmentations.RandomScale((1, 2)))
    zoomed = scale.apply(IMAGES[:, :, :11, :9], torch.ones(6, 1, dtype=torch.float64))
    assert torch.allclose(zoomed[:, :, 1:10:2, 0:9:2], IMAGES[:, :, 3:8, 2:7], atol=1e-5)
    corners = CHANGES[augmentations.RandomPerspective](augmentations.RandomPerspective(1.0, 1.0))
    inward = corners.apply(torch.ones_like(IMAGES), torch.full((6, 9), 0.5, dtype=torch.float64))
    assert (inward[:, :, 0, 0] == 0).all()
    assert torch.allclose(inward[:, :, 6, 5], torch.ones(6, 3), atol=1e-4)


def test_intensity_contrast_and_noise() -> None:
    shift = changed(augmentations.RandomIntensity(0.2), SAME) - SAME
    assert float((shift - shift.mean((1, 2, 3), keepdim=True)).abs().max()) < 1e-6
    assert 0.1 < float(shift.max()) <= 0.2
    assert -0.2 <= float(shift.min()) < -0.1
    contrast = changed(augmentations.RandomContrast(0.5), SAME)
    assert torch.allclose(contrast.mean((1, 2, 3)), SAME.mean((1, 2, 3)), atol=1e-5)
    ratio = contrast.std((1, 2, 3)) / SAME.std((1, 2, 3))
    assert 0.5 <= float(ratio.min()) < 0.7 < 1.3 < float(ratio.max()) <= 1.5
    noise = changed(augmentations.GaussianNoise(0.1), SAME) - SAME
    assert abs(float(noise.std()) - 0.1) < 0.005
    assert len({float(image.sum()) for image in noise}) == 64
