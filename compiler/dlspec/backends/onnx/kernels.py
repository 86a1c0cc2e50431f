"""What ONNX has and ONNX Runtime does not run: operators in float64, on a CPU."""

from __future__ import annotations

from collections.abc import Iterator

from dlspec.backends.onnx.model import lowered
from dlspec.backends.onnx.wire import OnnxNode
from dlspec.diagnostics import Diagnostic, DlspecError, Severity
from dlspec.ir.graph import Graph
from dlspec.ir.types import DType
from dlspec.passes.gradients import differentiated

_WITHOUT = frozenset({
    "Acos", "Asin", "Atan", "Atanh", "AveragePool", "Col2Im", "Conv", "ConvTranspose", "Cosh", "Elu", "Erf", "GRU",
    "GlobalAveragePool", "GlobalMaxPool", "HardSigmoid", "HardSwish", "LRN", "LSTM", "LeakyRelu", "LpPool", "Mish", "PRelu",
    "RNN", "Selu", "Sinh", "Softplus", "Softsign", "Tan",
})  # fmt: skip
"""As of ONNX Runtime 1.32; the tests compare with the one that is installed."""


def missing_kernels(graph: Graph) -> Iterator[Diagnostic]:
    """A warning for each operator of the text that ONNX Runtime has no kernel of for float64."""
    graph = differentiated(graph)
    nodes = graph.needed(output.value for output in graph.outputs if not output.training)
    doubles = {
        node.name: node
        for node in nodes
        if any(value.type.dtype is DType.FLOAT64 for value in (*node.inputs, *node.outputs))
    }
    if not doubles:
        return
    try:
        emitter = lowered(graph, nodes)
    except DlspecError:
        return  # said by what writes it
    said: set[tuple[object, str]] = set()
    for each in (inner for node in emitter.nodes for inner in node.walk()):
        node = doubles.get(each.name.partition("/")[0])
        if node is None or not _lacks(each) or (node.span, each.op_type) in said:
            continue
        said.add((node.span, each.op_type))
        found = node.finding(
            f"ONNX Runtime has no kernel of {each.op_type} for float64",
            "PyTorch runs it: --backend torch; or cast to float32 before it and back behind it",
            "DL0503",
        )
        yield Diagnostic(
            found.code, found.message, found.span, notes=found.notes, hint=found.hint, trace=found.trace,
            severity=Severity.WARNING,
        )  # fmt: skip


def _lacks(node: OnnxNode) -> bool:
    if node.op_type == "Resize":
        return node.attributes.get("mode") == "nearest"
    if node.op_type == "Gelu":  # a function of ONNX, made of others
        return node.attributes.get("approximate") != "tanh"
    return node.op_type in _WITHOUT
