"""Arrays from files, and whether they are what a graph takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.archives import open_archive
from dlspec.backends.runtime import RunError
from dlspec.diagnostics import first_line
from dlspec.ir.dims import DimError, symbols
from dlspec.ir.evaluation import evaluate
from dlspec.ir.graph import Graph
from dlspec.ir.node import Value
from dlspec.passes.retype import numpy_dtype

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def load_numpy(file: Path | str, *, map_file: bool = False) -> Array | dict[str, Array]:
    """The array of an .npy file, or those of an .npz by name; an .npy may be mapped instead of read.

    Raises `RunError` for what is neither, or cannot be read.
    """
    import numpy as np

    try:
        zipped = Path(file).suffix == ".npz"
        if zipped:
            open_archive(file).close()
        loaded: Any = np.load(file, mmap_mode="r" if map_file and not zipped else None, allow_pickle=False)
        if not zipped:
            return np.asarray(loaded)
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except FileNotFoundError:
        raise RunError(f"there is no file {file}") from None
    except Exception as error:  # the file of a stranger makes its reader raise anything
        raise RunError(f"{file} is not a NumPy file that can be read: {first_line(error)}") from None


def converts(dtype: np.dtype[Any], value: Value) -> bool:
    """Whether an array's element type is of the kind that a value has (float64, float32), or fits into it."""
    import numpy as np

    return np.can_cast(dtype, numpy_dtype(value.type.dtype), "same_kind")


def converted(array: Array, value: Value, what: str = "input", taker: str = "the network") -> Array:
    """The array in the element type of a value, if that is of the same kind and holds it. Raises `RunError`."""
    import numpy as np

    wanted = value.type.dtype.label
    if array.dtype.name == wanted:
        return array
    if not converts(array.dtype, value):
        raise RunError(f"the {what} `{value.name}` is {array.dtype.name}, and {taker} takes {wanted}")
    made = array.astype(numpy_dtype(value.type.dtype))
    if value.type.dtype.is_float:
        lost = int((np.isinf(made) & ~np.isinf(array)).sum())
        if lost:
            raise RunError(f"the {what} `{value.name}` has {lost:,} numbers that are too large for {wanted}")
    return made


def shown_sizes(
    graph: Graph, shapes: Mapping[str, tuple[int, ...]], what: str = "input", taker: str = "the network"
) -> dict[str, int]:
    """The sizes of symbols that the shapes of inputs show, by name.

    Raises `RunError` where one is not what the graph takes, or not what the others show.
    """
    sizes: dict[str, int] = {}
    for value in graph.inputs:
        shape = shapes.get(value.name)
        if shape is None:
            continue
        misfit = RunError(f"the {what} `{value.name}` has the shape {list(shape)}, and {taker} takes {value.type}")
        if len(shape) != value.type.rank:
            raise misfit
        for dim, size in zip(value.type.shape, shape, strict=True):
            if str(dim) in graph.symbols:
                sizes.setdefault(str(dim), size)
        for dim, size in zip(value.type.shape, shape, strict=True):
            try:
                fits = evaluate(dim, sizes) == size
            except DimError:
                fits = bool(symbols(dim) - sizes.keys())  # another input may show it
            if not fits:
                known = ", ".join(f"{name} = {sizes[name]}" for name in sorted(symbols(dim)) if name in sizes)
                raise RunError(misfit.message, f"other data has {known}" if known and what == "data" else "")
    return sizes
