"""The data of a `train` and the sources it comes from: which is which, and whether it fits, before anything starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.arrays import converted, converts, shown_sizes
from dlspec.backends.runtime import RunError
from dlspec.backends.torch.live import require_torch
from dlspec.diagnostics import did_you_mean
from dlspec.ir.types import DType
from dlspec.objectives.training import Data, Training
from dlspec.training.augment import Pipeline
from dlspec.training.sources import Flat, Labels, Offer, Source

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


class Column:
    """One tensor of `data` with its source and its augmentations."""

    def __init__(self, data: Data, source: Source, taker: str) -> None:
        self.data = data
        self.name = data.value.name
        self.source = source
        whole = not data.value.type.dtype.is_float
        self._changes = (self.name, Pipeline(data.own, whole)), (", ".join(data.pair), Pipeline(data.common, whole))
        self._taker = taker
        self.ready = source.ready and not any(change.random for change in data.augmentations)

    def rows(self, indices: Array) -> Tensor:
        """Those examples in the element type of the spec, as they are."""
        import numpy as np

        array = converted(self.source.rows(indices), self.data.value, "data", self._taker)
        return require_torch().from_numpy(np.require(array, self.data.value.type.dtype.label, ["C", "W"]))

    def shape(self) -> tuple[int, ...]:
        """The shape of what batches get, of all examples. Raises `RunError` where an image is too small for a crop."""
        shape = self.source.shape
        if len(shape) == self.data.value.type.rank:  # else it is refused as it is
            for _, pipeline in self._changes:
                shape = pipeline.shape(shape)
        return shape

    def augmented(self, indices: Array, first: int, of: int, seed: int, number: int) -> Tensor:
        """Those examples, changed at random: they are those from ``first`` on of batch ``number``, of so many."""
        images = self.rows(indices)
        for name, pipeline in self._changes:
            images = pipeline.augmented(images, first, of, seed, "augment", name, number)
        return images

    def settled(self, indices: Array) -> Tensor:
        """Those examples as they are looked at, with nothing changed at random."""
        images = self.rows(indices)
        for _, pipeline in self._changes:
            images = pipeline.settled(images)
        return images

    def __str__(self) -> str:
        wanted = self.data.value.type.dtype.label
        change = "" if self.source.dtype.name == wanted else f", converted from {self.source.dtype.name} as they are"
        return f"{self.name}: {self.source.origin}, {wanted} {list(self.source.shape)}{change}"


class Table:
    """All examples. ``sizes`` are those of the symbols of `data` that are not the batch; ``batch`` is its size where the
    spec fixes it, ``batch_symbol`` its name where it does not."""

    def __init__(self, training: Training, columns: Sequence[Column]) -> None:
        self.training = training
        self.columns = columns
        self.batch, self.batch_symbol = _batch_axis(training)
        self.examples = _examples(columns)
        shapes = {column.name: (self.batch or self.examples, *column.shape()[1:]) for column in columns}
        sizes = shown_sizes(training.graph, shapes, "data", f"`{training.name}`")
        sizes.pop(self.batch_symbol, None)
        self.sizes = training.graph.sizes | sizes

    @property
    def classes(self) -> dict[str, list[str]]:
        """The names of classes in the order of their numbers, by the names of data that has some."""
        return {each.name: list(each.source.classes) for each in self.columns if isinstance(each.source, Labels)}

    @property
    def flat(self) -> dict[int, tuple[int, int, int]]:
        """The channels, heights and widths of images that are vectors of so many numbers, as far as somebody says them."""
        found: dict[int, tuple[int, int, int]] = {}
        for column in self.columns:
            size = column.data.pixels
            if size is None and isinstance(column.source, Flat) and len(column.source.before) == 3:
                channels, height, width = column.source.before
                size = channels, height, width
            if size is not None and size[0] in (1, 3):
                found[prod(size)] = size
        return found

    def refusal(self, batch: int) -> str:
        """Why a batch cannot have so many examples, or an empty text."""
        graph = self.training.graph
        known = graph.default_sizes() | self.sizes
        if self.batch is not None and batch != self.batch:
            return f"`{self.training.name}` takes batches of {self.batch}, not of {batch}"
        if self.batch_symbol:
            known[self.batch_symbol] = batch
        for condition in graph.conditions:
            if condition.symbols <= known.keys() and not condition.holds(known):
                given = ", ".join(f"{name} = {known[name]}" for name in sorted(condition.symbols))
                return f"`{self.training.name}` needs {condition}, and {given}"
        return ""


def match(training: Training, offer: Offer, classes: Mapping[str, Sequence[str]] | None = None) -> Table:
    """The table of a `train` from what is offered, by name, or by shape and type where the names are nobody's choice.

    ``classes`` are the names of those that were trained on, in the order of their numbers, by the names of data. Raises
    `RunError` where a tensor is missing, does not fit, or could be several; the message has both shapes.
    """
    for data in training.data:
        if data.value.type.dtype is DType.BFLOAT16:
            raise RunError(f"the data `{data.value.name}` is bfloat16, which NumPy has not", "declare it as float")
    columns = [Column(data, _found(training, data, offer), f"`{training.name}`") for data in training.data]
    for column in columns:
        if isinstance(column.source, Labels) and classes and column.name in classes:
            column.source = column.source.among(classes[column.name])
    for place, column in enumerate(columns):
        for other in columns[:place]:
            if column.source is other.source:
                message = f"`{other.name}` and `{column.name}` would both be {column.source.origin}"
                raise RunError(message, "give them in an .npz, by their names")
    _check_pairs(columns)
    for column in columns:
        if not converts(column.source.dtype, column.data.value):
            converted(column.source.rows(_first()), column.data.value, "data", f"`{training.name}`")
    return Table(training, columns)


def _check_pairs(columns: Sequence[Column]) -> None:
    """Raises `RunError` for an image and its mask of another height or width: one draw cannot change both."""
    by_name = {column.name: column.source for column in columns}
    for column in columns:
        source, first = column.source, by_name[(column.data.pair or (column.name,))[0]]
        if source.shape[-2:] != first.shape[-2:] and len(source.shape) > 2 < len(first.shape):
            sizes = " and ".join("x".join(map(str, each.shape[-2:])) for each in (first, source))
            message = f"{', '.join(column.data.pair)} are changed by one draw, and have the sizes {sizes}"
            raise RunError(message, "a mask is as large as its image")


def _first() -> Array:
    import numpy as np

    return np.zeros(1, np.int64)


def unused(training: Training, offer: Offer) -> list[str]:
    """The names that are offered by the user and that no data has."""
    names = {data.value.name for data in training.data}
    return list(dict.fromkeys(name for name, _ in offer.sources if name not in names)) if offer.exact else []


def _found(training: Training, data: Data, offer: Offer) -> Source:
    """The source of some data: the only one of its name that the user gave, else one that has its form."""
    name = data.value.name
    named = [source for other, source in offer.sources if other == name]
    if offer.exact and not named:
        names = list(dict.fromkeys(other for other, _ in offer.sources))
        hint = did_you_mean(name, names) or f"there is {', '.join(names) or 'nothing'}"
        raise RunError(f"the data `{name}: {data.value.type}` of `{training.name}` is not given", hint)
    if offer.exact and len(named) == 1:
        return named[0]
    fitting = [source for source in named if _fits(data, source)]
    if not fitting and not offer.exact:
        fitting = [source for _, source in offer.sources if _fits(data, source)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        could = " or ".join(source.origin for source in fitting)
        hint = "write its sizes" if offer.exact else "call it `image` or `label`"
        raise RunError(f"the data `{name}: {data.value.type}` could be {could}", hint)
    near = named or [source for _, source in offer.sources]
    shapes = ", ".join(f"{source.dtype.name} {list(source.shape)} ({source.origin})" for source in near)
    hint = "--resize HxW makes images of another size" if _only_size_differs(data, near) else ""
    raise RunError(f"the data `{name}: {data.value.type}` of `{training.name}` is none of {shapes}", hint)


def _fits(data: Data, source: Source) -> bool:
    """Whether a source has the kind of elements, the rank and the fixed sizes of `data`."""
    kind = data.value.type.dtype
    if (source.dtype.kind == "f") != kind.is_float or not converts(source.dtype, data.value):
        return False
    if len(source.shape) != data.value.type.rank:
        return False
    try:
        shape = Pipeline(data.augmentations).shape(source.shape)
    except RunError:
        return False
    wanted = data.value.type.shape
    return all(not isinstance(dim, int) or dim == size for dim, size in zip(wanted[1:], shape[1:], strict=True))


def _only_size_differs(data: Data, sources: Sequence[Source]) -> bool:
    from dlspec.training.images import ImageSource, MaskSource

    shape = data.value.type.shape
    return any(
        (isinstance(source, ImageSource) and source.shape[1:2] == shape[1:2])
        or (isinstance(source, MaskSource) and len(shape) == 3)
        for source in sources
    )


def _batch_axis(training: Training) -> tuple[int | None, str]:
    """The batch: its size where it is fixed, else the name of its symbol. Raises `RunError`."""
    firsts = {data.value.name: data.value.type.shape[:1] for data in training.data}
    if len(set(firsts.values())) != 1 or () in firsts.values():
        shown = ", ".join(f"{data.value.name}: {data.value.type}" for data in training.data)
        raise RunError(
            f"`dlspec train` takes batches from data whose first axis is the batch, and here is {shown or 'no data'}",
            "let the first axis of all data be N",
        )
    (batch,) = next(iter(firsts.values()))
    if isinstance(batch, int):
        return batch, ""
    if str(batch) not in training.graph.symbols:
        raise RunError(f"the batch of `{training.name}` is {batch}, which is not a symbol", "write N")
    return None, str(batch)


def _examples(columns: Sequence[Column]) -> int:
    counts = {column.name: column.source.shape[:1] for column in columns}
    if len(set(counts.values())) != 1 or () in counts.values():
        shown = ", ".join(f"`{column.name}` has the shape {list(column.source.shape)}" for column in columns)
        raise RunError(f"the data does not have one number of examples: {shown}")
    return next(iter(counts.values()))[0]
