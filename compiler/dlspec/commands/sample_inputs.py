"""What a call of `dlspec sample` gives, and what is drawn for the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.commands.errors import CallError
from dlspec.commands.given import given_inputs, input_of
from dlspec.ir.graph import Graph
from dlspec.ir.node import Value

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_NUMBER = r"-?\d{1,18}(?:\.\d{1,18})?(?:e-?\d{1,3})?"
_RANGE = re.compile(r"(\d{1,6})\.\.(\d{1,6})")
_NUMBERS = re.compile(rf"{_NUMBER}(?:,{_NUMBER})*", re.IGNORECASE)


def given(texts: Sequence[str], graph: Graph) -> dict[str, Array]:
    """The inputs of ``label=3``, ``label=0..9``, ``label=1,2``, ``name=FILE`` and ``FILE.npz``, by name.

    Of an input with a batch they have a row or several, which samples have in turn; of one without a batch they are it. A
    number alone fills a row. Raises `CallError` and `RunError`.
    """
    made: dict[str, Array] = {}
    files: list[str] = []
    for text in texts:
        name, equals, rest = text.partition("=")
        numbers = _numbers(rest) if equals and not Path(rest).exists() else None
        if numbers is None:
            files.append(text)
            continue
        if name in made:
            raise CallError(f"the input `{name}` is given twice")
        made[name] = _filled(input_of(graph, name), numbers, text, graph)
    for name, array in given_inputs(files, graph).items():
        if name in made:
            raise CallError(f"the input `{name}` is given twice")
        made[name] = array
    return made


def _numbers(text: str) -> list[float] | None:
    found = _RANGE.fullmatch(text)
    if found is not None:
        first, last = int(found[1]), int(found[2])
        return list(range(first, last + 1)) if first <= last else list(range(first, last - 1, -1))
    return [float(part) for part in text.split(",")] if _NUMBERS.fullmatch(text) else None


def _filled(value: Value, numbers: Sequence[float], text: str, graph: Graph) -> Array:
    import numpy as np

    from dlspec.passes.retype import numpy_dtype

    if not value.type.dtype.is_float and any(number != int(number) for number in numbers):
        raise CallError(f"--input {text}: `{value.name}` is {value.type}")
    dtype = numpy_dtype(value.type.dtype)
    if not value.type.rank:
        if len(numbers) > 1:
            raise CallError(f"--input {text}: `{value.name}` is one number for all samples")
        return np.asarray(numbers[0], dtype)
    rest = value.type.shape[1:]
    sizes = [size for size in rest if isinstance(size, int)]
    if len(sizes) < len(rest):
        raise CallError(f"--input {text}: `{value.name}` is {value.type}, whose sizes are open", "give a file")
    return np.stack([np.full(sizes, number, dtype) for number in numbers])


def classes_of(graph: Graph, value: Value) -> int | None:
    """How many numbers an input may have where it stands for classes."""
    from dlspec.analyses.classes import uses_as_classes

    counts = [count for _, count, _ in uses_as_classes(graph.nodes, value) if isinstance(count, int)]
    return min(counts, default=None)


def check_classes(graph: Graph, arrays: Mapping[str, Array]) -> None:
    """Raises `CallError` for numbers that are no classes of the network."""
    for name, array in arrays.items():
        value = input_of(graph, name)
        count = classes_of(graph, value) if value.type.dtype.is_integer else None
        if count is not None and array.size and not 0 <= array.min() <= array.max() < count:
            wrong = array.min() if array.min() < 0 else array.max()
            raise CallError(f"`{name}` has the number {wrong}, and `{graph.name}` knows 0 to {count - 1}")
