"""Graphs put together by hand, without a spec."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import dlspec
from dlspec.ir.dims import Dim
from dlspec.ir.graph import Graph, Output
from dlspec.ir.node import Node, Parameter, Value
from dlspec.ir.op import Needs, Op
from dlspec.ir.scope import Scope
from dlspec.ir.types import DTYPES, TensorType
from dlspec.source import Source, Span

ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join((str(Path(dlspec.__file__).parent.parent), str(Path(__file__).parent)))
}
"""For a process that imports dlspec and what lies in this folder."""

SPAN = Span(Source("net.dlspec", "Net"), 0, 3)


class Net:
    """A graph under construction; ``inputs`` are their shapes, of floats."""

    def __init__(self, inputs: Mapping[str, tuple[Dim, ...]], dtype: str = "float") -> None:
        self.graph = Graph("Net", Scope("network", None, SPAN, declaration="Net"))
        self.graph.inputs = [
            Value(name, TensorType(DTYPES[dtype], shape), None, SPAN) for name, shape in inputs.items()
        ]
        self.graph.symbols = {name: None for value in self.graph.inputs for name in sorted(value.type.symbols)}
        self.inputs = {value.name: value for value in self.graph.inputs}

    def add(
        self,
        path: str,
        op: Op,
        *inputs: Value,
        training: bool = False,
        name: str | None = None,
        scope: Scope | None = None,
    ) -> Value:
        """A node; with another ``name`` than its path it uses the weights that are there."""
        types = tuple(value.type for value in inputs)
        result = op.infer(Needs(), types)
        weights: list[Parameter] = []
        for weight in op.weights(types):
            key = f"{path}.{weight.name}"
            parameter = Parameter(key, weight.shape, weight.dtype, weight.kind, weight.init, SPAN)
            weights.append(self.graph.parameters.setdefault(key, parameter))
        outputs = (result,) if isinstance(result, TensorType) else tuple(result)
        node = Node(op, inputs, tuple(weights), scope or self.graph.root, name or path, SPAN, outputs)
        node.training = training
        self.graph.nodes.append(node)
        return node.outputs[0]

    def output(self, name: str, value: Value, training: bool = False) -> None:
        self.graph.outputs.append(Output(name, value, training))
