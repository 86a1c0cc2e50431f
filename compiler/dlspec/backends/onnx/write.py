"""Writing models: weights are drawn in threads and streamed behind the rest of the file, never held all at once.

Protobuf fields may be concatenated, and the length of everything is known beforehand; so a file is the small encoded
part, then each weight's header and its numbers as they come from the generator.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.files import replacing, write_all
from dlspec.backends.onnx import wire
from dlspec.backends.onnx.model import OnnxModel, build
from dlspec.backends.room import weigh, weigh_on_disk
from dlspec.backends.weights import PIECE, pieces_of, weigh_whole
from dlspec.ir.graph import Graph
from dlspec.ir.node import Parameter

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

LIMIT = (1 << 31) - 1
"""Bytes that a protobuf message may have: a larger model keeps its weights in a second file."""

INLINE = 1024
"""Bytes up to which a weight stays in the model file even so."""

_ALIGNED, _ALIGNMENT = 1 << 20, 1 << 16  # what onnx.proto asks for so that large tensors can be mapped into memory

Progress: TypeAlias = Callable[[int, int], None]
# Bytes as they are, or a piece of a weight that is still to be drawn, with its number of elements.
_Segment: TypeAlias = "bytes | tuple[Callable[[], Array], int]"


def write(
    model: OnnxModel,
    path: Path | str,
    *,
    threads: int | None = None,
    limit: int = LIMIT,
    progress: Progress | None = None,
) -> list[Path]:
    """Writes a model, whole or not at all, and returns the files it is.

    One of more than ``limit`` bytes becomes ``path`` and ``path.data``. ``progress`` is called with the bytes written
    and the bytes there will be. Raises `OSError` where the file cannot be written, `DlspecError` where a weight cannot
    be drawn, or there is no room on the disk.
    """
    path = Path(path)
    weigh_on_disk(model.weights, path)
    if model.given is None:
        weigh_whole(model.weights)
    if _length(model) <= limit:
        with replacing(path) as (file,):
            segments = _segments(model)
            for done, buffer in _written(segments, threads):
                write_all(file, buffer)
                if progress:
                    progress(done, _length(model))
        return [path]
    data = path.with_name(f"{path.name}.data")
    parts = _InTwo(model, data.name)
    with replacing(data, path) as (data_file, file):
        for done, buffer in _written(parts.segments, threads):
            write_all(data_file, buffer)
            if progress:
                progress(done, parts.length)
        write_all(file, parts.model)
    return [path, data]


def to_bytes(model: OnnxModel, *, threads: int | None = None) -> bytes:
    """The model with its weights. Raises `ValueError` for one of more than 2 GiB."""
    if _length(model) > LIMIT:
        raise ValueError(
            f"the model has {_length(model):,} bytes, more than a protobuf message can: write it to a file"
        )
    weigh(model.weights)
    return b"".join(buffer for _, buffer in _written(_segments(model), threads))


def to_model_proto(
    graph: Graph, *, opset: int | None = None, seed: int = 0, weights: Mapping[str, Array] | None = None
) -> onnx.ModelProto:
    """The model as the onnx package holds it. Raises as `build`, and `ValueError` for one of more than 2 GiB."""
    import onnx

    return onnx.load_model_from_string(to_bytes(build(graph, opset=opset, seed=seed, weights=weights)))


def _length(model: OnnxModel) -> int:
    graph = len(model.body) + sum(_field_length(weight) for weight in model.weights)
    return len(model.head) + len(wire.header(7, graph)) + graph


def _tensor_head(weight: Parameter) -> bytes:
    """A TensorProto up to its numbers."""
    return wire.tensor_head(weight.path, weight.shape, wire.ELEMENT[weight.dtype]) + wire.header(9, weight.bytes)


def _field_length(weight: Parameter) -> int:
    tensor = len(_tensor_head(weight)) + weight.bytes
    return len(wire.header(5, tensor)) + tensor


def _segments(model: OnnxModel) -> Iterator[_Segment]:
    """The whole model."""
    graph = len(model.body) + sum(_field_length(weight) for weight in model.weights)
    yield model.head + wire.header(7, graph) + model.body
    for weight in model.weights:
        head = _tensor_head(weight)
        yield wire.header(5, len(head) + weight.bytes) + head
        yield from _pieces(model, weight)


def _pieces(model: OnnxModel, weight: Parameter) -> Iterator[_Segment]:
    if model.given is not None:
        array = model.given[weight.path]
        yield lambda: array, weight.elements
    else:
        for index, piece in enumerate(pieces_of(weight, model.seed)):
            yield piece, min(PIECE, weight.elements - index * PIECE)


class _InTwo:
    """A model in two files: ``model`` is the content of the first, ``segments`` that of the second."""

    def __init__(self, model: OnnxModel, location: str) -> None:
        self.segments: list[_Segment] = []
        self.length = 0
        fields = [model.body]
        for weight in model.weights:
            if weight.bytes <= INLINE:
                data = _buffer(pieces_of(weight, model.seed)[0]() if model.given is None else model.given[weight.path])
                fields.append(wire.message(5, _tensor_head(weight) + bytes(data)))
                continue
            if weight.bytes >= _ALIGNED and self.length % _ALIGNMENT:
                self._append(bytes(_ALIGNMENT - self.length % _ALIGNMENT))
            head = wire.tensor_head(weight.path, weight.shape, wire.ELEMENT[weight.dtype])
            fields.append(wire.message(5, head + wire.external(location, self.length, weight.bytes)))
            self.segments += _pieces(model, weight)
            self.length += weight.bytes
        self.model = model.head + wire.message(7, b"".join(fields))

    def _append(self, padding: bytes) -> None:
        self.segments.append(padding)
        self.length += len(padding)


def _written(
    segments: Iterator[_Segment] | list[_Segment], threads: int | None
) -> Iterator[tuple[int, bytes | memoryview]]:
    """Buffers in their order, drawn ahead by threads, each with the bytes there are up to its end."""
    threads = threads or min(4, os.cpu_count() or 1)
    done = 0
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[list[bytes | memoryview]]] = deque()

        def oldest() -> Iterator[tuple[int, bytes | memoryview]]:
            nonlocal done
            for buffer in ahead.popleft().result():
                done += len(buffer)
                yield done, buffer

        try:
            for batch in _batches(segments):
                ahead.append(pool.submit(_draw, batch))
                if len(ahead) > threads + 1:
                    yield from oldest()
            while ahead:
                yield from oldest()
        finally:
            for future in ahead:
                future.cancel()


def _batches(segments: Iterator[_Segment] | list[_Segment]) -> Iterator[list[_Segment]]:
    """Small segments together: a task for a thread costs as much as drawing some thousand numbers."""
    batch: list[_Segment] = []
    elements = 0
    for segment in segments:
        batch.append(segment)
        elements += 0 if isinstance(segment, bytes) else segment[1]
        if elements >= PIECE // 4:
            yield batch
            batch, elements = [], 0
    if batch:
        yield batch


def _draw(batch: list[_Segment]) -> list[bytes | memoryview]:
    return [segment if isinstance(segment, bytes) else _buffer(segment[0]()) for segment in batch]


def _buffer(array: Array) -> bytes | memoryview:
    flat = wire.little_endian(array).reshape(-1)
    return flat.view("u1").data if flat.size else b""
