"""A body that runs turn by turn: the Scan of ONNX, whose graph reads what stands around it."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import LOWERINGS, lowers
from dlspec.backends.onnx.wire import OnnxGraph
from dlspec.ir.node import Node
from dlspec.ops.scan import Scan


@lowers(Scan)
def scan(emit: Emitter, op: Scan, node: Node, inputs: list[str], weights: list[str]) -> tuple[str, ...]:
    body = node.body
    assert body is not None
    takes = [(emit.given(value), value.type) for value in (*body.states, *body.slices)]
    nodes, names = emit.turn(body.nodes, body.results, LOWERINGS.get)
    gives = [(name, value.type) for name, value in zip(names, body.results, strict=True)]
    graph = OnnxGraph(f"{node.name}/body", nodes, takes, gives)
    stacked = len(body.results) - op.states
    backwards = int(op.backwards)
    made = emit.op(
        "Scan", [*inputs[op.sliced :], *inputs[: op.sliced]], len(node.outputs),
        body=graph, num_scan_inputs=op.sliced, scan_input_axes=[op.axis] * op.sliced,
        scan_output_axes=[op.axis] * stacked if stacked else None,
        scan_input_directions=[backwards] * op.sliced,
        scan_output_directions=[backwards] * stacked if stacked else None,
    )  # fmt: skip
    return (made,) if isinstance(made, str) else made
