"""Which operators ONNX Runtime does not run in float64: the warning of `check` and the installed runtime say the same."""

from __future__ import annotations

import pytest
from harness import Case, single_node_graph, tables, weights_of

from dlspec.backends.onnx.kernels import missing_kernels
from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import Session
from dlspec.diagnostics import DlspecError
from dlspec.ir.types import DType
from dlspec.passes.retype import converted_weights, with_dtype

CASES = [
    pytest.param(case, id=name)
    for name, case in tables("CASES")
    if any(type.dtype is DType.FLOAT32 for type in case.types)
]


@pytest.mark.parametrize("case", CASES)
def test_the_warning_is_the_runtimes_word(case: Case) -> None:
    single = single_node_graph(case.op, case.types)
    double = with_dtype(single, DType.FLOAT64)
    model = to_bytes(build(double, weights=converted_weights(weights_of(single), double)))
    refused: list[str] = []
    try:
        session = Session(model, graph=double)
        if case.op.along(case.types) is not None:  # ONNX Runtime looks at the type of these only when it runs them
            arrays = case.arrays(tuple([value.type for value in double.inputs]))
            session.run(
                {value.name: array.astype("float64") for value, array in zip(double.inputs, arrays, strict=True)}
            )
    except DlspecError as error:
        refused = [found.code for found in error.diagnostics]
    warned = any(missing_kernels(double))
    assert refused == (["DL0503"] if warned else [])
