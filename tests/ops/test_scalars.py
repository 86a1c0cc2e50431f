"""Every operator of the tables on tensors without axes: refused, or the same in both lowerings."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from harness import (
    Array,
    Case,
    Input,
    accept,
    as_type,
    assert_close,
    onnx_session,
    run_onnx,
    run_torch,
    tables,
    weights_of,
)
from harness import single_node_graph as graph_of

from dlspec.backends.torch.live import to_module
from dlspec.diagnostics import DlspecError
from dlspec.ir.fields import FieldError
from dlspec.ir.node import Parameter
from dlspec.ir.op import Op, OpError, Types
from dlspec.ops import OPERATORS
from dlspec.ops.positions import TakeAlongDim


def scalar(item: Input) -> Input:
    value = None if item.values is None else np.asarray(item.values).reshape(-1)[0]
    return Input((), item.dtype, item.low, item.high, value)


def taken() -> Iterator[tuple[Op, tuple[Input, ...]]]:
    """Operators with inputs of which one, some or all have no axes, as far as they are accepted."""
    seen: set[tuple[Op, Types]] = set()
    for _, case in tables("CASES"):
        given: tuple[Input, ...] = case.given
        choices = product((False, True), repeat=len(given)) if len(given) <= 3 else [(True,) * len(given)]
        for flat in choices:
            inputs = tuple(scalar(item) if is_flat else item for item, is_flat in zip(given, flat, strict=True))
            key = (case.op, tuple(map(as_type, inputs)))
            if not any(flat) or key in seen:
                continue
            if isinstance(case.op, TakeAlongDim) and flat == (True, False):
                continue  # its positions are those of a longer tensor
            seen.add(key)
            try:
                accept(lambda op=case.op: op, inputs)
            except (OpError, FieldError):
                continue
            yield case.op, inputs


TAKEN = list(taken())
OF = sorted({type(op) for op, _ in TAKEN}, key=lambda operator: operator.__name__)


@pytest.mark.parametrize("operator", OF, ids=[operator.__name__ for operator in OF])
def test_both_lowerings_agree_on_scalars(operator: type[Op]) -> None:
    for op, inputs in TAKEN:
        if type(op) is not operator:
            continue
        case = Case(op, inputs, lambda: lambda *xs: xs, symbols={})
        graph = graph_of(op, case.types)
        weights, arrays = weights_of(graph), case.arrays(case.types)
        theirs = run_torch(module(op, case.types, weights), arrays)
        assert [y.shape for y in theirs] == [value.value.type.shape for value in graph.outputs], inputs
        for opset in (None, 13, 17) if not op.random else (None,):
            try:
                session = onnx_session(graph, weights, opset)
            except DlspecError as error:
                if "needs ONNX opset" not in error.diagnostics[0].message:
                    raise
                continue
            ours = run_onnx(session, arrays)
            if op.random:
                assert [y.shape for y in ours] == [y.shape for y in theirs]
            else:
                assert_close(ours, theirs, (1e-4, 1e-5))


def module(op: Op, types: Types, weights: dict[str, Array]):
    graph = graph_of(op, types)
    (node,) = graph.nodes
    node.name = "layer"
    node.weights = tuple(Parameter(f"layer.{w.path}", w.shape, w.dtype, w.kind, w.init, w.span) for w in node.weights)
    graph.parameters = {weight.path: weight for weight in node.weights}
    return to_module(graph, {f"layer.{path}": array for path, array in weights.items()}).eval()


def test_it_is_tried_on_many() -> None:
    assert len(OF) > len(OPERATORS) / 2
    assert len(TAKEN) > 300
