"""Every operator in half precision: its lowering to ONNX against PyTorch in float32, on the same rounded numbers."""

from __future__ import annotations

import numpy as np
import pytest
from harness import Case, run_torch, single_node_graph, tables, torch_module, weights_of

from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import Session
from dlspec.ir.types import DType
from dlspec.passes.retype import converted_weights, numpy_dtype, with_dtype

ROUNDINGS = 2.0
"""Half precision rounds the result once, by half a unit, where an operator is one kernel; several round in between."""

CASES = [
    pytest.param(case, dtype, id=f"{dtype.label}-{name}")
    for name, case in tables("CASES")
    if not case.op.random and any(type.dtype is DType.FLOAT32 for type in case.types)
    for dtype in (DType.FLOAT16, DType.BFLOAT16)
]


@pytest.mark.parametrize(("case", "dtype"), CASES)
def test_an_operator_in_half_precision(case: Case, dtype: DType) -> None:
    single = single_node_graph(case.op, case.types)
    half = with_dtype(single, dtype)
    weights = weights_of(single)
    narrowed = converted_weights(weights, half)
    given = [
        array.astype(numpy_dtype(value.type.dtype))
        for value, array in zip(half.inputs, case.arrays(case.types), strict=True)
    ]
    session = Session(to_bytes(build(half, weights=narrowed)))
    ours = session.run({value.name: array for value, array in zip(half.inputs, given, strict=True)})
    back = [array.astype(value.type.dtype.label) for value, array in zip(single.inputs, given, strict=True)]
    module = torch_module(case, {name: array.astype(weights[name].dtype) for name, array in narrowed.items()})
    for value, output, exact in zip(half.nodes[0].outputs, ours.values(), run_torch(module, back), strict=True):
        assert output.dtype == numpy_dtype(value.type.dtype)
        assert output.shape == exact.shape
        if not value.type.dtype.is_float:
            np.testing.assert_array_equal(output, exact)
            continue
        expected = exact.astype(numpy_dtype(dtype)).astype(np.float64)  # what is too large is infinite
        scale = float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0))
        allowed = ROUNDINGS * dtype.roundoff * max(scale, dtype.smallest)
        np.testing.assert_allclose(output.astype(np.float64), expected, rtol=0, atol=allowed)
