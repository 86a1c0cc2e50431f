"""Folders of images: by class, in pairs of one stem, and in the splits that somebody made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dlspec.backends.runtime import RunError
from dlspec.training.images import FilePictures, MaskSource, common_size, image_files, image_forms
from dlspec.training.sources import Offer, Source, labelled

_SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
    "testing": "test",
}  # fmt: skip
"""What folders of splits are called."""


def splits_of(folder: Path) -> dict[str, Path]:
    """The folders of "train", "val" and "test" in one that has nothing else and two of them at least; else none."""
    inside = _folders(folder)
    found = {_SPLITS[name.lower()]: folder / name for name in inside if name.lower() in _SPLITS}
    return found if "train" in found and 1 < len(found) == len(inside) else {}


def open_folder(folder: Path, names: Sequence[str], resize: tuple[int, int] | None) -> Offer:
    """A folder with a folder of images for each class, for each of the data, or `images` and `masks`, or with the images
    themselves. Raises `RunError`."""
    check_whole(folder)
    inside = _folders(folder)
    by_data = {name: folder / each for name in names for each in (name, f"{name}s") if each in inside}
    if 1 < len(by_data) == len(names):
        return open_pairs(by_data, resize)
    if {"images", "masks"} <= set(inside):
        pictures = _paired({"image": folder / "images", "mask": folder / "masks"})
        size = resize or common_size(pictures["image"])
        mask = MaskSource(pictures["mask"], resize or common_size(pictures["mask"]), resize is not None)
        return Offer((*image_forms("image", pictures["image"], size, resize is not None), ("mask", mask)), exact=False)
    return _by_class(folder, inside, resize)


def open_pairs(folders: Mapping[str, Path], resize: tuple[int, int] | None) -> Offer:
    """Folders by the names of the data: the images that have one name in all of them are an example. Raises `RunError`."""
    offered: list[tuple[str, Source]] = []
    for name, pictures in _paired(folders).items():
        size = resize or common_size(pictures)
        offered += image_forms(name, pictures, size, resize is not None)
        offered.append((name, MaskSource(pictures, size, resize is not None)))
    return Offer(tuple(offered), exact=True)


def check_whole(folder: Path) -> None:
    """Raises `RunError` for a folder of splits, where one of them is asked for."""
    splits = splits_of(folder)
    if splits:
        raise RunError(f"{folder} has splits, and one set is asked for", " or ".join(map(str, splits.values())))


def _folders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _paired(folders: Mapping[str, Path]) -> dict[str, FilePictures]:
    """The images of each folder, in one order of their names without endings. Raises `RunError`."""
    stems: dict[str, dict[str, Path]] = {}
    for name, folder in folders.items():
        check_whole(folder)
        stems[name] = {}
        for path in image_files(folder):
            stem = str(path.relative_to(folder).with_suffix(""))
            if stem in stems[name]:
                raise RunError(f"{stems[name][stem]} and {path} have one name", "which of them is the example?")
            stems[name][stem] = path
        if not stems[name]:
            raise RunError(f"{folder} has no images", "a folder with .png or .jpg files in it")
    for name, found in stems.items():
        for other, others in stems.items():
            for stem, path in found.items():
                if stem not in others:
                    message = f"{path} has none of its name in {folders[other]}"
                    raise RunError(message, f"{len(found):,} images of `{name}`, {len(others):,} of `{other}`")
    order = sorted(next(iter(stems.values())))
    return {
        name: FilePictures([found[stem] for stem in order], f"images of {folders[name]}")
        for name, found in stems.items()
    }


def _by_class(folder: Path, classes: Sequence[str], resize: tuple[int, int] | None) -> Offer:
    import numpy as np

    files = [image_files(folder / name) for name in classes] if classes else [image_files(folder)]
    if not any(files):
        raise RunError(f"{folder} has no images", "a folder for each class with .png or .jpg files in it")
    empty = [name for name, of_class in zip(classes, files, strict=False) if not of_class]
    if empty:
        message = f"the class {empty[0]} has no images: {folder / empty[0]} is empty"
        raise RunError(message, "take the folder away, or begin its name with a dot")
    pictures = FilePictures([path for of_class in files for path in of_class], f"images of {folder}")
    offered = image_forms("image", pictures, resize or common_size(pictures), resize is not None)
    if classes:
        numbers = np.repeat(np.arange(len(files), dtype=np.int64), [len(of_class) for of_class in files])
        offered += labelled(numbers, classes, f"{folder}'s {len(classes)}")
    return Offer(tuple(offered), exact=False)
