"""What computes the objectives of a `train`, as graphs of their own."""

from __future__ import annotations

from dlspec.ir.edit import copied
from dlspec.ir.graph import Graph
from dlspec.ir.verify import verified
from dlspec.objectives.training import Training
from dlspec.passes.noise_inputs import noise_as_inputs


@verified
def objective(graph: Graph, output: str) -> Graph:
    """What one output needs: its nodes, weights and inputs, and those inputs that show their sizes.

    Raises KeyError for a name that is no output.
    """
    chosen = {one.name: one for one in graph.outputs}[output]
    nodes = graph.needed([chosen.value])
    read = {chosen.value, *(value for node in nodes for value in node.inputs)}
    needed = {name for node in nodes for value in node.outputs for name in value.type.symbols}
    for value in (*(v for v in graph.inputs if v in read), *(v for v in graph.inputs if v not in read)):
        shown = {str(dim) for dim in value.type.shape}
        if value in read or needed & shown:
            read.add(value)
            needed -= shown
    inputs = [value for value in graph.inputs if value in read]
    known = {name for value in inputs for name in value.type.symbols}
    made = copied(graph, [chosen], inputs)
    made.symbols = {name: default for name, default in graph.symbols.items() if name in known}
    made.conditions = tuple(condition for condition in graph.conditions if condition.symbols <= known)
    return made


@verified
def objectives(training: Training, update: str | None = None) -> Graph:
    """What computes the objectives of a train, or that of one update, from data and noise.

    An output has the name of its update, with ``_objective`` behind it where a weight or an input is called so. Raises
    KeyError for a name that is no update.
    """
    graph = noise_as_inputs(training.graph)
    made = graph if update is None else objective(graph, update)
    taken = {value.name for value in graph.inputs} | graph.parameters.keys()
    for output in made.outputs:
        output.name = f"{output.name}_objective" if output.name in taken else output.name
    return made
