"""What `--data` names: from its text to sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dlspec.backends.arrays import load_numpy
from dlspec.backends.runtime import RunError
from dlspec.backends.torch.live import require_torch
from dlspec.diagnostics import did_you_mean
from dlspec.training.extras import need
from dlspec.training.folders import open_folder, open_pairs, splits_of
from dlspec.training.sets import is_set, open_set
from dlspec.training.sources import ArraySource, Labels, Offer, Source, in_both_forms, labelled
from dlspec.training.tabular import Column, chosen, is_table, open_table
from dlspec.training.tars import chosen_field, is_shards, open_shards


def given_splits(given: tuple[str, ...], held_out: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is trained on and what is held out, of a call's ``--data`` and ``--val-data``: a folder of splits alone is both.

    Its `test` is held out where it has no `val`.
    """
    if held_out:
        return given, held_out
    parts = [text.rpartition("=") for text in given]
    splits = [splits_of(Path(folder)) if Path(folder).is_dir() else {} for _, _, folder in parts]
    if not all(splits):
        return given, ()
    train: list[str] = []
    held: list[str] = []
    for (name, equals, _), split in zip(parts, splits, strict=True):
        train.append(f"{name}{equals}{split['train']}")
        held.append(f"{name}{equals}{split.get('val', split.get('test'))}")
    return tuple(train), tuple(held)


def open_data(
    given: Sequence[str], ranks: Mapping[str, int], resize: tuple[int, int] | None, download: bool = False
) -> Offer:
    """The sources that ``--data`` names: "digits", a folder of images, an .npz, shards, a data set of a library, or folders
    and files by name: name=folder, name=x.npy, name=x.npz, name=t.csv:columns, name=x.tar:jpg.

    ``ranks`` are those of the spec's data by name, ``resize`` is the height and width that images get. Raises `RunError`.
    """
    first = Path(given[0])
    if len(given) == 1 and is_set(given[0]):
        return open_set(given[0], resize, download)
    if len(given) == 1 and "=" not in given[0] and is_shards(given[0]):
        return open_shards(given[0], resize)
    if len(given) == 1 and given[0] != "digits" and first.is_dir():
        return open_folder(first, list(ranks), resize)
    if list(given) == ["digits"]:
        return _digits(resize)
    folders = _folders(given)
    there = all(Path(text.rpartition("=")[2]).exists() for text in given)
    if resize is not None and there and not folders and not any(map(is_shards, given)):
        raise RunError("--resize is for images: of a folder, or the digits")
    if len(given) == 1 and first.suffix == ".npy" and "=" not in given[0]:
        if len(ranks) != 1:
            raise RunError(f"{first} is one array, and the spec has the data {', '.join(ranks)}", "--data NAME=x.npy")
        given = [f"{next(iter(ranks))}={given[0]}"]
    if len(given) == 1 and first.suffix == ".npz" and ("=" not in given[0] or first.exists()):
        loaded = load_numpy(first)
        assert isinstance(loaded, Mapping)
        return _named((name, ArraySource(array, f"{name} of {first}")) for name, array in loaded.items())
    if len(given) == 1 and "=" not in given[0] and is_table(given[0]):
        return _named((name, _source(column)) for name, column in open_table(given[0]).items())
    sources: dict[str, list[Source]] = {}
    for text in given:
        name = text.partition("=")[0]
        if name in sources or (name in folders and sum(each.startswith(f"{name}=") for each in given) > 1):
            raise RunError(f"the data `{name}` is given twice")
        if name not in folders:
            sources[name] = _assigned(text, ranks, resize)
    images = open_pairs(folders, resize).sources if folders else ()
    return _named([*((name, form) for name, forms in sources.items() for form in forms), *images])


def _folders(given: Iterable[str]) -> dict[str, Path]:
    """The folders among ``NAME=PATH``, by name."""
    parts = [text.partition("=") for text in given]
    return {name: Path(path) for name, equals, path in parts if equals and path and Path(path).is_dir()}


def _assigned(text: str, ranks: Mapping[str, int], resize: tuple[int, int] | None) -> list[Source]:
    """The forms of what ``NAME=FILE`` gives."""
    name, equals, file = text.partition("=")
    if is_set(file) or is_set(text):
        raise RunError(f"--data {text}: a data set is given alone, without a name", f"--data {file or text}")
    if equals and is_table(file):
        return [_source(chosen(file, ranks.get(name, 2)))]
    if equals and is_shards(file):
        return [form for _, form in chosen_field(name, file, resize)]
    if not equals:
        if not Path(text).exists():
            near = did_you_mean(text.partition(":")[0], ("digits", "torchvision", "huggingface"))
            hint = near or "--data takes digits, a folder, .npz or NAME=x.npy"
            raise RunError(f"there is no file or folder {text}", hint)
        raise RunError(f"--data {text} is not NAME=x.npy, and not one folder or .npz alone", "--data NAME=x.npy")
    loaded = load_numpy(Path(file), map_file=True)
    if not isinstance(loaded, Mapping):
        return [ArraySource(loaded, file)]
    key = next(iter(loaded)) if len(loaded) == 1 else name
    if key not in loaded:
        raise RunError(
            f"{file} has no array `{name}`, but {', '.join(loaded) or 'none'}", f"--data {file} takes all of it"
        )
    return [ArraySource(loaded[key], f"{key} of {file}")]


def _source(column: Column) -> Source:
    if column.classes:
        return Labels(column.numbers, column.classes, column.origin, column.one_hot)
    return ArraySource(column.numbers, column.origin)


def _named(sources: Iterable[tuple[str, Source]]) -> Offer:
    return Offer(tuple(sources), exact=True)


def _digits(resize: tuple[int, int] | None) -> Offer:
    """The digits that scikit-learn ships: 1797 images of 8 by 8, or scaled to another size, their values from 0 to 1."""
    import numpy as np

    loaded = need("sklearn.datasets", "the data set digits").load_digits()
    images = (loaded.images / 16).astype(np.float32)[:, None]
    if resize is not None:
        torch = require_torch()
        scaled = torch.nn.functional.interpolate(torch.from_numpy(images), resize, mode="bilinear", antialias=True)
        images = scaled.numpy()
    labels = labelled(loaded.target.astype(np.int64), [str(digit) for digit in range(10)], "digits'")
    return Offer((*in_both_forms("image", ArraySource(images, "digits' images")), *labels), exact=False)
