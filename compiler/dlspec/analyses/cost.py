"""Parameters, multiply-accumulates and floating-point operations of a network.

MACs count convolutions, linear layers and matrix products, one for each multiply-accumulate, as torchvision and
``torch.utils.flop_counter`` (halved) do. FLOPs count everything: two for each MAC, biases, normalisation, activations,
pooling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dlspec.analyses.sizes import Sizing
from dlspec.ir.dims import Dim, total
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node, Parameter
from dlspec.ir.op import Op, Types
from dlspec.ir.scope import Scope


class Cost(NamedTuple):
    """What a node or everything in a scope costs.

    ``params`` are the elements of its weights and ``buffers`` those of its buffers, each weight at its first use only.
    ``macs`` and ``flops`` are those of one inference: expressions where sizes are open, 0 for what only training needs.
    What stands in the body of a node counts once for each of its turns.
    """

    params: int = 0
    buffers: int = 0
    macs: Dim = 0
    flops: Dim = 0


@dataclass(frozen=True, slots=True)
class Costs:
    """The cost of every node, of every scope with all that is in it, and of the network."""

    nodes: Mapping[Node, Cost]
    scopes: Mapping[Scope, Cost]
    total: Cost


def cost(graph: Graph, sizes: Mapping[str, int]) -> Costs:
    """Counts a graph with numbers for its symbols. Takes time in proportion to the nodes, and computes what a kind of
    node or of scope costs once."""
    nodes = _of_nodes(graph, Sizing(sizes))
    scopes = list(graph.root.scopes())
    parts: dict[Scope, list[Cost]] = {scope: [] for scope in scopes}
    for node, own in nodes.items():
        parts[node.scope].append(own)
    rolled: dict[Scope, Cost] = {}
    summed: dict[tuple[Cost, ...], Cost] = {}
    for scope in reversed(scopes):  # what is inside comes before what is around it
        inside = tuple(parts[scope])
        own = summed.get(inside)
        if own is None:
            own = summed[inside] = sum_of(inside)
        rolled[scope] = own
        if scope.parent:
            parts[scope.parent].append(own)
    return Costs(nodes, rolled, rolled[graph.root])


def causal_macs(graph: Graph, sizes: Mapping[str, int]) -> Dim:
    """The MACs of causal attention, which are counted in full, where some count half of them."""
    return _macs_apart(graph, sizes, lambda op: op.causal_macs)


def idle_macs(graph: Graph, sizes: Mapping[str, int]) -> Dim:
    """The MACs of experts that are not chosen, which are not counted, where some count those of all."""
    return _macs_apart(graph, sizes, lambda op: op.idle_macs)


def _macs_apart(graph: Graph, sizes: Mapping[str, int], of: Callable[[Op], Callable[[Types, Types], Dim]]) -> Dim:
    sizing = Sizing(sizes)
    found: list[Dim] = []
    for node in graph.nodes:
        types = [tuple([sizing.type(value.type) for value in values]) for values in (node.inputs, node.outputs)]
        if not node.training:
            found.append(sizing.dim(turns_of(node) * of(node.op)(types[0], types[1])))
    return total(found)


def _of_nodes(graph: Graph, sizing: Sizing) -> dict[Node, Cost]:
    known: dict[tuple[Any, ...], Cost] = {}
    counted: set[Parameter] = set()
    costs: dict[Node, Cost] = {}
    for node in graph.nodes:
        new = [weight for weight in node.weights if weight not in counted]
        counted.update(new)
        types = [value.type for value in node.inputs]
        turns = turns_of(node)
        weighs = new if len(new) < len(node.weights) else ()  # all of them follow from the operator and its inputs
        key = (node.op, node.training, turns, len(new), *types, *[(weight.kind, weight.shape) for weight in weighs])
        own = known.get(key)
        if own is None:
            own = known[key] = _of_node(node, new, turns, sizing)
        costs[node] = own
    return costs


def turns_of(node: Node) -> Dim:
    """How often a node runs: once, or as often as the bodies turn that it is in."""
    turns: Dim = 1
    inside = node.scope.inside
    while inside is not None:
        turns *= inside.body.turns if inside.body is not None else 1
        inside = inside.parent.inside if inside.parent is not None else None
    return turns


def _of_node(node: Node, weights: list[Parameter], turns: Dim, sizing: Sizing) -> Cost:
    params = sum([weight.elements for weight in weights if weight.kind == "param"])
    buffers = sum([weight.elements for weight in weights if weight.kind == "buffer"])
    if node.training:
        return Cost(params, buffers)
    inputs = tuple([sizing.type(value.type) for value in node.inputs])
    outputs = tuple([sizing.type(value.type) for value in node.outputs])
    macs, flops = node.op.macs(inputs, outputs), node.op.flops(inputs, outputs)
    return Cost(params, buffers, sizing.dim(turns * macs), sizing.dim(turns * flops))


def sum_of(costs: Sequence[Cost]) -> Cost:
    """All of them together."""
    if len(costs) == 1:
        return costs[0]
    return Cost(
        sum([c.params for c in costs]),
        sum([c.buffers for c in costs]),
        total([c.macs for c in costs]),
        total([c.flops for c in costs]),
    )
