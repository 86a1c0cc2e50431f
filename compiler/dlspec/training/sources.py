"""What examples come from: a tensor of all of them, read where a batch asks for some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from dlspec.backends.runtime import RunError
from dlspec.diagnostics import did_you_mean

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_SHOWN = 6
"""Classes that a message lists."""


class Source(Protocol):
    """A tensor of all examples. ``shape`` is that of all, ``origin`` says what it is; what is ``ready`` is in memory
    as it is asked for."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    origin: str
    ready: bool

    def rows(self, indices: Array) -> Array:
        """Those examples, in this order: an array of the source's dtype."""
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """What a call gives to train on.

    ``exact`` says that the names are the user's: a tensor has its name and no other. Several sources may have one name, in
    different forms.
    """

    sources: tuple[tuple[str, Source], ...]
    exact: bool


class ArraySource:
    """An array, in memory or mapped from a file."""

    def __init__(self, array: Array, origin: str) -> None:
        self._array = array
        self.shape: tuple[int, ...] = array.shape
        self.dtype = array.dtype
        self.origin = origin
        self.ready = type(array).__name__ != "memmap"

    def rows(self, indices: Array) -> Array:
        return self._array[indices]


class Labels(ArraySource):
    """Classes that have names, by number or one hot."""

    def __init__(self, numbers: Array, classes: Sequence[str], origin: str, one_hot: bool = False) -> None:
        import numpy as np

        super().__init__(np.eye(len(classes), dtype=np.float32)[numbers] if one_hot else numbers, origin)
        self.classes = tuple(classes)
        self._numbers = numbers
        self._one_hot = one_hot

    def among(self, classes: Sequence[str]) -> Labels:
        """The same by the numbers that these classes have. Raises `RunError` for one that is none of them."""
        import numpy as np

        if self.classes == tuple(classes):
            return self
        for name in self.classes:
            if name not in classes:
                shown = ", ".join(classes[:_SHOWN]) + (" ..." if len(classes) > _SHOWN else "")
                message = f"{self.origin}: the class `{name}` is none of those that are trained on"
                raise RunError(message, did_you_mean(name, classes) or f"these are {shown}")
        numbers = np.array([classes.index(name) for name in self.classes])[self._numbers]
        return Labels(numbers, classes, self.origin, self._one_hot)


class Flat:
    """Another source with each example as a vector, of which it knows the shape."""

    def __init__(self, source: Source) -> None:
        count, *rest = source.shape
        size = 1
        for part in rest:
            size *= part
        self._source = source
        self.before = tuple(rest)
        self.shape: tuple[int, ...] = (count, size)
        self.dtype = source.dtype
        self.origin = f"{source.origin}, flattened"
        self.ready = source.ready

    def rows(self, indices: Array) -> Array:
        return self._source.rows(indices).reshape(len(indices), -1)


def in_both_forms(name: str, images: Source) -> list[tuple[str, Source]]:
    """Images as they are, and as vectors."""
    return [(name, images), (name, Flat(images))]


def labelled(numbers: Array, classes: Sequence[str], whose: str) -> list[tuple[str, Source]]:
    """The classes of a set of images, by number and one hot."""
    return [
        ("label", Labels(numbers, classes, f"{whose} classes by number")),
        ("label", Labels(numbers, classes, f"{whose} classes, one hot", one_hot=True)),
    ]
