"""What holds of every graph, checked. The tests check each graph that is elaborated or made by a pass."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from dlspec.ir.op import Op, Types, types_of
from dlspec.ir.types import TensorType

if TYPE_CHECKING:
    from dlspec.ir.graph import Graph, Output
    from dlspec.ir.node import Node, Parameter, Value
    from dlspec.ir.program import Template
    from dlspec.ir.scope import Scope

P = ParamSpec("P")
Made = TypeVar("Made")

SWITCH = "DLSPEC_VERIFY"
"""The environment variable under which `verified` checks."""


class BrokenGraph(Exception):
    """A graph that is not what a graph is, with everything that is wrong: a fault of the compiler, never of a spec."""


def verified(make: Callable[P, Made]) -> Callable[P, Made]:
    """Checks every graph that a function makes where the environment asks for it; else it is the function itself."""
    if SWITCH not in os.environ:
        return make

    @wraps(make)
    def checked(*args: P.args, **kwargs: P.kwargs) -> Made:
        made = make(*args, **kwargs)
        graph: Any = getattr(made, "graph", made)
        if graph is not None:
            verify(graph)
        return made

    return checked


def verify(graph: Graph) -> None:
    """Raises `BrokenGraph` with all that is wrong.

    * The tree of scopes holds the nodes of the list, in its order; each part knows the scope that it is in. The instances
      of the templates are the scopes that say so, in their order.
    * A node takes inputs of the graph and results of nodes before it. Each result knows its producer, and each tensor its
      uses in their order.
    * Names of nodes, of inputs and of outputs are unique.
    * A node takes as many tensors as its operator, and the types of its results are those that this infers. Symbols in the
      types of inputs are the graph's.
    * The weights of a node are those that its operator asks for, and the graph's parameters are those of its nodes.
    * What is given to a body has the node with the body as its producer, is read in the body only and is of the type that
      the operator says. What is made in a body is read there, and by that node.
    * Outputs and what scopes say of tensors are in the graph. No output of inference needs a node that is for training.
    """
    faults = [
        *_order(graph),
        *_bodies(graph),
        *_instances(graph),
        *_names(graph),
        *_operators(graph),
        *_references(graph),
    ]
    if faults:
        raise BrokenGraph(f"{graph.name}: " + "; ".join(faults))


def _order(graph: Graph) -> Iterator[str]:
    nodes, scopes = list(graph.root.nodes()), list(graph.root.scopes())
    if nodes != graph.nodes:
        yield "the scopes hold other nodes than the list, or in another order"
    inside: dict[Scope | None, set[Node | Scope]] = {scope: set() for scope in scopes}
    for node in nodes:
        inside.setdefault(node.scope, set()).add(node)
    for scope in scopes:
        inside.setdefault(scope.parent, set()).add(scope)
    for scope in scopes:
        yield from (f"{part!r} is in {scope!r} and does not know it" for part in {*scope.children} - inside[scope])
    users: dict[Value, list[Node]] = {value: [] for value in graph.inputs}
    users |= {value: [] for node in graph.nodes if node.body for value in node.body.given}
    yield from (f"{value!r} is an input and has a producer" for value in graph.inputs if value.producer is not None)
    for node in graph.nodes:
        for value in node.inputs:
            if value in users:
                users[value].append(node)
            else:
                yield f"{node.name} takes {value!r}, which is not there yet"
        for value in node.outputs:
            users[value] = []
            if value.producer is not node:
                yield f"{value!r} does not know that {node.name} gives it"
    yield from (f"{value!r} has other uses" for value, nodes in users.items() if value.uses != nodes)


def _bodies(graph: Graph) -> Iterator[str]:
    holders = [node for node in graph.nodes if node.body is not None]
    known = {node.body for node in holders}
    yield from (f"{scope!r} has no body of a node" for scope in graph.root.scopes() if scope.body not in {None, *known})
    for node in graph.nodes:
        for value in node.outputs:
            outside = [user for user in value.uses if not _reads(user, node.scope.inside)]
            yield from (f"{user.name} takes {value!r}, which is made in a body that it is not in" for user in outside)
    for node in holders:
        body = node.body
        assert body is not None
        if body.node is not node or body.scope.body is not body or body.scope.parent is not node.scope:
            yield f"{node.name} has a body that is not its own"
        if tuple([value.type for value in body.given]) != node.op.given(tuple([value.type for value in node.inputs])):
            yield f"{node.name} gives its body {', '.join(map(repr, body.given))}"
        for value in body.given:
            if value.producer is not node:
                yield f"{value!r} does not know that {node.name} gives it to its body"
            outside = [user for user in value.uses if not _reads(user, body.scope)]
            yield from (f"{user.name} takes {value!r} from a body that it is not in" for user in outside)


def _reads(user: Node, inside: Scope | None) -> bool:
    """Whether a node may read what is made in a body: it is in it, or has it."""
    if inside is None or (user.body is not None and user.body.scope is inside):
        return True
    return inside in user.scope.ancestors()


def _instances(graph: Graph) -> Iterator[str]:
    instances: dict[Template, list[Scope]] = {template: [] for template in graph.templates}
    for scope in graph.root.scopes():
        if scope.template in instances:
            instances[scope.template].append(scope)
        elif scope.template is not None:
            yield f"{scope!r} is an instance of {scope.template.name}, which the graph does not know"
    yield from (f"{t.name} has other instances" for t, scopes in instances.items() if t.instances != scopes)


def _names(graph: Graph) -> Iterator[str]:
    kinds: dict[str, Sequence[Node | Value | Output]] = {
        "nodes": graph.nodes,
        "inputs": graph.inputs,
        "outputs": graph.outputs,
    }
    for kind, parts in kinds.items():
        counts = Counter(part.name for part in parts)
        yield from (f"{count} {kind} are called {name}" for name, count in counts.items() if count > 1)


def _operators(graph: Graph) -> Iterator[str]:
    known = graph.symbols.keys() - graph.sizes.keys()
    inferred: dict[tuple[Op, Types], tuple[Types, list[tuple[Any, ...]]]] = {}
    owned: set[Parameter] = set()
    for value in graph.inputs:
        if not value.type.symbols <= known:
            yield f"{value!r} has a size that is no symbol of the graph"
    for node in graph.nodes:
        inputs = tuple([value.type for value in node.inputs])
        if not _takes(node.op, len(inputs)):
            yield f"{node!r} takes {', '.join(node.op.tensors) or 'nothing'}"
            continue
        key = (node.op, inputs)
        if key not in inferred:
            weights = [(weight.kind, weight.shape) for weight in node.op.weights(inputs)]
            inferred[key] = (types_of(node.op, inputs), weights)
        types, weights = inferred[key]
        if node.weights and not any(type.dtype.is_float for type in inputs):  # it makes floats of its weights alone
            types = tuple([TensorType(node.weights[0].dtype, type.shape) for type in types])
        if tuple([value.type for value in node.outputs]) != types:
            yield f"{node!r} gives {', '.join(map(str, types))}"
        if [(weight.kind, weight.shape) for weight in node.weights] != weights:
            yield f"{node!r} has the weights {list(node.weights)}"
        yield from (
            f"{w!r} of {node.name} is no parameter" for w in node.weights if graph.parameters.get(w.path) is not w
        )
        owned.update(node.weights)
    yield from (
        f"{name} is another name of {path}, which is no parameter"
        for name, path in graph.aliases.items()
        if path not in graph.parameters or name in graph.parameters
    )
    yield from (f"no node has {weight!r}" for weight in graph.parameters.values() if weight not in owned)


def _takes(op: Op, count: int) -> bool:
    if op.tensors[:1] and op.tensors[0].startswith("*"):
        return count > 0
    return sum(not name.endswith("?") for name in op.tensors) <= count <= len(op.tensors)


def _references(graph: Graph) -> Iterator[str]:
    there = {*graph.inputs, *(value for node in graph.nodes for value in node.outputs)}
    there |= {value for node in graph.nodes if node.body for value in node.body.given}
    yield from (f"the output {output.name} is not there" for output in graph.outputs if output.value not in there)
    for scope in graph.root.scopes():
        yield from (
            f"{scope!r} speaks of {value!r}, which is not there" for value in scope.tensors() if value not in there
        )
    needed = [output.value for output in graph.outputs if not output.training]
    needed += [value for node in graph.nodes if not node.training for value in node.inputs]
    for value in dict.fromkeys(needed):
        if value.producer is not None and value.producer.training:
            yield f"{value.producer.name} is for training, and inference needs it"
