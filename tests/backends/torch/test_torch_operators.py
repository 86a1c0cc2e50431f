"""Every operator of the tables in tests/ops as generated PyTorch, as a function and as a member, against torch.nn."""

from __future__ import annotations

from typing import Any

import pytest
from harness import Case, assert_close, run_torch, single_node_graph, tables, torch_module, weights_of

from dlspec.backends.torch.live import to_module
from dlspec.ir.graph import Graph
from dlspec.ir.node import Parameter
from dlspec.ir.op import Op, Types

CASES: list[tuple[str, Case]] = tables("CASES")


def each(rows: list[tuple[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", [row for _, row in rows], ids=[name for name, _ in rows])


def named_graph(op: Op, types: Types, name: str) -> Graph:
    """The network of one operator, which is called ``name`` and has its weights under it."""
    graph = single_node_graph(op, types)
    (node,) = graph.nodes
    node.name = name
    node.weights = tuple(Parameter(f"{name}.{w.path}", w.shape, w.dtype, w.kind, w.init, w.span) for w in node.weights)
    graph.parameters = {weight.path: weight for weight in node.weights}
    return graph


@pytest.mark.parametrize("name", ["layer", "0"])  # a member with a name, and one of `nn.Sequential`
@each(CASES)
def test_values_are_torchs(row: Case, name: str) -> None:
    weights = weights_of(single_node_graph(row.op, row.types))
    arrays = row.arrays(row.types)
    theirs = run_torch(torch_module(row, weights), arrays)
    for types in (row.types, row.symbolic_types):
        graph = named_graph(row.op, types, name)
        module = to_module(graph, {f"{name}.{path}": array for path, array in weights.items()}).eval()
        assert list(module.state_dict()) == list(graph.parameters)
        ours = run_torch(module, arrays)
        if row.op.random:
            assert [(y.dtype, y.shape) for y in ours] == [(y.dtype, y.shape) for y in theirs]
        else:
            assert_close(ours, theirs, (1e-5, 1e-6))


@each([(name, case) for name, case in CASES if case.sizes and not case.op.random])
def test_other_sizes(row: Case) -> None:
    from harness import infer

    from dlspec.ir.evaluation import substitute
    from dlspec.ir.types import TensorType

    weights = weights_of(single_node_graph(row.op, row.types))
    graph = named_graph(row.op, row.symbolic_types, "layer")
    module = to_module(graph, {f"layer.{path}": array for path, array in weights.items()}).eval()
    sizes = row.other_sizes(infer(row.op, row.symbolic_types)[1])
    known = tuple(TensorType(t.dtype, tuple(substitute(dim, sizes) for dim in t.shape)) for t in row.symbolic_types)
    arrays = row.arrays(known)
    assert_close(run_torch(module, arrays), run_torch(torch_module(row, weights), arrays), (1e-5, 1e-6))
