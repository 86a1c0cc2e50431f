"""The memory a network takes at inference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from dlspec.analyses.sizes import Sizing
from dlspec.ir.dims import Dim, Expr, product, smax_undecided, total
from dlspec.ir.graph import Graph, Node, Parameter, Value
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
    nothing is computed in place.
    """
    weights, buffers = (_bytes(p for p in graph.parameters.values() if p.kind == kind) for kind in ("param", "buffer"))
    moments = _moments(graph, Sizing(sizes))
    distinct = {frozenset(taken.items()): (taken, node) for taken, node in reversed(moments)}
    candidates = sorted(distinct.values(), key=lambda moment: sum(moment[0].values()), reverse=True)
    kept: list[tuple[_Bytes, Node | None]] = []
    for taken, node in candidates:
        if not any(_covers(other, taken) for other, _ in kept):
            kept.append((taken, node))
    peak = smax_undecided(_total(taken) for taken, _ in kept)
    return Memory(weights, buffers, peak, kept[0][1] if len(kept) == 1 else None)


def _bytes(parameters: Iterable[Parameter]) -> int:
    return sum(parameter.elements * parameter.dtype.size for parameter in parameters)


def _moments(graph: Graph, sizing: Sizing) -> list[tuple[_Bytes, Node | None]]:
    """What lives before the first node and at each node."""
    nodes = graph.inference_nodes()
    storage: dict[Value, Value | None] = {value: value for value in graph.inputs}
    for node in nodes:
        for value in node.outputs:
            storage[value] = _storage(node, value, storage)
    last_use: dict[Value, int] = {}
    for index, node in enumerate(nodes):
        for value in (*node.inputs, *node.outputs):
            stored = storage[value]
            if stored is not None:
                last_use[stored] = index
    for output in graph.outputs:
        stored = None if output.training else storage[output.value]
        if stored is not None:
            last_use[stored] = len(nodes)
    freed: list[list[Value]] = [[] for _ in range(len(nodes) + 1)]
    for value, index in last_use.items():
        freed[index].append(value)

    live: _Bytes = {}
    for value in graph.inputs:
        _add(live, sizing.type(value.type), 1)
    moments: list[tuple[_Bytes, Node | None]] = [(dict(live), None)]
    for index, node in enumerate(nodes):
        for value in node.outputs:
            if storage[value] is value:
                _add(live, sizing.type(value.type), 1)
        moments.append((dict(live), node))
        for value in freed[index]:
            _add(live, sizing.type(value.type), -1)
    return moments


def _add(live: _Bytes, type: TensorType, count: int) -> None:
    """Adds or takes away tensors of a type."""
    factors: list[Expr] = []
    size = count * type.dtype.size
    for dim in type.shape:
        if isinstance(dim, int):
            size *= dim
        else:
            factors.append(dim)
    key = tuple(sorted(factors, key=str))
    live[key] = live.get(key, 0) + size


def _covers(one: _Bytes, other: _Bytes) -> bool:
    """Whether one amount is at least another whatever the open sizes are."""
    return all(one.get(factors, 0) >= size for factors, size in other.items())


def _total(taken: _Bytes) -> Dim:
    return total([product(factors) * size for factors, size in taken.items()])


def _storage(node: Node, value: Value, storage: Mapping[Value, Value | None]) -> Value | None:
    """The tensor whose memory an output lies in: None for a weight's."""
    if not node.inputs and node.weights:
        return None
    if node.op.view or node.op.identity_in_eval:
        return storage[node.inputs[0]]
    return value
