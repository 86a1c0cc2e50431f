"""Random draws as inputs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from dlspec.ir.edit import Editor, edited
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node, Value
from dlspec.ir.types import TensorType
from dlspec.ir.verify import verified
from dlspec.ops.combine import Less, Sub
from dlspec.ops.elementwise import Cast, Log, Neg
from dlspec.ops.ordering import TopK
from dlspec.ops.random import Multinomial, Normal, Uniform
from dlspec.ops.reduce import ArgMax
from dlspec.ops.shape import Expand, Reshape, Unsqueeze


def draws(graph: Graph) -> dict[str, Node]:
    """The random draws that the outputs need, by the names that they have as inputs: ``normal``, ``uniform``,
    ``normal_2`` ... in their order."""
    taken = {value.name for value in graph.inputs} | {output.name for output in graph.outputs} | graph.parameters.keys()
    named: dict[str, Node] = {}
    for node in graph.needed(output.value for output in graph.outputs):
        if node.op.random:
            base = "normal" if isinstance(node.op, Normal) else "uniform"
            numbered = (base if number == 1 else f"{base}_{number}" for number in count(1))
            named[next(name for name in numbered if name not in taken and name not in named)] = node
    return named


def noise_ranges(graph: Graph) -> dict[str, tuple[float, float]]:
    """Between which numbers the draws are that are uniform, by the names of `draws`."""
    ops = {name: node.op for name, node in draws(graph).items()}
    return {
        name: (op.low, op.high) if isinstance(op, Uniform) else (0.0, 1.0)
        for name, op in ops.items()
        if not isinstance(op, Normal)
    }


@verified
def noise_as_inputs(graph: Graph) -> Graph:
    """The graph with its random draws as further inputs, by the names of `draws`.

    An input holds the very numbers that are drawn, from the distribution that the spec gives. Where ones are drawn with
    a probability, the input is uniform between 0 and 1, and there is a one where it is less. Where positions are drawn by
    their weights it has a number, uniform between 0 and 1, for each weight, and for each draw with replacement. What the
    turns of a `scan` draw lies along its axis.
    """

    def noise_of(edit: Editor, node: Node, type: TensorType) -> Value:
        part = edit.part(names[node], type, node.span)
        return part if part.type == type else edit.insert(Reshape(type.shape), (part,))[0]

    def drawn(edit: Editor, node: Node, op: Multinomial) -> Sequence[Value]:
        """The greatest sums of a logarithm and Gumbel noise, which is made of uniform one."""
        (weights,) = edit.inputs(node)
        if op.replacement:
            rows = weights.type.shape
            (weights,) = edit.insert(Unsqueeze(-2), (weights,))
            (weights,) = edit.insert(Expand((*rows[:-1], op.num_samples, rows[-1])), (weights,))
        noise = noise_of(edit, node, weights.type)
        for step in (Log(), Neg(), Log()):
            (noise,) = edit.insert(step, (noise,))
        scores = edit.insert(Sub(), (*edit.insert(Log(), (weights,)), noise))
        if op.replacement:
            return edit.insert(ArgMax(-1), scores, name=node.name)
        return (edit.insert(TopK(k=op.num_samples), scores, name=node.name)[1],)

    names = {node: name for name, node in draws(graph).items()}

    def rule(edit: Editor, node: Node) -> Sequence[Value]:
        if node not in names:
            return edit.keep(node)
        if isinstance(node.op, Multinomial):
            return drawn(edit, node, node.op)
        noise = noise_of(edit, node, node.outputs[0].type)
        if isinstance(node.op, Normal | Uniform):
            return (noise,)
        (p,) = edit.inputs(node)
        return edit.insert(Cast(noise.type.dtype), edit.insert(Less(), (noise, p)), name=node.name)

    return edited(graph, rule)
