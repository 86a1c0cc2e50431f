"""Parameters, multiply-accumulates and floating-point operations of a network.

MACs count convolutions, linear layers and matrix products, one for each multiply-accumulate, as torchvision and
``torch.utils.flop_counter`` (halved) do. FLOPs count everything: two for each MAC, biases, normalisation, activations,
pooling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dlspec.analyses.sizes import Sizing
from dlspec.ir.dims import Dim, total
from dlspec.ir.graph import Graph, Node, Scope
from dlspec.ir.op import Op, Types


class Cost(NamedTuple):
    """What a node or everything in a scope costs.

    ``params`` are the elements of its weights and ``buffers`` those of its buffers, each weight at its first use only.
    ``macs`` and ``flops`` are those of one inference: expressions where sizes are open, 0 for what only training needs.
    """

    params: int = 0
    buffers: int = 0
    macs: Dim = 0
    flops: Dim = 0

    @property
    def trainable(self) -> int:
        """The parameters that are trained: all of them, since a tensor that is kept but not trained is a buffer."""
        return self.params


@dataclass(frozen=True, slots=True)
class Costs:
    """The cost of every node, of every scope with all that is in it, and of the network."""

    nodes: Mapping[Node, Cost]
    scopes: Mapping[Scope, Cost]
    total: Cost


def cost(graph: Graph, sizes: Mapping[str, int]) -> Costs:
    """Counts a graph with numbers for its symbols. Takes time in proportion to the nodes."""
    nodes = _of_nodes(graph, Sizing(sizes))
    scopes = list(graph.root.scopes())
    parts: dict[Scope, list[Cost]] = {scope: [] for scope in scopes}
    for node, own in nodes.items():
        parts[node.scope].append(own)
    rolled: dict[Scope, Cost] = {}
    for scope in reversed(scopes):  # what is inside comes before what is around it
        rolled[scope] = sum_of(parts[scope])
        if scope.parent:
            parts[scope.parent].append(rolled[scope])
    return Costs(nodes, rolled, rolled[graph.root])


def _of_nodes(graph: Graph, sizing: Sizing) -> dict[Node, Cost]:
    counted: dict[tuple[Op, Types, Types], tuple[Dim, Dim]] = {}
    seen: set[str] = set()
    costs: dict[Node, Cost] = {}
    for node in graph.nodes:
        params = buffers = 0
        for weight in node.weights:
            if weight.path not in seen:
                seen.add(weight.path)
                if weight.kind == "param":
                    params += weight.elements
                else:
                    buffers += weight.elements
        if node.training:
            costs[node] = Cost(params, buffers)
            continue
        inputs = tuple([sizing.type(value.type) for value in node.inputs])
        outputs = tuple([sizing.type(value.type) for value in node.outputs])
        work = counted.get((node.op, inputs, outputs))
        if work is None:
            work = sizing.dim(node.op.macs(inputs, outputs)), sizing.dim(node.op.flops(inputs, outputs))
            counted[node.op, inputs, outputs] = work
        costs[node] = Cost(params, buffers, *work)
    return costs


def sum_of(costs: list[Cost]) -> Cost:
    """All of them together."""
    if len(costs) == 1:
        return costs[0]
    return Cost(
        sum([c.params for c in costs]),
        sum([c.buffers for c in costs]),
        total([c.macs for c in costs]),
        total([c.flops for c in costs]),
    )
