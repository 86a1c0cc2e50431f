"""What a call gives a network to run on: arrays, images, and the names of classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.commands.errors import CallError
from dlspec.diagnostics import did_you_mean
from dlspec.ir.graph import Graph
from dlspec.ir.node import Value

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_MOST_BYTES = 1 << 24
"""Of a file of labels."""


def given_inputs(texts: list[str], graph: Graph) -> dict[str, Array]:
    """The arrays of ``name=file.npy`` and of every ``file.npz`` by its names, and the images of ``name=photo.png``.

    Raises `CallError` and `RunError`.
    """
    from dlspec.backends.arrays import load_numpy
    from dlspec.backends.images import ENDINGS

    given: dict[str, Array] = {}
    for text in texts:
        name, equals, file = text.partition("=")
        ending = Path(file if equals else text).suffix.lower()
        if equals and ending == ".npz":
            raise CallError(f"--input {text}: an .npz names its arrays itself", f"--input {file}")
        if not equals and ending != ".npz":
            raise CallError(f"--input {text}: write --input name=file.npy, name=photo.png, or --input file.npz")
        if ending in ENDINGS:
            loaded: Array | dict[str, Array] = _image(file, input_of(graph, name), graph)
        else:
            loaded = load_numpy(file if equals else text)
        for key, array in (loaded if isinstance(loaded, dict) else {name: loaded}).items():
            if key in given:
                raise CallError(f"the input `{key}` is given twice")
            input_of(graph, key)
            given[key] = array
    return given


def input_of(graph: Graph, name: str) -> Value:
    """The input of that name. Raises `CallError`."""
    inputs = {value.name: value for value in graph.inference_inputs()}
    if name not in inputs:
        hint = did_you_mean(name, inputs) or f"it has {', '.join(inputs)}"
        raise CallError(f"`{graph.name}` has no input `{name}`", hint)
    return inputs[name]


def _image(file: str, value: Value, graph: Graph) -> Array:
    """An image as a batch of one for an input [N, C, H, W]: with the height and width that the spec says or has as
    defaults, else with its own. Raises `CallError` and `RunError`."""
    from dlspec.backends.images import image_size, read_image
    from dlspec.ir.dims import DimError
    from dlspec.ir.evaluation import evaluate

    if value.type.rank != 4 or not isinstance(value.type.shape[1], int):
        raise CallError(
            f"--input {value.name}={file}: an image is for an input [N, C, H, W] with a known C, and this is {value.type}",
            f"--input {value.name}=file.npy",
        )
    known = graph.default_sizes()
    own = image_size(file)
    size: list[int] = []
    for dim, pixels in zip(value.type.shape[2:], own, strict=True):
        try:
            size.append(evaluate(dim, known))
        except DimError:
            size.append(pixels)
    return read_image(file, value.type.shape[1], (size[0], size[1]))[None]


def given_labels(texts: list[str], graph: Graph) -> dict[str, list[str]]:
    """The names of classes for outputs [N, K]: of ``name=FILE``, or of ``FILE`` for the only one. Raises `CallError`."""
    outputs = {output.name: output.value.type for output in graph.outputs if not output.training}
    fitting = [name for name, type in outputs.items() if type.rank == 2]
    given: dict[str, list[str]] = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not equals or Path(text).exists():
            file = text
            if len(fitting) != 1:
                hint = f"--labels {fitting[0]}={file}" if fitting else ""
                raise CallError(f"`{graph.name}` has {len(fitting)} outputs [N, K] that labels could be for", hint)
            name = fitting[0]
        elif name not in outputs:
            hint = did_you_mean(name, outputs) or f"it has {', '.join(outputs)}"
            raise CallError(f"`{graph.name}` has no output `{name}`", hint)
        elif name not in fitting:
            raise CallError(f"--labels {text}: `{name}` is {outputs[name]}, and labels are for outputs [N, K]")
        if name in given:
            raise CallError(f"the labels of `{name}` are given twice")
        given[name] = _lines(file)
        classes = outputs[name].shape[1]
        if isinstance(classes, int) and len(given[name]) != classes:
            raise CallError(f"{file} has {len(given[name])} labels, and the output `{name}` has {classes} classes")
    return given


def _lines(file: str) -> list[str]:
    path = Path(file)
    if path.is_file() and path.stat().st_size > _MOST_BYTES:
        raise CallError(f"{file} is too large for labels")
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise CallError(f"{file} is not UTF-8 text") from None
