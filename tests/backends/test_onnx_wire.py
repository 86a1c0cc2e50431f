"""The protobuf encoding against the onnx package's."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from dlspec.backends.onnx import wire
from dlspec.ir.dims import symbol
from dlspec.ir.types import DType, TensorType


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**31, 2**63 - 1, -1, -300, -(2**63)])
def test_integers(value: int) -> None:
    assert wire.attribute("a", value) == helper.make_attribute("a", value).SerializeToString()


ATTRIBUTES: dict[str, Any] = {
    "integer": -3, "true": True, "number": 0.1, "text": "zero_padding é", "ints": [1, -2, 3], "tuple": (4, 5),
    "floats": [0.5, 2.0], "mixed": [1, 0.5], "texts": ["a", "b"], "long": "x" * 500,
}  # fmt: skip


def test_nodes() -> None:
    node = wire.OnnxNode("Conv", "a.conv", ["x", "", "w"], ["y", "z"], ATTRIBUTES | {"left_out": None})
    expected = helper.make_node("Conv", ["x", "", "w"], ["y", "z"], "a.conv", **ATTRIBUTES)
    decoded = onnx.NodeProto.FromString(node.encoded())
    assert {a.name: a for a in decoded.attribute} == {a.name: a for a in expected.attribute}
    del decoded.attribute[:], expected.attribute[:]  # make_node sorts them
    assert decoded == expected


def test_an_empty_list_is_one_of_ints() -> None:
    assert onnx.AttributeProto.FromString(wire.attribute("axes", [])).type == onnx.AttributeProto.INTS


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.arange(6, dtype=np.float32).reshape(2, 3).T,
        np.array([1, 2], ">f4"),
        np.array(2.5),
        np.array([], np.int64),
        np.array([[-1, 2**40]], np.int64),
        np.array([7], np.int32),
        np.array([True, False]),
        np.array([0.5], np.float16),
    ],
    ids=str,
)
def test_tensors(array: np.ndarray[Any, np.dtype[Any]]) -> None:
    decoded = onnx.TensorProto.FromString(wire.tensor("w", array))
    read = onnx.numpy_helper.to_array(decoded)
    assert (decoded.name, read.shape, read.dtype) == ("w", array.shape, array.dtype.newbyteorder("="))
    np.testing.assert_array_equal(read, array)
    attribute = onnx.AttributeProto.FromString(wire.attribute("value", array))
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(attribute.t), array)


@pytest.mark.parametrize("dtype", DType)
def test_types(dtype: DType) -> None:
    n = symbol("N")
    decoded = onnx.ValueInfoProto.FromString(wire.value_info("x", TensorType(dtype, (n, 300, (n - 1) // 2))))
    element = getattr(onnx.TensorProto, {"FLOAT32": "FLOAT", "FLOAT64": "DOUBLE"}.get(dtype.name, dtype.name))
    assert decoded == helper.make_tensor_value_info("x", element, ["N", 300, "(N - 1) // 2"])
    scalar = onnx.ValueInfoProto.FromString(wire.value_info("x", TensorType(dtype, ())))
    assert scalar == helper.make_tensor_value_info("x", element, [])
