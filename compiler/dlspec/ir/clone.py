"""Copies what a finished scope holds into one that is the same but for its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, cast

from dlspec.ir.body import Body
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node, Parameter, Value, first_name
from dlspec.ir.scope import Scope

# A scope and its copy, with the children still to copy. What is in it is called after the copy: its path begins with the
# prefix instead of so many characters. No prefix: each moves by itself.
_Copying: TypeAlias = "tuple[Scope, Scope, Iterator[Node | Scope], int, str | None]"


class Cloner:
    """Copies scopes of a graph.

    ``values`` has the tensors that flow into a copy, each by that of its source; those made are added to it. What else is
    read stands outside and stays. ``unique`` gives a node its name, from where it stands. ``moved`` gives the new path of
    what stands right in a level that was there before.
    """

    def __init__(
        self, graph: Graph, values: dict[Value, Value], unique: Callable[[str], str], moved: Callable[[str], str]
    ) -> None:
        self.graph = graph
        self.values = values
        self.unique = unique
        self.moved = moved
        self._bodies: dict[Body, Body] = {}

    def fill(self, target: Scope, source: Scope) -> None:
        """Fills a scope that is empty with all that is in ``source``, which becomes its twin.

        Operators, types and origins are shared. Takes a few microseconds a node: one loop, and little is called in it.
        """
        values, unique, moved = self.values, self.unique, self.moved
        nodes, parameters = self.graph.nodes, self.graph.parameters
        prefix = target.path if target.opens else None
        stack: list[_Copying] = [(source, target, iter(source.children), len(source.path), prefix)]
        while stack:
            old, new, children, cut, prefix = stack[-1]
            for child in children:
                if isinstance(child, Scope):
                    stack.append(self._scope(child, new, cut, prefix))
                    break
                path = first_name(child.name)
                start = prefix
                if start is None:
                    start, cut = moved(path), len(path)
                weights: list[Parameter] = []
                for weight in child.weights:
                    at = start + weight.path[cut:]
                    own = parameters.get(at)  # of another use of a shared layer
                    if own is None:
                        own = Parameter(at, weight.shape, weight.dtype, weight.kind, weight.init, weight.span)
                        parameters[at] = own
                    weights.append(own)
                inputs = tuple([values.get(value, value) for value in child.inputs])
                types = tuple([value.type for value in child.outputs])
                name = unique(start + path[cut:])
                node = Node(child.op, inputs, tuple(weights), new, name, child.span, types, child.origin)
                nodes.append(node)
                values.update(zip(child.outputs, node.outputs, strict=True))
                if child.body is not None:
                    self._bodies.pop(child.body).close(node)
            else:
                stack.pop()
                self._finish(old, new)

    def _scope(self, scope: Scope, parent: Scope, cut: int, prefix: str | None) -> _Copying:
        label, path = scope.label, parent.path
        if scope.opens:
            path = self.moved(scope.path) if prefix is None else prefix + scope.path[cut:]
            if prefix is None:
                label, cut, prefix = path.rpartition(".")[2], len(scope.path), path
        template = scope.template
        if template is not None:
            template = self.graph.template(template.name, template.declaration)
        copy = Scope(
            scope.kind, parent, scope.span, label, scope.declaration, scope.definition, scope.arguments, scope.shared,
            path, scope.origin, template,
        )  # fmt: skip
        copy.given = scope.given
        if scope.body is not None:
            self._bodies[scope.body] = made = scope.body.copied(copy)
            self.values.update(zip(scope.body.given, made.given, strict=True))
        return scope, copy, iter(scope.children), cut, prefix

    def _finish(self, source: Scope, copy: Scope) -> None:
        """What a scope tells of tensors, once those in it are copied."""
        values = self.values
        copy.twin = source.twin or source
        copy.names = source.names
        if source.bound:
            copy.bound = {values.get(value, value): name for value, name in source.bound.items()}
        if source.arguments and source.arguments is copy.arguments:
            copy.arguments = mapped(source.arguments, values)
        if source.inputs:
            copy.inputs = {name: values.get(value, value) for name, value in source.inputs.items()}
        if source.outputs:
            copy.outputs = tuple([values.get(value, value) for value in source.outputs])
        if source.flow is not None:
            copy.flow = values.get(source.flow, source.flow)
        if source.carried:
            copy.carried = tuple(
                (values.get(before, before), behind and values.get(behind, behind)) for before, behind in source.carried
            )


def mapped(value: Any, values: dict[Value, Value]) -> Any:
    """The value with tensors replaced, at any depth of lists and dictionaries: itself where there are none."""
    if isinstance(value, Value):
        return values.get(value, value)
    if isinstance(value, list):
        items = type(value)(mapped(item, values) for item in cast("list[Any]", value))  # pyright: ignore
        return items if any(a is not b for a, b in zip(items, cast("list[Any]", value), strict=True)) else value  # pyright: ignore
    if isinstance(value, dict):
        own = cast("dict[str, Any]", value)
        items = {key: mapped(item, values) for key, item in own.items()}
        return items if any(items[key] is not own[key] for key in own) else own
    return value
