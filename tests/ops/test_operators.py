"""Every operator over the tables in cases_*.py: against torch.nn and, through ONNX Runtime, what its lowering
computes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from harness import (
    Case,
    Refusal,
    accept,
    as_type,
    assert_close,
    infer,
    onnx_session,
    run_onnx,
    run_torch,
    shape_of,
    single_node_graph,
    tables,
    torch_module,
    uncovered,
    weights_of,
)
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dlspec.backends.onnx.model import build
from dlspec.diagnostics import DlspecError
from dlspec.ir.evaluation import substitute
from dlspec.ir.fields import FieldError
from dlspec.ir.op import Op, OpError
from dlspec.ir.types import TensorType
from dlspec.ops import OPERATORS
from dlspec.ops.constant import Param, Size, Tied
from dlspec.ops.gradient import Grad

# Without inputs, or with what was computed from them: tests/backends.
ELSEWHERE: tuple[type[Op], ...] = (Param, Size, Tied, Grad)

CASES: list[tuple[str, Case]] = tables("CASES")
REFUSED: list[tuple[str, Refusal]] = tables("REFUSED")
UNSUPPORTED: list[tuple[str, Refusal]] = tables("UNSUPPORTED")


def each(rows: list[tuple[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", [row for _, row in rows], ids=[name for name, _ in rows])


@each(CASES)
def test_shapes_and_weights_are_torchs(row: Case) -> None:
    graph = single_node_graph(row.op, row.types)
    module = row.torch()
    if isinstance(module, nn.Module):
        kinds = dict.fromkeys(dict(module.named_parameters()), "param")
        theirs = [(name, tuple(w.shape), kinds.get(name, "buffer")) for name, w in module.state_dict().items()]
        ours = [(path, weight.shape, weight.kind) for path, weight in graph.parameters.items()]
        assert ours == theirs
        elements = sum(weight.elements for weight in graph.parameters.values() if weight.kind == "param")
        assert elements == sum(weight.numel() for weight in module.parameters())
    outputs = run_torch(torch_module(row, weights_of(graph)), row.arrays(row.types))
    types, _ = infer(row.op, row.types)
    assert [(type.dtype.label, shape_of(type)) for type in types] == [(y.dtype.name, y.shape) for y in outputs]


@each(CASES)
def test_values_are_torchs(row: Case) -> None:
    graph = single_node_graph(row.op, row.types)
    weights = weights_of(graph)
    arrays = row.arrays(row.types)
    ours = run_onnx(onnx_session(graph, weights), arrays)
    theirs = run_torch(torch_module(row, weights), arrays)
    if row.op.random:
        assert [(y.dtype, y.shape) for y in ours] == [(y.dtype, y.shape) for y in theirs]
    else:
        assert_close(ours, theirs, row.tolerance)


@pytest.mark.parametrize("opset", [13, 17, 24])
@each([(name, case) for name, case in CASES if not case.op.random])
def test_values_in_other_opsets(row: Case, opset: int) -> None:
    """The same, or an error that names the opset that is needed."""
    graph = single_node_graph(row.op, row.types)
    weights = weights_of(graph)
    try:
        session = onnx_session(graph, weights, opset)
    except DlspecError as error:
        (diagnostic,) = error.diagnostics
        assert re.search(rf"needs ONNX opset (\d+), and {opset} was asked for", diagnostic.message)
        return
    arrays = row.arrays(row.types)
    assert_close(run_onnx(session, arrays), run_torch(torch_module(row, weights), arrays), row.tolerance)


@each([(name, case) for name, case in CASES if case.sizes])
def test_symbolic_sizes(row: Case) -> None:
    outputs, requirements = infer(row.op, row.symbolic_types)
    graph = single_node_graph(row.op, row.symbolic_types)
    weights = weights_of(graph)
    module = torch_module(row, weights)
    session = onnx_session(graph, weights)
    for sizes in (row.sizes, row.other_sizes(requirements)):
        known = tuple(_known(type, sizes) for type in row.symbolic_types)
        numeric, _ = infer(row.op, known)
        assert tuple(_known(type, sizes) for type in outputs) == numeric
        arrays = row.arrays(known)
        ours, theirs = run_onnx(session, arrays), run_torch(module, arrays)
        assert [shape_of(type) for type in numeric] == [y.shape for y in theirs]
        if row.op.random:
            assert [y.shape for y in ours] == [y.shape for y in theirs]
        else:
            assert_close(ours, theirs, row.tolerance)


def _known(type: TensorType, sizes: dict[str, int]) -> TensorType:
    return TensorType(type.dtype, tuple(substitute(dim, sizes) for dim in type.shape))


@each([(name, case) for name, case in CASES if case.macs])
def test_macs_are_torchs(row: Case) -> None:
    outputs, _ = infer(row.op, row.types)
    module = row.torch()
    if isinstance(module, nn.Module):
        module = module.to("meta").eval()
    inputs = [torch.from_numpy(array).to("meta") for array in row.arrays(row.types)]
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        module(*inputs)
    assert row.op.macs(row.types, outputs) == counter.get_total_flops() / 2


@each([(name, case) for name, case in CASES if not case.op.random and isinstance(case.torch(), nn.Module)])
def test_training_differs_where_the_case_says_so(row: Case) -> None:
    module = torch_module(row, weights_of(single_node_graph(row.op, row.types)))
    arrays = row.arrays(row.types)
    evaluated = run_torch(module, arrays)
    assert isinstance(module, nn.Module)
    trained = run_torch(module.train(), arrays)
    differs = any(not np.array_equal(a, b) for a, b in zip(evaluated, trained, strict=True))
    assert differs == row.training_differs


@each(REFUSED)
def test_refused(row: Refusal) -> None:
    make, inputs, message = row
    with pytest.raises((OpError, FieldError)) as caught:
        accept(make, inputs)
    assert message in str(caught.value)


@each(UNSUPPORTED)
def test_unsupported_by_onnx(row: Refusal) -> None:
    make, inputs, message = row
    graph = single_node_graph(make(), tuple(as_type(item) for item in inputs))
    with pytest.raises(DlspecError) as caught:
        build(graph)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "DL0501"
    assert message in diagnostic.message


def test_every_operator_and_field_has_cases() -> None:
    missing = uncovered((operator for operator in OPERATORS if operator not in ELSEWHERE), (case for _, case in CASES))
    assert not missing, "\n".join(["not covered:", *missing])
