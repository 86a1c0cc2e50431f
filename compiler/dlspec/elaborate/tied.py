"""Weights that several layers have in common: `f.weight` of a shared layer, and layers that are given a weight."""

from __future__ import annotations

from functools import cache

from dlspec.diagnostics import Note, did_you_mean
from dlspec.elaborate.builder import join
from dlspec.elaborate.calls import extra_tensors, signature_hint
from dlspec.elaborate.held import Held
from dlspec.elaborate.values import Arguments, Failure, Inside, OpLayer, SharedLayer
from dlspec.ir.graph import Graph
from dlspec.ir.node import Parameter, Value
from dlspec.ir.op import Op, Weight
from dlspec.ir.program import HOLDER, Names, Origin, Written
from dlspec.ir.scope import Scope
from dlspec.ops.constant import Stored
from dlspec.syntax import ast


def weight_of(base: SharedLayer | Inside, node: ast.Attribute, names: Names, held: Held, alone: bool) -> Value | Inside:
    """A weight of a shared layer as a tensor, or the layer inside it on the way there. ``alone``: the tensor is none of the
    graph, for a layer is only given the weight. Raises `Failure`."""
    layer, around = (base.layer, base.path) if isinstance(base, Inside) else (base, join(base.home, base.label))
    builder = held.builder
    name, known = node.name.name, builder.graph.parameters
    path = join(around, name)
    if path in known:
        scope = Scope("network", None, node.span) if alone else None
        origin = Origin(node, "weight", {HOLDER: Written(node.base, names)}, labelled=True)
        return builder.tied(known[path], node.span, origin, scope)
    inside = held.names(around, node.span)
    if name in inside:
        return Inside(layer, path)
    if not inside:
        message = f"{layer.title} has no weights yet, and so no `{name}`"
        hint = f"they are made when something flows into it: `{node.span.text}` stands behind `x -> {layer.label}`"
        raise Failure("DL0302", message, node.name.span, hint=hint, notes=(Note(layer.span, "declared here"),))
    hint = did_you_mean(name, inside) or f"it has {', '.join(inside)}"
    raise Failure(
        "DL0302",
        f"{base.title if isinstance(base, SharedLayer) else base} has no weight `{name}`",
        node.name.span,
        hint=hint,
    )


def apart(value: object, graph: Graph) -> bool:
    """Whether it is a weight that a layer is only given: a tensor of no graph."""
    scope = value.producer.scope if isinstance(value, Value) and value.producer is not None else graph.root
    return scope.parent is None and scope is not graph.root


@cache
def takes_weight(op: type[Op], name: str) -> bool:
    """Whether a tensor by this name would be a weight of the layer, which is no input of it and no size."""
    fields = {field.name: field.kind for field in op.fields}
    return op.more is None and fields.get(name, "bool") == "bool" and name not in extra_tensors(op)


def weights_given(layer: OpLayer) -> Arguments:
    """The arguments of a layer that are weights which it is to have."""
    return {
        name: each
        for name, each in layer.arguments.items()
        if isinstance(each[0], Value) and takes_weight(layer.op, name)
    }


def without(layer: OpLayer, given: Arguments) -> OpLayer:
    """The layer without these arguments."""
    rest = {name: argument for name, argument in layer.arguments.items() if name not in given}
    return OpLayer(layer.op, layer.pinned, layer.name, rest, layer.span, layer.branches, layer.env, layer.called)


def tied(layer: OpLayer, given: Arguments, weights: tuple[Weight, ...]) -> dict[str, Parameter]:
    """The weights that a layer is given instead of its own, by its names for them. Raises `Failure`."""
    own = {weight.name: weight for weight in weights}
    made: dict[str, Parameter] = {}
    for name, (value, written) in given.items():
        if name not in own:
            known = [*own, *(field.name for field in layer.op.fields)]
            hint = did_you_mean(name, known) or signature_hint(layer.op, layer.name)
            raise Failure("DL0303", f"{layer.title} has no weight `{name}`", written.span, hint=hint)
        if f"{name}_init" in layer.arguments:
            at = layer.arguments[f"{name}_init"][1].span
            raise Failure("DL0303", f"`{name}` begins as the weight that it is given, without `{name}_init`", at)
        source = value.producer
        if source is None or not isinstance(source.op, Stored) or source.op.kind != own[name].kind:
            hint = "that is what `param` declares, or the weight of a `shared` layer, such as `embed.weight`"
            hint += "; tensors that are computed are for functions, as in `linear(x, weight)`"
            raise Failure("DL0305", f"`{name}` of {layer.title} takes a weight", written.span, hint=hint)
        (weight,) = source.weights
        if weight.shape != own[name].shape or weight.dtype is not own[name].dtype:
            raise Failure(
                "DL0201",
                f"`{name}` of {layer.title} is {own[name].dtype.label} {list(own[name].shape)} for this input, and is given "
                f"as {weight.dtype.label} {list(weight.shape)}",
                written.span,
                notes=(Note(weight.span, "made here"),),
            )
        made[name] = weight
    return made
