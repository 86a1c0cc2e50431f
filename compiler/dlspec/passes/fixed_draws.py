"""Random draws replaced by numbers that every run has."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from dlspec.ir.edit import Editor, edited
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node, Value
from dlspec.ir.verify import verified
from dlspec.ops.dropout import Identity
from dlspec.ops.ordering import TopK
from dlspec.ops.random import Bernoulli, Full, Multinomial, Normal, Uniform
from dlspec.ops.reduce import ArgMax
from dlspec.ops.shape import Expand


@verified
def with_fixed_draws(graph: Graph, deviations: float = 0.0) -> Graph:
    """The network with every random draw replaced by its mean, and so many standard deviations more: what can be compared
    of one that draws. A Bernoulli draw becomes its probability, a Multinomial the likeliest. The same graph where nothing
    is drawn."""

    def rule(edit: Editor, node: Node) -> Sequence[Value]:
        match node.op:
            case Normal(shape=shape, mean=mean, std=std, dtype=dtype):
                return edit.keep(node, Full(shape, mean + deviations * std, dtype))
            case Uniform(shape=shape, low=low, high=high, dtype=dtype):
                return edit.keep(node, Full(shape, (low + high) / 2 + deviations * (high - low) / sqrt(12), dtype))
            case Bernoulli():
                return edit.keep(node, Identity())
            case Multinomial(num_samples=count, replacement=replacement):
                (weights,) = edit.inputs(node)
                if not replacement:
                    return (edit.insert(TopK(k=count), (weights,), name=node.name)[1],)
                likeliest = edit.insert(ArgMax(-1, keepdim=True), (weights,))
                return edit.insert(Expand(node.outputs[0].type.shape), likeliest, name=node.name)
            case _:
                return edit.keep(node)

    return edited(graph, rule) if any(node.op.random for node in graph.nodes) else graph
