"""Loops that tensors flow through, a turn after the other."""

from __future__ import annotations

from collections.abc import Container
from functools import partial
from typing import TYPE_CHECKING, Any

from dlspec.elaborate.bodies import words_in
from dlspec.elaborate.values import POISON, Env, Failure, has_poison, kind_of, leading
from dlspec.ir.node import Value
from dlspec.ir.program import Origin, Turn, Written
from dlspec.ir.scope import tensors_in
from dlspec.limits import TURN
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.elaborate.flow import Elaborator


def repeat(elaborator: Elaborator, node: ast.Repeat, flow: Any, env: Env, label: str | None) -> Any:
    """What comes out of a `repeat`."""
    count = elaborator.evaluate(node.count, env)
    if count is POISON:
        return POISON
    if type(count) is not int or count < 0:
        raise Failure("DL0305", f"`repeat` takes how often, not {kind_of(count)}", node.count.span)
    elaborator.builder.spend(TURN * count, node.count.span)
    if label is not None:
        with elaborator.level(label, node, env):
            return repeat(elaborator, node, flow, env, None)
    written = Written(node.count, env)
    origin = Origin(node, "scope", {"count": written})
    with elaborator.builder.region("repeat", node.span, arguments={"count": count}, origin=origin) as loop:
        for index in range(count):
            if has_poison(flow):
                return POISON
            flow = leading(flow)
            left, copies = elaborator.builder.budget.steps, elaborator.instances.copies
            with elaborator.builder.region("iteration", node.body.span) as scope:
                words = _words(node.body, flow, env)
                sought = elaborator.instances.turn(loop, flow)
                turn = Turn(node, written, count, index)
                make = partial(elaborator.body, node.body, flow, env, transparent=True, turn=turn)
                flow = flowing_on(flow, elaborator.instances.make(sought, make))
                scope.carried = _carried(words, flow, env)
            if elaborator.instances.copies > copies:  # as those that are to come
                elaborator.builder.need((count - index - 1) * (left - elaborator.builder.budget.steps), node.count.span)
    return flow


def run_for(elaborator: Elaborator, node: ast.For, flow: Any, env: Env, label: str | None) -> Any:
    """What comes out of a `for`."""
    values = elaborator.evaluate(node.iterable, env)
    if values is POISON:
        return POISON
    if label is not None:
        with elaborator.level(label, node, env):
            return run_for(elaborator, node, flow, env, None)
    written = Written(node.iterable, env)
    items = elaborator.iterate(values, node.iterable.span)
    elaborator.builder.spend(TURN * len(items), node.iterable.span)
    with elaborator.builder.region("for", node.span, origin=Origin(node, "scope", {"iterable": written})):
        for index, value in enumerate(items):
            if has_poison(flow):
                return POISON
            flow = leading(flow)
            names = elaborator.taken(node, value, written, index)
            turn = Turn(node, written, values, index)
            with elaborator.builder.region("iteration", node.body.span, arguments=names) as scope:
                words = _words(node.body, flow, env, names)
                result = elaborator.body(node.body, flow, env, transparent=True, names=names, turn=turn)
                flow = flowing_on(flow, result)
                scope.carried = _carried(words, flow, env)
    return flow


def _words(body: ast.Body, flow: Any, env: Env, hidden: Container[str] = ()) -> dict[str, Any]:
    """What the words of a body stand for before a turn, but for the loop's own, which are ``hidden``."""
    return {word: flow if word == "x" else env.find(word) for word in words_in(body) if word not in hidden}


def _carried(words: dict[str, Any], flow: Any, env: Env) -> tuple[tuple[Value, Value | None], ...]:
    """The tensors that the words stood for before a turn, each with what its word stands for behind it."""
    pairs: list[tuple[Value, Value | None]] = []
    for word, before in words.items():
        if isinstance(before, Value | list):
            behind = flow if word == "x" else env.find(word)
            known = behind if isinstance(before, Value) and isinstance(behind, Value) else None
            pairs += ((each, each if behind is before else known) for each in tensors_in(before))
    return tuple(pairs)


def flowing_on(flow: Any, result: Any) -> Any:
    """A body that only binds names lets the value flow by."""
    return flow if result is None else result
