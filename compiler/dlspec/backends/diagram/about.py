"""What there is to say about a box: its source, its shapes with their computation, its weights and its costs."""

from __future__ import annotations

from typing import Any, TypeAlias

from dlspec.analyses.receptive_field import Axis, receptive_fields
from dlspec.analyses.sizes import Sizing
from dlspec.analyses.written import number, scaled, written_value
from dlspec.backends.diagram.looks import costs_of
from dlspec.backends.diagram.scene import Box, Port, Scene
from dlspec.ir.dims import Dim, total
from dlspec.ir.node import Node, Value
from dlspec.source import Span

Json: TypeAlias = dict[str, Any]
_Pairs: TypeAlias = list[tuple[str, str]]

_MOST_LINES = 12


class About:
    """Knows the receptive fields of a scene's graph, and tells of its boxes."""

    def __init__(self, scene: Scene) -> None:
        graph, summary = scene.graph, scene.summary
        self._shown = Sizing(summary.shown)
        self._counted = Sizing(summary.counted)
        self._memory: dict[Box, Dim] = {}
        for box in reversed(list(scene.boxes())):
            inside = [self._memory[child] * child.count for child in box.children]
            self._memory[box] = total(inside or map(self._bytes, box.nodes[:1]))
        self._fields = receptive_fields(graph, summary.counted)
        self._values = {value.name: value for value in graph.inputs}
        for node in graph.nodes:
            self._values.update({value.name: value for value in node.outputs})

    def measures(self, box: Box) -> Json:
        """Numbers to colour by: parameters, MACs and bytes of all turns, and the most elements along an axis that it sees.
        None if open."""
        seen = [axis.seen for axis in self._axes(box)]
        known = [size for size in seen if isinstance(size, int)]
        return {
            "params": box.together.params,
            "macs": _known(box.together.macs),
            "memory": _known(self._memory[box] * box.count),
            "field": max(known) if known and len(known) == len(seen) else None,
        }

    def info(self, box: Box) -> Json:
        """Texts and tables for the panel."""
        node = box.nodes[0] if box.nodes else None
        return {
            "inputs": list(map(_port, box.inputs)),
            "outputs": list(map(_port, box.outputs)),
            "formula": self._formula(node) if node else [],
            "costs": _costs(box, self._memory[box]),
            "field": _field(self._axes(box)),
            "arguments": _arguments(node) if node else [],
            "weights": _weights(box.nodes),
            "source": _source(box.span),
        }

    def _bytes(self, node: Node) -> Dim:
        """Of the tensors that a node computes, with batch 1 as in the summary."""
        if node.op.view or (node.op.identity_in_eval and not node.training):
            return 0
        return total([self._counted.type(value.type).bytes for value in node.outputs])

    def _axes(self, box: Box) -> tuple[Axis, ...]:
        """Of a box's first result; of an output, of what comes out there."""
        names = [port.name for port in box.outputs] or [box.path]
        value: Value | None = self._values.get(names[0])
        return self._fields[value] if value is not None else ()

    def _formula(self, node: Node) -> list[str]:
        inputs = tuple(self._shown.type(value.type) for value in node.inputs)
        return list(node.op.formula(inputs, tuple(self._shown.type(value.type) for value in node.outputs)))


def _known(dim: Dim) -> int | None:
    return dim if isinstance(dim, int) else None


def _port(port: Port) -> str:
    return str(port.type)


def _costs(box: Box, memory: Dim) -> _Pairs:
    pairs = [
        ("Parameters", number(box.cost.params) if box.cost.params else ""),
        ("Buffers", number(box.cost.buffers) if box.cost.buffers else ""),
        ("MACs", _both(box.cost.macs)),
        ("FLOPs", _both(box.cost.flops)),
        ("Results", scaled(memory, "B") if memory != 0 else ""),
        ("Together", ", ".join(costs_of(box.together)) if box.count > 1 else ""),
        ("Share", f"{box.share:.1%}" if box.share else ""),
    ]
    return [(name, text) for name, text in pairs if text]


def _both(dim: Dim) -> str:
    if dim == 0:
        return ""
    return f"{number(dim)} ({scaled(dim, '').strip()})" if isinstance(dim, int) and dim >= 10_000 else number(dim)


def _field(axes: tuple[Axis, ...]) -> _Pairs:
    """What is seen of each input, axes of which the same is seen in one line."""
    texts: dict[tuple[str, str], list[int]] = {}
    for axis in axes:
        texts.setdefault((axis.input.name, _seen(axis)), []).append(axis.index)
    return [
        (f"{name}, {'axes' if len(of) > 1 else 'axis'} {', '.join(map(str, of))}", text)
        for (name, text), of in texts.items()
    ]


def _seen(axis: Axis) -> str:
    if axis.whole:
        return f"all of {axis.length}"
    if axis.jump == 0:
        return f"{axis.size}" if axis.start is None else f"{axis.size} from {axis.start} on"
    return f"{axis.size}, moving by {axis.jump}" + ("" if axis.start is None else f", first from {axis.start}")


def _arguments(node: Node) -> _Pairs:
    index = node.op.syntax()
    return [("index", index)] if index else [(name, written_value(value)) for name, value in node.op.arguments.items()]


def _weights(nodes: tuple[Node, ...]) -> list[tuple[str, str, str]]:
    weights = {weight.path: weight for node in nodes for weight in node.weights}
    return [
        (path + (" (buffer)" if weight.kind == "buffer" else ""), str(list(weight.shape)), number(weight.elements))
        for path, weight in weights.items()
    ]


def _source(span: Span) -> Json:
    """The lines of a span, each as its number and the text before, in and behind the span."""
    source, lines = span.source, list[tuple[int, str, str, str]]()
    first, (last, end) = span.line, source.position(span.end)
    for line in range(first, min(last, first + _MOST_LINES - 1) + 1):
        text = source.line(line)
        start = span.column - 1 if line == first else len(text) - len(text.lstrip())
        stop = end - 1 if line == last else len(text)
        lines.append((line, text[:start], text[start:stop], text[stop:]))
    return {"where": f"{source.name}:{first}", "lines": lines}
