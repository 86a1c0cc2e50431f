"""Builds a `scan`: its body once, and the node that has it."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from dlspec.diagnostics import Note
from dlspec.elaborate.builder import join, origin, refused
from dlspec.elaborate.values import POISON, Env, Failure, as_list, has_poison, kind_of, refuse_twice
from dlspec.ir.body import Body
from dlspec.ir.node import Value
from dlspec.ir.op import Needs, OpError
from dlspec.ir.program import Origin, Written
from dlspec.ops.scan import Scan
from dlspec.source import Span
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.elaborate.flow import Elaborator


def build_scan(elaborator: Elaborator, node: ast.Scan, flow: Any, env: Env) -> Any:
    """What a `scan` stacks, None where its turns give nothing. Binds the last states. Raises `Failure`."""
    names = [state.name.name for state in node.states]
    made: tuple[Value, ...] | None = None
    try:
        made = _built(elaborator, node, flow, env)
    finally:
        for place, name in enumerate(names):
            elaborator.bound(name, made[place] if made else POISON, env, Written(node, env))
    if made is None:
        return POISON
    stacked = list(made[len(names) :])
    if not stacked:
        return None
    return stacked if len(stacked) > 1 else stacked[0]


def _built(elaborator: Elaborator, node: ast.Scan, flow: Any, env: Env) -> tuple[Value, ...] | None:
    """The outputs of the node; None after an error that is reported."""
    builder = elaborator.builder
    refuse_twice(chain(node.targets, (state.name for state in node.states)))
    header = Span(node.span.source, node.span.start, _header_end(node))
    xs = [elaborator.evaluate(each, env) for each in node.inputs] if node.inputs else as_list(flow)
    axis = elaborator.evaluate(node.axis, env)
    starts = [elaborator.evaluate(state.start, env) for state in node.states]
    if axis is POISON or has_poison(xs) or has_poison(starts):
        return None
    _check(node, xs, axis, starts, header)
    op = Scan(axis, len(xs), len(starts), node.backwards)
    need = Needs()
    try:
        op.length(need, tuple(x.type for x in xs))
    except OpError as error:
        raise refused(error, tuple(xs), header) from None
    for requirement in need.requirements:
        builder.require(requirement, tuple(xs), header)

    types = op.given(tuple(value.type for value in (*xs, *starts)))
    given_names = [*node.targets, *(state.name for state in node.states)]
    given = tuple(Value(n.name, type, None, n.span) for n, type in zip(given_names, types, strict=True))
    written = {"axis": Written(node.axis, env)}
    with builder.region("scan", node.span, origin=Origin(node, "scope", written)) as scope:
        body = Body(scope, given[: len(xs)], given[len(xs) :], (*xs, *starts))
        scope.bound = {value: value.name for value in given}
        inner = Env(env, {value.name: value for value in given})
        result = elaborator.run_body(node.body, inner, apply=False)
        states = _states(elaborator, node, body, inner)
        stacked = _results(node, result)
    if states is None or stacked is None:
        return None
    if not states and not stacked:
        hint = "its last line is stacked, and what stands behind `with` is carried on"
        raise Failure("DL0409", "this `scan` has no result", node.body.span.last, hint=hint)
    name = join(builder.level.path, "scan")
    inputs = (*xs, *starts, *states, *stacked)
    outputs = builder.add(op, inputs, node.span, name, Origin(node, "operator", written))
    assert outputs[0].producer
    body.close(outputs[0].producer)
    return outputs


def _header_end(node: ast.Scan) -> int:
    text = node.span.source.text
    return node.span.start + len(text[node.span.start : node.body.span.start].rstrip())


def _check(node: ast.Scan, xs: list[Any], axis: Any, starts: list[Any], header: Span) -> None:
    """Raises `Failure` where something is not of the kind that is asked for."""
    if len(xs) != len(node.targets):
        names = "1 name goes" if len(node.targets) == 1 else f"{len(node.targets)} names go"
        hint = "a name for each: `scan a, b in x, y along 1`"
        raise Failure("DL0305", f"{names} along {_tensors(len(xs))}", header, hint=hint)
    spans = [each.span for each in node.inputs] or [header] * len(xs)
    for x, span in zip(xs, spans, strict=True):
        if not isinstance(x, Value):
            hint = "for lists there is `for a in list { ... }`" if isinstance(x, list) else ""
            raise Failure("DL0308", f"`scan` goes along a tensor, not {kind_of(x)}", span, hint=hint)
    if type(axis) is not int:
        raise Failure("DL0305", f"`along` takes the number of an axis, not {kind_of(axis)}", node.axis.span)
    for state, start in zip(node.states, starts, strict=True):
        if not isinstance(start, Value):
            message = f"the state `{state.name.name}` begins as a tensor, not {kind_of(start)}"
            raise Failure("DL0308", message, state.start.span, hint="such as `zeros([x.batch, 16])`")


def _tensors(count: int) -> str:
    return "1 tensor" if count == 1 else f"{count} tensors"


def _states(elaborator: Elaborator, node: ast.Scan, body: Body, inner: Env) -> list[Value] | None:
    """What the states are after a turn; None after an error that is reported."""
    made: list[Value] = []
    for state, before in zip(node.states, body.states, strict=True):
        name, after = state.name.name, inner.names[state.name.name]
        if name not in inner.history and not elaborator.incomplete:
            hint = f"bind it in the body: `{name} = ...`; what is the same in all turns needs no state"
            raise Failure("DL0420", f"no turn makes a next `{name}`", state.name.span, hint=hint)
        if has_poison(after) or elaborator.incomplete:
            return None
        if not isinstance(after, Value):
            at = inner.history[name][-1].written
            span = state.name.span if at is None else at.span
            raise Failure("DL0420", f"the state `{name}` is a tensor, and this is {kind_of(after)}", span)
        if not _may_follow(before, after):
            notes = (Note(state.start.span, f"it begins as {before.type}"), origin(after))
            at = inner.history[name][-1].written
            span = state.name.span if at is None else at.span
            message = f"the state `{name}` is {before.type}, and a turn makes {after.type} of it"
            hint = "a state keeps its shape and type in all turns; what grows is stacked: put it on the last line"
            raise Failure("DL0421", message, span, notes=notes, hint=hint)
        made.append(after)
    return made


def _may_follow(before: Value, after: Value) -> bool:
    """Whether a state can be of one type in all turns: open sizes may be equal."""
    one, other = before.type, after.type
    if one.dtype is not other.dtype or one.rank != other.rank:
        return False
    sizes = zip(one.shape, other.shape, strict=True)
    return all(a == b or not (isinstance(a, int) and isinstance(b, int)) for a, b in sizes)


def _results(node: ast.Scan, result: Any) -> list[Value] | None:
    """What a turn gives to be stacked; None after an error that is reported."""
    if result is None:
        return []
    if has_poison(result):
        return None
    values = as_list(result)
    wrong = next((value for value in values if not isinstance(value, Value)), None)
    if wrong is not None or not values:
        what = kind_of(result if wrong is None or isinstance(wrong, list) else wrong)
        hint = "apply it to a slice: `token -> Linear(8)`" if "layer" in what or what.startswith("`") else ""
        raise Failure("DL0308", f"a turn gives tensors, not {what}", node.body.statements[-1].span, hint=hint)
    return values
