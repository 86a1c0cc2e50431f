"""What a shared layer holds: `weights(f)` are its weights, `layers(f, Conv)` its layers of a kind, as lists. `by_shape` puts
those of one shape together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from dlspec.diagnostics import Note, did_you_mean
from dlspec.elaborate.builder import Builder, join
from dlspec.elaborate.calls import Given, bind_named
from dlspec.elaborate.values import BlockLayer, Failure, Inside, Layer, OpLayer, SharedLayer, as_list, kind_of
from dlspec.ir.dims import Dim
from dlspec.ir.fields import MISSING
from dlspec.ir.node import Node, Value, first_name
from dlspec.ir.program import Origin
from dlspec.ir.scope import Scope
from dlspec.ops.constant import Stored
from dlspec.source import Span
from dlspec.syntax import ast

_PARAMETERS: dict[str, dict[str, Any]] = {
    "weights": {"layer": MISSING},
    "layers": {"layer": MISSING, "kind": MISSING},
    "by_shape": {"tensors": MISSING},
}
FUNCTIONS = tuple(_PARAMETERS)

_AT_ONCE = 8
"""Nodes that are looked at in the time of a step."""


class Held:
    """What a graph has by now, by the paths around it. It only looks at what is new since it was last asked."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self._seen_weights = self._seen_nodes = 0
        self._scopes: set[Scope] = set()
        self._names: dict[str, dict[str, None]] = {}
        self._layers: dict[str, list[tuple[str, Node | Scope]]] = {}

    def names(self, path: str, span: Span) -> list[str]:
        """Those of the layers and weights directly inside a path."""
        self._look(span)
        return [*self._names.get(path, ())]

    def call(self, name: str, given: list[Given], node: ast.Call) -> list[Any]:
        """What one of the functions gives. Raises `Failure`."""
        bound = bind_named(f"`{name}`", given, _PARAMETERS[name], node.span)
        if name == "by_shape":
            return _by_shape(bound["tensors"], node.span)
        layer = bound["layer"]
        if not isinstance(layer, SharedLayer | Inside):
            hint = "declare it: `shared f = ...`"
            raise Failure("DL0305", f"`{name}` takes a `shared` layer, not {kind_of(layer)}", node.span, hint=hint)
        inside = layer if isinstance(layer, Inside) else Inside(layer, join(layer.home, layer.label))
        self._look(node.span)
        if inside.path not in self._names:
            shared, hint = inside.layer, "they are made when something flows into it"
            notes = (Note(shared.span, "declared here"),)
            raise Failure("DL0302", f"{shared.title} has no weights yet", node.span, hint=hint, notes=notes)
        if name == "layers":
            return self._alike(inside, bound["kind"], node.span)
        origin, known = Origin(node, "weight", labelled=True), self.builder.graph.parameters
        held = [known[path] for path in self._in_state_dict(inside.path, node.span) if path in known]
        return [self.builder.tied(weight, node.span, origin) for weight in held if weight.kind == "param"]

    def _alike(self, around: Inside, kind: Any, span: Span) -> list[Inside]:
        if not isinstance(kind, OpLayer | BlockLayer) or kind.called:
            called = isinstance(kind, OpLayer | BlockLayer)
            what = "a call of it" if called else "a chain of some" if isinstance(kind, Layer) else kind_of(kind)
            hint = "give its name alone, as in `layers(f, Conv)`"
            raise Failure("DL0305", f"a kind is a layer with weights or a block, not {what}", span, hint=hint)
        held = self._layers.get(around.path, [])
        self.builder.spend(len(held) // _AT_ONCE, span)
        alike = dict.fromkeys(path for path, each in held if _is(each, kind))
        if not alike:
            known = list(dict.fromkeys(_name(each) for _, each in held))
            hint = did_you_mean(kind.title.strip("`"), known) or f"it has {', '.join(known)}"
            what = str(around) if around.path != around.layer.label else around.layer.title
            raise Failure("DL0302", f"{what} has no {kind.title} with weights", span, hint=hint)
        places = {path: place for place, path in enumerate(self._in_state_dict(around.path, span))}
        return [Inside(around.layer, path) for path in sorted(alike, key=lambda path: places.get(path, len(places)))]

    def _in_state_dict(self, path: str, span: Span) -> Iterator[str]:
        """A path and those inside it in the order of a state dict: a module's own weights, then the modules in it."""
        waiting = [path]
        while waiting:
            around = waiting.pop()
            yield around
            inside = [f"{around}.{name}" for name in self._names.get(around, ())]
            self.builder.spend(1 + len(inside) // _AT_ONCE, span)
            yield from (each for each in inside if each not in self._names)
            waiting += reversed([each for each in inside if each in self._names])

    def _look(self, span: Span) -> None:
        graph = self.builder.graph
        weights = list(islice(graph.parameters.values(), self._seen_weights, None))
        nodes = graph.nodes[self._seen_nodes :]
        self.builder.spend((len(weights) + len(nodes)) // _AT_ONCE, span)
        self._seen_weights += len(weights)
        self._seen_nodes += len(nodes)
        for weight in weights:
            for around in _around(weight.path):
                inside = weight.path[len(around) + 1 :].partition(".")[0]
                self._names.setdefault(around, {}).setdefault(inside)
        for node in nodes:
            for scope in node.scope.ancestors():
                if scope in self._scopes:
                    break
                self._scopes.add(scope)
                if scope.template is not None and scope.declaration:
                    self._keep(scope.path, scope)
            if node.weights and not isinstance(node.op, Stored):
                self._keep(first_name(node.name), node)

    def _keep(self, path: str, each: Node | Scope) -> None:
        for around in (*_around(path), path):
            self._layers.setdefault(around, []).append((path, each))


def _by_shape(tensors: Any, span: Span) -> list[list[Any]]:
    """Lists of those that have one shape, in the order of the first of each; of lists the first tensor tells."""
    groups: dict[tuple[Dim, ...], list[Any]] = {}
    for each in as_list(tensors):
        first = next(iter(as_list(each)), None)
        if not isinstance(first, Value):
            hint = "as in `by_shape(weights(f))`, or `by_shape([[layer.weight, layer.bias] for layer in ...])`"
            message = f"`by_shape` takes a list of tensors, or of lists that begin with one, not {kind_of(tensors)}"
            raise Failure("DL0305", message, span, hint=hint)
        groups.setdefault(first.type.shape, []).append(each)
    return [*groups.values()]


def _around(path: str) -> Iterator[str]:
    """The paths around one, outermost first."""
    at = path.find(".")
    while at >= 0:
        yield path[:at]
        at = path.find(".", at + 1)


def _is(each: Node | Scope, kind: OpLayer | BlockLayer) -> bool:
    if isinstance(each, Scope):
        of = each.template.declaration if each.template is not None else None
        return isinstance(kind, BlockLayer) and of is kind.declaration
    rank = each.inputs[0].type.rank
    return isinstance(kind, OpLayer) and type(each.op) is kind.op and kind.pinned in (None, rank - 2)


def _name(each: Node | Scope) -> str:
    return each.declaration if isinstance(each, Scope) else type(each.op).__name__
