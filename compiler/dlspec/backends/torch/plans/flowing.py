"""Sizes that go through loops: what a turn leaves, what flows into the only one, what all of them give together."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from dlspec.backends.torch.plans.places import loop_id
from dlspec.backends.torch.plans.turns import passed_on, turns_in
from dlspec.backends.torch.python import expressions as py
from dlspec.backends.torch.python.evaluate import Unwritten
from dlspec.backends.torch.python.expressions import Py
from dlspec.backends.torch.python.looped import ended
from dlspec.backends.torch.python.sums import add, rebuild_all, scaled, without
from dlspec.backends.torch.python.symbols import Apart, Flowing, Leaf, Left, Turned, leaves, signature, walk_all
from dlspec.backends.torch.python.targets import targets_of
from dlspec.ir.dims import Dim, symbol, symbols, total
from dlspec.ir.node import Node, Value
from dlspec.ir.scope import Scope
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.backends.torch.plans.sizing import Sizing

Entry: TypeAlias = tuple[Value | None, Scope]
"""A tensor that a turn of a loop finds, by whose size others in this turn are told."""


def after(sizing: Sizing, value: Value, axis: int, dim: int, turn: Scope, entry: Entry | None) -> Py:
    """The size of what comes out of a turn of a loop: the same each time, or so much more than what the turn found."""
    loop = turn.parent
    assert loop is not None
    turns = turns_in(loop)
    k = turns.index(turn)
    telling, told, found = _telling(turns, k, value)
    if not turn.carried or (found is not None and axis >= found.type.rank):
        raise Unwritten
    inside = sizing.at(sizing.module, telling)
    inside.entry = found, telling
    body = inside.size(told, axis)
    around = next((s for s in sizing.place.ancestors() if s.parent is loop and s.kind == "iteration"), None)
    own = loop_id(loop)
    if around is None:
        if k != len(turns) - 1:
            raise Unwritten
        count: Py | None = None
    elif turns.index(around) != k + 1:
        raise Unwritten
    else:
        count = Turned(own, "", k + 1, k + 1)
    rest, grows = without(body, lambda atom: isinstance(atom, Leaf) and atom.key == ("entry", axis))
    if any(leaf.key[0] == "entry" for leaf in leaves(rest)):
        raise Unwritten
    if telling is not turn and any(isinstance(inner, Turned) and inner.loop == own for inner in walk_all(rest)):
        raise Unwritten
    if not grows:
        if around is not None:
            return rest
        try:
            return ended(rest, own, k, sizing.turns_of(loop))
        except LookupError:
            raise Unwritten from None
    if any(isinstance(inner, Turned) and inner.loop == own for inner in walk_all(rest)):
        raise Unwritten
    begun = _begun(turns[: k + 1], value)
    if found is None or begun is None:
        raise Unwritten
    if k and isinstance(rest, py.Const) and not rest.value:
        # As the turn before left it, which may have been another.
        return sizing.at(sizing.module, turn).size(found, axis)
    before = sizing.at(sizing.module, loop.parent or loop).size(begun, axis, entry)
    return add(before, scaled(sizing.turns_of(loop) if count is None else count, rest))


def found_in(sizing: Sizing, value: Value, axis: int, turn: Scope) -> Py:
    """The size of what a turn finds and the next finds otherwise, in the words of the turn. Raises `Unwritten` in the
    first, whose words are not those of the others."""
    if turn.parent is None or turns_in(turn.parent)[0] is turn:
        raise Unwritten
    return sizing.at(sizing.module, turn).size(value, axis)


def _telling(turns: list[Scope], k: int, value: Value) -> tuple[Scope, Value, Value | None]:
    """The turn that tells the size of what one leaves, what it leaves in its place, and what it finds: the second, where two
    words of the first stand for one tensor."""
    turn, found = turns[k], _found_by(turns[k], value)
    place = next((place for place, (_, behind) in enumerate(turn.carried) if behind is value), None)
    if found is None and place is not None and k == 0 and len(turns) > 1:
        told = turns[1].carried[place][1] if len(turns[1].carried) == len(turn.carried) else None
        if told is not None:
            return turns[1], told, _found_by(turns[1], told)
    return turn, value, found


def _found_by(turn: Scope, value: Value) -> Value | None:
    """What a word that stands for a tensor behind a turn stood for before it."""
    found = [before for before, behind in passed_on(turn).items() if behind is value]
    return found[-1] if found else None


def _begun(turns: list[Scope], value: Value | None) -> Value | None:
    """What a word that stands for a tensor behind the last of some turns stood for before the first."""
    for turn in reversed(turns):
        value = next((before for before, behind in reversed(turn.carried) if behind is value), None)
    return value


def behind(sizing: Sizing, made: Py, turns: list[Scope]) -> Py:
    """A size that is made in a turn of each of some loops, where it is said outside of them: of last turns by how often
    they run."""
    for turn in reversed(turns):
        loop = turn.parent
        if loop is None or any(scope is loop for scope in sizing.place.ancestors()):
            continue
        own, k = loop_id(loop), turns_in(loop).index(turn)
        if not any(isinstance(inner, Turned) and inner.loop == own for inner in walk_all(made)):
            continue
        try:
            made = ended(made, own, k, sizing.turns_of(loop)) if turn is turns_in(loop)[-1] else Apart(own, made)
        except LookupError:
            made = Apart(own, made)
    return made


def turn_of(sizing: Sizing, value: Value) -> tuple[Scope, int] | None:
    """The loop, not around this place, in which a tensor was made, and the turn of it."""
    way = sizing.way(value.producer.scope) if value.producer and sizing.inside(value.producer.scope) else []
    turn = next((s for s in way if s.kind == "iteration" and not sizing.around(s, None)), None)
    return None if turn is None or turn.parent is None else (turn.parent, turns_in(turn.parent).index(turn))


def gathered_sizes(sizing: Sizing, node: Node, sizes: dict[str, tuple[int, int]], found: Dim) -> Py | None:
    """The sum of sizes, where each turn of a loop has given one; None for all else."""
    names = sorted(symbols(found), key=list(sizes).index) if symbols(found) <= sizes.keys() else []
    if len(names) < 2 or found != total(map(symbol, names)):
        return None
    parts: list[Py] = []
    by_loop: dict[Scope, list[tuple[int, Value, int]]] = {}
    for index, axis in (sizes[name] for name in names):
        turn = turn_of(sizing, node.inputs[index])
        if turn is None:
            parts.append(sizing.size(node.inputs[index], axis))
        else:
            by_loop.setdefault(turn[0], []).append((turn[1], node.inputs[index], axis))
    for loop, given in by_loop.items():
        turns = turns_in(loop)
        around = next((k for k, turn in enumerate(turns) if sizing.around(turn, None)), None)
        if len(given) == 1 and not _gathers_more(node, turns):
            return None
        if around is None and len(given) == 1:
            parts.append(sizing.size(given[0][1], given[0][2]))
            continue
        if [k for k, _, _ in given] != list(range(len(turns) if around is None else around)):
            return None
        each = [sizing.at(sizing.module, turns[k]).size(value, axis) for k, value, axis in given]
        known = loop_id(loop)
        if len({repr(signature(one, known, k)) for k, one in enumerate(each)}) > 1:
            return None
        if any(isinstance(inner, Turned | Apart) and inner.loop == known for inner in walk_all(each[0])):
            if around is not None:
                return None
            parts.append(_sum(sizing, each[0], loop))
            continue
        times = sizing.turns_of(loop) if around is None else Turned(loop_id(loop), "", around, around)
        parts.append(scaled(times, each[0]))
    return add(*parts) if by_loop else None


def _gathers_more(node: Node, turns: list[Scope]) -> bool:
    """Whether a node does not stand in the first turn of a loop, or the one in its place in the next is given more."""
    if not any(scope is turns[0] for scope in node.scope.ancestors()):
        return True
    later = turns[1].nodes() if len(turns) > 1 else ()
    return any(each.span == node.span and len(each.inputs) > len(node.inputs) for each in later)


def _sum(sizing: Sizing, first: Py, loop: Scope) -> Py:
    """The sum of what the turns of a loop say in the words of the first. Raises `Unwritten`."""
    step, known = loop.origin.step, loop_id(loop)
    if not isinstance(step, ast.For | ast.Clause):
        raise Unwritten

    def change(inner: Py) -> Py:
        if isinstance(inner, Turned | Apart) and inner.loop == known:
            if isinstance(inner, Apart) or inner.index or not inner.name:
                raise Unwritten
            return Leaf(("comprehended", inner.name), inner.name, inner.value)
        return rebuild_all(inner, change)

    iterable = sizing.at(sizing.module, loop.parent or loop).written(loop.origin.written["iterable"])
    return py.call("sum", py.Comprehension(change(first), ", ".join(targets_of(step.targets)), iterable, ""))


def only_turn(sizing: Sizing, value: Value) -> Scope | None:
    """The only turn of a loop around this place of which the next may find another in place of a tensor, the innermost
    that is not entered."""
    for scope in sizing.place.ancestors():
        if scope is sizing.module.scope:
            break
        if not scope.carried or scope in sizing.entered or scope.parent is None or len(turns_in(scope.parent)) > 1:
            continue
        if passed_on(scope).get(value, value) is not value:
            return scope
    return None


def flowing_in(sizing: Sizing, value: Value, axis: int, turn: Scope) -> Py:
    """What the only turn of a loop finds, with what the next would."""
    inside = sizing.at(sizing.module, turn)
    inside.entered = (*sizing.entered, turn)
    first = inside.size(value, axis)
    later = None
    with suppress(Unwritten):
        later = _next(sizing, value, axis, first, turn)
    if later is not None and repr(signature(later)) == repr(signature(first)):
        return first
    assert turn.parent is not None
    return Flowing(loop_id(turn.parent), first, later)


def _next(sizing: Sizing, value: Value, axis: int, first: Py, turn: Scope) -> Py:
    """What the turn after the only one of a loop would find."""
    assert turn.parent is not None
    left, own = passed_on(turn)[value], loop_id(turn.parent)
    if left is None or axis >= left.type.rank:
        raise Unwritten
    inside = sizing.at(sizing.module, turn)
    inside.entered = (*sizing.entered, turn)
    inside.entry = value, turn
    body = inside.size(left, axis)
    rest, grows = without(body, lambda atom: isinstance(atom, Leaf) and atom.key == ("entry", axis))
    if any(leaf.key[0] == "entry" for leaf in leaves(rest)):
        raise Unwritten
    if not grows:
        return rest
    if any(isinstance(inner, Turned) and inner.loop == own for inner in walk_all(rest)):
        raise Unwritten
    return add(first, scaled(Turned(own, "", 1, 1), rest))


def leaving(sizing: Sizing, made: Py, value: Value, axis: int, turn: Scope) -> Py:
    """What comes out of a loop, with what does where it has no turn, as it has in some instance."""
    loop = turn.parent
    assert loop is not None
    turns = turns_in(loop)
    begun = _begun(turns[: turns.index(turn) + 1], value)
    inside = any(scope is loop for scope in sizing.place.ancestors())
    if inside or loop_id(loop) not in sizing.tree.idle or begun is None or axis >= begun.type.rank:
        return made
    try:
        before = sizing.at(sizing.module, loop.parent or loop).size(begun, axis)
    except Unwritten:
        return made
    return Left(loop_id(loop), sizing.turns_of(loop), before, made)
