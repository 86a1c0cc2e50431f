"""A graph as an ONNX model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec import __version__
from dlspec.backends.onnx import wire
from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import LOWERINGS
from dlspec.backends.weights import check_weights, untied
from dlspec.diagnostics import Diagnostic, Diagnostics
from dlspec.ir.graph import Graph, Output
from dlspec.ir.node import Node, Parameter, Value
from dlspec.passes.gradients import differentiated

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

DEFAULT_OPSET = 22
_RANDOM_OPSET = 21  # ONNX Runtime (1.32) has no RandomNormal and RandomUniform of opset 22
IR_VERSIONS = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12, 25: 13}
"""The opsets that can be written, each with the oldest IR version that has it."""


class OnnxModel:
    """A model whose weights are drawn when it is written.

    * ``head``: the fields of the ModelProto but for its graph. ``body``: those of the GraphProto but for its weights.
    * ``weights``: what goes behind them, each with its values in ``given`` or else drawn from ``seed``.
    * ``values``: the tensors of the graph under the names they have in the model.
    """

    def __init__(
        self,
        head: bytes,
        body: bytes,
        weights: list[Parameter],
        seed: int,
        given: Mapping[str, Array] | None,
        values: dict[Value, str],
    ) -> None:
        self.head = head
        self.body = body
        self.weights = weights
        self.seed = seed
        self.given = given
        self.values = values


def build(
    graph: Graph, *, opset: int | None = None, seed: int = 0, weights: Mapping[str, Array] | None = None
) -> OnnxModel:
    """Lowers what a graph computes at inference; gradients by the nodes that compute them.

    Inputs, outputs and symbolic sizes have the names of the spec, initializers the paths of the weights. The
    preconditions on sizes are in the model's ``metadata_props`` under ``dlspec.preconditions``: ONNX has no way to
    check them at run time. Raises `DlspecError` for what ONNX or the backend cannot express and for ``weights`` that do
    not fit the graph, `ValueError` for an opset that is not one of `IR_VERSIONS`.
    """
    whole, graph = graph, differentiated(graph)
    outputs = [output for output in graph.outputs if not output.training]
    inputs = graph.inference_inputs()
    nodes = graph.needed(output.value for output in outputs)
    emitter = lowered(graph, nodes, opset)
    onnx_nodes = emitter.nodes
    read = {name for node in onnx_nodes for each in node.walk() for name in each.inputs}
    parameters = [parameter for path, parameter in graph.parameters.items() if path in read]
    if weights is not None:
        weights = untied(graph, weights)
        found = Diagnostics()
        found.extend(check_weights(whole, weights, needed={parameter.path for parameter in parameters}))
        found.check()

    body = [wire.message(1, node.encoded()) for node in onnx_nodes]
    body.append(wire.text(2, graph.name))
    body += [wire.message(5, wire.tensor(name, array)) for name, array in emitter.constants.items() if name in read]
    body += [wire.message(11, wire.value_info(value.name, value.type)) for value in inputs]
    body += [wire.message(12, wire.value_info(output.name, output.value.type)) for output in outputs]
    body += [wire.message(13, info) for info in _value_infos(emitter, nodes, outputs)]
    return OnnxModel(
        _head(graph, inputs, outputs, emitter.opset), b"".join(body), parameters, seed, weights, emitter.values
    )


def lowered(graph: Graph, nodes: list[Node], opset: int | None = None) -> Emitter:
    """The ONNX nodes of those that inference needs. Raises as `build`."""
    outputs = [output for output in graph.outputs if not output.training]
    inputs = graph.inference_inputs()
    if opset is None:
        opset = _RANDOM_OPSET if any(node.op.random for node in nodes) else DEFAULT_OPSET
    if opset not in IR_VERSIONS:
        raise ValueError(
            f"ONNX opset {opset} cannot be written: choose one from {min(IR_VERSIONS)} to {max(IR_VERSIONS)}"
        )
    _check_names(graph, inputs, outputs)
    emitter = Emitter(graph, inputs, outputs, opset)
    emitter.lower((node for node in nodes if node.scope.inside is None), LOWERINGS.get)
    emitter.finish(outputs)
    return emitter


def signature(graph: Graph, inputs: list[Value], outputs: list[Output]) -> str:
    """``ResNet50(image: float[N, 3, H, W]) -> logits: float[N, 1000]``."""
    parameters = ", ".join(f"{value.name}: {value.type}" for value in inputs)
    results = ", ".join(f"{output.name}: {output.value.type}" for output in outputs)
    return f"{graph.name}({parameters}) -> {results}"


def _check_names(graph: Graph, inputs: list[Value], outputs: list[Output]) -> None:
    """Raises `DlspecError` where an ONNX model could not tell an output from an input or a weight."""
    found = Diagnostics()
    if not outputs:
        found.add(Diagnostic("DL0501", f"{graph.name} has no output at inference", graph.root.span))
    named = {value.name: value for value in inputs}
    for output in outputs:
        if output.name in named and named[output.name] is not output.value:
            message = f"an ONNX model cannot have an input and an output that are both called `{output.name}`"
            found.add(Diagnostic("DL0502", message, output.value.span, hint="rename one of them in the signature"))
        elif output.name in graph.parameters:
            message = f"an ONNX model cannot have a weight and an output that are both called `{output.name}`"
            found.add(Diagnostic("DL0502", message, output.value.span, hint="rename one of them"))
    found.check()


def _head(graph: Graph, inputs: list[Value], outputs: list[Output], opset: int) -> bytes:
    parts = [
        wire.integer(1, IR_VERSIONS[opset]),
        wire.text(2, "dlspec"),
        wire.text(3, __version__),
        wire.text(6, signature(graph, inputs, outputs)),
        wire.message(8, wire.text(1, "") + wire.integer(2, opset)),
    ]
    if graph.conditions:
        conditions = ", ".join(str(condition) for condition in graph.conditions)
        parts.append(wire.message(14, wire.entry("dlspec.preconditions", conditions)))
    return b"".join(parts)


def _value_infos(emitter: Emitter, nodes: list[Node], outputs: list[Output]) -> list[bytes]:
    """The types of the tensors between the nodes, for whoever looks at the model."""
    described = {output.name for output in outputs}
    infos: list[bytes] = []
    for node in nodes:
        for value in node.outputs if node.scope.inside is None else ():
            name = emitter.values.get(value)
            if name is not None and name == value.name and name not in described:
                described.add(name)
                infos.append(wire.value_info(name, value.type))
    return infos
