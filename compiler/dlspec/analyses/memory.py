"""The memory a network takes at inference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from dlspec.analyses.sizes import Sizing
from dlspec.ir.body import Body
from dlspec.ir.computed import smax_undecided
from dlspec.ir.dims import Dim, Expr, product, total
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node, Parameter, Value
from dlspec.ir.types import TensorType

# Bytes as a sum: by the open sizes that a part is multiplied with, the number before them. All of it is at () where
# every size is known.
_Bytes: TypeAlias = dict[tuple[Expr, ...], int]


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. ``weights`` and ``buffers`` are those of the whole network, ``peak`` the most that tensors take at once at
    inference, beside the weights. ``peak_node`` runs at the peak; None where open sizes decide which it is.
    """

    weights: int
    buffers: int
    peak: Dim
    peak_node: Node | None


def memory(graph: Graph, sizes: Mapping[str, int]) -> Memory:
    """Measures a graph with numbers for its symbols.

    Nodes run in the graph's order. A tensor lives from the node that makes it to the last that reads it, an input of
    the network from the start, an output to the end. A view, and what does nothing at inference, is its input's
    storage; a weight that is read as a tensor is no tensor of its own. A node's inputs and outputs live together:
    nothing is computed in place. A turn of a body has slices and states that are the storage of what they come from; what
    turns stack lives from the first on, and what a body reads of others until the last.
    """
    weights, buffers = (_bytes(p for p in graph.parameters.values() if p.kind == kind) for kind in ("param", "buffer"))
    candidates = sorted(_moments(graph, Sizing(sizes)), key=lambda moment: sum(moment[0].values()), reverse=True)
    kept: list[tuple[_Bytes, Node | None]] = []
    for taken, node in candidates:
        if not any(_covers(other, taken) for other, _ in kept):
            kept.append((taken, node))
    peak = smax_undecided(_total(taken) for taken, _ in kept)
    return Memory(weights, buffers, peak, kept[0][1] if len(kept) == 1 else None)


def _bytes(parameters: Iterable[Parameter]) -> int:
    return sum(parameter.bytes for parameter in parameters)


def _moments(graph: Graph, sizing: Sizing) -> Iterable[tuple[_Bytes, Node | None]]:
    """What lives before the first node and at each node: every different amount, with the first node at it."""
    nodes = graph.inference_nodes()
    stored: dict[Value, Value | None] = {}
    last_use: dict[Value | None, Node | None] = {}
    bodies: dict[Node, list[Body]] = {}
    """By the first node of each, or the node that has it where it is empty; those around others first."""
    for node in reversed(nodes):
        if node.body is not None:
            bodies.setdefault(next(iter(node.body.scope.nodes()), node), []).append(node.body)
    touched: dict[Node, tuple[Value, ...]] = {}
    for node in nodes:
        for body in bodies.get(node, ()):
            stored.update((value, stored.get(of, of)) for value, of in body.entries.items())
        if node.body is not None:
            last = zip(node.outputs, node.body.results[: len(node.body.states)], strict=False)
            stored.update((value, stored.get(of, of)) for value, of in last)
        if node.op.view or node.op.identity_in_eval or not node.inputs:
            _store(node, stored)
        touched[node] = (*node.inputs, *node.outputs, *(node.body.captured if node.body is not None else ()))
        for value in touched[node]:
            last_use[stored.get(value, value)] = node
    for output in graph.outputs:
        if not output.training:
            last_use[stored.get(output.value, output.value)] = None

    live: _Bytes = {}
    sized: dict[TensorType, tuple[tuple[Expr, ...], int]] = {}

    def add(value: Value, count: int) -> None:
        size = sized.get(value.type)
        if size is None:
            size = sized[value.type] = _size(sizing.type(value.type))
        live[size[0]] = live.get(size[0], 0) + count * size[1]

    inputs = graph.inference_inputs()
    for value in inputs:
        add(value, 1)
    moments: dict[frozenset[tuple[tuple[Expr, ...], int]], tuple[_Bytes, Node | None]] = {
        frozenset(live.items()): (dict(live), None)
    }
    for value in inputs:
        if value not in last_use:
            add(value, -1)
    for node, own_and_read in touched.items():
        stacked = [value for body in bodies.get(node, ()) if body.node for value in body.node.outputs]
        for value in (*stacked, *(node.outputs if node.body is None else ())):
            if value not in stored:
                add(value, 1)
        taken = frozenset(live.items())
        if taken not in moments:
            moments[taken] = (dict(live), node)
        for value in own_and_read:
            own = stored.get(value, value)
            if own is not None and last_use[own] is node:
                add(own, -1)
                last_use[own] = None
    return moments.values()


def _size(type: TensorType) -> tuple[tuple[Expr, ...], int]:
    """The bytes of a tensor: the open sizes that they are multiplied with, and the number before them."""
    size = type.dtype.size
    for dim in type.shape:
        size *= dim if isinstance(dim, int) else 1
    return tuple(sorted((dim for dim in type.shape if isinstance(dim, Expr)), key=str)), size


def _covers(one: _Bytes, other: _Bytes) -> bool:
    """Whether one amount is at least another whatever the open sizes are."""
    return all(one.get(factors, 0) >= size for factors, size in other.items())


def _total(taken: _Bytes) -> Dim:
    return total([product(factors) * size for factors, size in taken.items()])


def _store(node: Node, stored: dict[Value, Value | None]) -> None:
    """Where the outputs of a node lie if not in memory of their own: with its input, or None with a weight."""
    for value in node.outputs:
        if node.inputs:
            stored[value] = stored.get(node.inputs[0], node.inputs[0])
        elif node.weights:
            stored[value] = None
