"""The protobuf encoding of the messages of onnx.proto that a model is made of.

Written out because `import onnx` costs more than compiling a ResNet, and because the weights are to be streamed behind
the rest without ever being copied into a message. The field numbers are those of onnx/onnx.proto, the encoding is
https://protobuf.dev/programming-guides/encoding. The tests read every model back with the onnx package.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from dlspec.ir.dims import Dim
from dlspec.ir.types import DType, TensorType

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

ELEMENT: dict[DType, int] = {
    DType.FLOAT32: 1,
    DType.INT32: 6,
    DType.INT64: 7,
    DType.BOOL: 9,
    DType.FLOAT16: 10,
    DType.FLOAT64: 11,
    DType.BFLOAT16: 16,
}
"""``TensorProto.DataType`` of an element type."""

Attribute: TypeAlias = "int | float | str | Sequence[int] | Sequence[float] | Sequence[str] | Array | OnnxGraph"

_VARINT, _BYTES, _FIXED32 = 0, 2, 5


_ONE_BYTE = tuple(bytes((value,)) for value in range(0x80))


def varint(value: int) -> bytes:
    if 0 <= value < 0x80:
        return _ONE_BYTE[value]
    if value < 0:
        value += 1 << 64
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def integer(field: int, value: int) -> bytes:
    return varint(field << 3 | _VARINT) + varint(value)


def header(field: int, length: int) -> bytes:
    """What stands before a nested message, a text or bytes of this length."""
    return varint(field << 3 | _BYTES) + varint(length)


def message(field: int, content: bytes) -> bytes:
    return header(field, len(content)) + content


def text(field: int, content: str) -> bytes:
    return message(field, content.encode())


def _float(field: int, value: float) -> bytes:
    return varint(field << 3 | _FIXED32) + struct.pack("<f", value)


def attribute(name: str, value: Attribute) -> bytes:
    """An AttributeProto. Python's type of the value decides the kind; an empty sequence is one of ints."""
    match value:
        case int():
            content, kind = integer(3, value), 2
        case float():
            content, kind = _float(2, value), 1
        case str():
            content, kind = text(4, value), 3
        case OnnxGraph():
            content, kind = message(6, value.encoded()), 5
        case list() | tuple():
            items = cast("Sequence[int | float | str]", value)
            if any(isinstance(item, str) for item in items):
                content, kind = b"".join(text(9, str(item)) for item in items), 8
            elif any(isinstance(item, float) for item in items):
                content, kind = b"".join(_float(7, float(item)) for item in items), 6
            else:
                content, kind = b"".join(integer(8, int(item)) for item in items), 7
        case _:
            content, kind = message(5, tensor("", cast("Array", value))), 4
    return text(1, name) + content + integer(20, kind)


class OnnxNode:
    """A NodeProto to be."""

    __slots__ = ("attributes", "inputs", "name", "op_type", "outputs")

    def __init__(
        self,
        op_type: str,
        name: str,
        inputs: list[str],
        outputs: list[str],
        attributes: Mapping[str, Attribute | None] = MappingProxyType({}),
    ) -> None:
        self.op_type = op_type
        self.name = name
        self.inputs = inputs
        self.outputs = outputs
        self.attributes = {key: value for key, value in attributes.items() if value is not None}

    def encoded(self) -> bytes:
        parts = [text(1, value) for value in self.inputs]
        parts += [text(2, value) for value in self.outputs]
        parts += [text(3, self.name), text(4, self.op_type)]
        parts += [message(5, attribute(key, value)) for key, value in self.attributes.items()]
        return b"".join(parts)

    def walk(self) -> Iterator[OnnxNode]:
        """It and the nodes in its graphs."""
        yield self
        for value in self.attributes.values():
            if isinstance(value, OnnxGraph):
                for node in value.nodes:
                    yield from node.walk()

    def __repr__(self) -> str:
        return f"{', '.join(self.outputs)} = {self.op_type}({', '.join(self.inputs)}) {self.attributes}"


class OnnxGraph:
    """A GraphProto to be, inside a node: what it does not make it reads of the graphs around it."""

    __slots__ = ("inputs", "name", "nodes", "outputs")

    def __init__(
        self,
        name: str,
        nodes: Sequence[OnnxNode],
        inputs: Sequence[tuple[str, TensorType]],
        outputs: Sequence[tuple[str, TensorType]],
    ) -> None:
        self.name = name
        self.nodes = nodes
        self.inputs = inputs
        self.outputs = outputs

    def encoded(self) -> bytes:
        parts = [message(1, node.encoded()) for node in self.nodes]
        parts.append(text(2, self.name))
        parts += [message(11, value_info(name, type)) for name, type in self.inputs]
        parts += [message(12, value_info(name, type)) for name, type in self.outputs]
        return b"".join(parts)


def value_info(name: str, type: TensorType) -> bytes:
    """A ValueInfoProto. A symbolic dimension is a ``dim_param`` with the text of the expression."""
    return text(1, name) + _type(type)


@lru_cache(1024)
def _type(type: TensorType) -> bytes:
    dims = b"".join([message(1, _dimension(dim)) for dim in type.shape])
    return message(2, message(1, integer(1, ELEMENT[type.dtype]) + message(2, dims)))


def _dimension(dim: Dim) -> bytes:
    return integer(1, dim) if isinstance(dim, int) else text(2, str(dim))


def tensor_head(name: str, shape: Sequence[int], element: int) -> bytes:
    """A TensorProto without its data."""
    return b"".join([integer(1, size) for size in shape]) + integer(2, element) + text(8, name)


def tensor(name: str, array: Array) -> bytes:
    """A TensorProto with the array's data inside."""
    return tensor_head(name, array.shape, element_of(array)) + message(9, little_endian(array).tobytes())


def external(location: str, offset: int, length: int) -> bytes:
    """The fields of a TensorProto whose data lies in another file."""
    entries = {"location": location, "offset": str(offset), "length": str(length)}
    return b"".join([message(13, entry(key, value)) for key, value in entries.items()]) + integer(14, 1)


def entry(key: str, value: str) -> bytes:
    """A StringStringEntryProto."""
    return text(1, key) + text(2, value)


def element_of(array: Array) -> int:
    """``TensorProto.DataType`` of an array."""
    return _ELEMENT_BY_NAME[array.dtype.name]


def little_endian(array: Array) -> Array:
    """The array as ONNX stores it: contiguous, the lowest byte first."""
    import numpy as np

    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


_ELEMENT_BY_NAME = {dtype.label: element for dtype, element in ELEMENT.items()}
