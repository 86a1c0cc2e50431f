"""One expression for several that are the same text: of instances of a block, or of the turns of a loop."""

from __future__ import annotations

from collections.abc import Callable, Collection
from collections.abc import Sequence as Many
from dataclasses import fields, replace
from typing import Any

from dlspec.backends.torch.classes.levels import Mismatch, Turns
from dlspec.backends.torch.python.evaluate import CALLS
from dlspec.backends.torch.python.expressions import Binary, Call, Const, IfElse, Keyword, Name, Py, Subscript
from dlspec.backends.torch.python.looped import at_start, behind_turns, entered, next_turn, placed, together, turned
from dlspec.backends.torch.python.sums import add, scaled, written_out
from dlspec.backends.torch.python.symbols import Apart, Flowing, Leaf, Left, LoopId, Sum, Turned, signature, walk_all


def unified(nodes: Many[Py], turns: Turns, loops: Collection[LoopId] = (), plain: bool = False) -> Py:
    """One expression for several that make nothing, where some ``loops`` are written as such; ``plain`` ones are `laid`.
    Raises `Mismatch`."""
    if not plain:
        nodes, plain = laid(nodes, turns, loops)
    found = same(nodes, turns)
    if found is not None:
        return found
    nodes = entered_all(nodes, turns)
    first = nodes[0]
    if isinstance(first, Const | Leaf | Sum | Turned) or any(type(node) is not type(first) for node in nodes):
        raise Mismatch
    return same_shape(nodes, first, lambda parts: unified(parts, turns, loops, plain))


def laid(nodes: Many[Py], turns: Turns, loops: Collection[LoopId]) -> tuple[Many[Py], bool]:
    """The expressions as those of the turns of loops, or of none, and behind loops that some run and some do not; and
    whether their parts are so too. Raises `Mismatch` for what has no name where the ``loops`` are written as such."""
    if not any(isinstance(inner, Turned | Flowing | Left | Apart) for node in nodes for inner in walk_all(node)):
        return nodes, True
    made = [placed(node, turns.loops) for node in nodes]
    apart = {inner.loop for node in made for inner in walk_all(node) if isinstance(inner, Apart)}
    if not apart.isdisjoint(loops) or not apart.isdisjoint(turns.loops):
        raise Mismatch
    if apart:
        made = [together(node) for node in made]
    left = [any(isinstance(inner, Left) for inner in walk_all(node)) for node in made]
    if all(left):
        return [behind_turns(node) for node in made], True
    ran = next((node for node in made if isinstance(node, Left)), None)
    if ran is None:
        return made, not any(left)
    without = {repr(signature(node)) for node in made if not isinstance(node, Left)}
    runs = {repr(signature(node)) for node in made if isinstance(node, Left)}
    if len(runs) > 1 or without != {repr(signature(ran.begun))}:
        raise Mismatch
    return [IfElse(_any_turn(ran.count), ran.ended, ran.begun)] * len(made), True


def _any_turn(count: Py) -> Py:
    """Whether there is a turn: a list is true where it has items."""
    match count:
        case Call(function=Name(text="len"), args=(listed,)):
            return listed
        case _:
            return Binary(">", count, Const(0))


def same(nodes: Many[Py], turns: Turns) -> Py | None:
    """The expression that all are; where the first turn of a loop has another, a choice."""
    if not turns.levels:
        return nodes[0] if len(nodes) == 1 or len({repr(signature(node)) for node in nodes}) == 1 else None
    return _same(nodes, turns, 0)


def entered_all(nodes: Many[Py], turns: Turns) -> list[Py]:
    """With what flows into the first turn of a loop in place of what also says what flows into the next."""

    def change(node: Py) -> Py:
        return change(node.first) if isinstance(node, Flowing) and node.loop in turns.loops else node

    return list(map(change, nodes))


def _same(nodes: Many[Py], turns: Turns, depth: int) -> Py | None:
    """`same`, by the levels from a depth on."""
    if depth == len(turns.levels):
        return _in_words(nodes, turns)
    level = turns.levels[depth]
    if any(isinstance(inner, Flowing) and inner.loop == level.loop for node in nodes for inner in walk_all(node)):
        if level.once:
            nodes, turns = _with_next(nodes, turns, depth)
            level = turns.levels[depth]
        else:
            nodes = [entered(node, level.loop) for node in nodes]
    first = [place for place, turn in enumerate(level.turns) if turn == 0]
    later = [place for place, turn in enumerate(level.turns) if turn > 0]
    rest, begun = (
        _same([nodes[place] for place in places], turns.at(places), depth + 1) if places else None
        for places in (later, first)
    )
    if not (first and later):
        return rest if later else begun
    if rest is None or begun is None or repr(signature(begun)) == repr(signature(rest)):
        return rest and begun
    started = [at_start(nodes[place], level.loop) for place in later]
    known = _same(started, turns.at(later), depth + 1)
    if known is not None and repr(signature(known)) == repr(signature(begun)):
        return rest
    return _chosen(_is_first(level.index), begun, rest) if _is_size(begun) and _is_size(rest) else None


def _in_words(nodes: Many[Py], turns: Turns) -> Py | None:
    """The expression that all are in the words of their turns. Raises `Mismatch` where a turn has no words for it."""
    relative = list(nodes)
    for level in reversed(turns.levels):
        of_turns = list(zip(relative, level.turns, strict=True))
        try:
            relative = [turned(node, level.loop, turn, level.index, turns.loops) for node, turn in of_turns]
        except LookupError:
            if len({repr(signature(node, level.loop, turn)) for node, turn in of_turns}) > 1:
                return None
            raise Mismatch from None
    return relative[0] if len({repr(signature(node)) for node in relative}) == 1 else None


def _with_next(nodes: Many[Py], turns: Turns, place: int) -> tuple[list[Py], Turns]:
    """The expressions of a loop that has one turn everywhere, and those of the turn that would be next. Raises
    `Mismatch` where these cannot be said."""
    level, count = turns.levels[place], len(nodes)
    try:
        later = [next_turn(node, level.loop) for node in nodes]
    except LookupError:
        raise Mismatch from None
    levels = list(turns.at([*range(count)] * 2).levels)
    levels[place] = replace(level, turns=(0,) * count + (1,) * count)
    return [*(entered(node, level.loop) for node in nodes), *later], replace(turns, levels=tuple(levels))


def _chosen(condition: Py, then: Py, otherwise: Py) -> Py:
    """A choice by a condition between expressions that may be choices by another: what both have is said once."""
    match then, otherwise:
        case (IfElse(condition=inner, then=yes, otherwise=no), IfElse(condition=other, then=later)) if signature(
            (inner, no)
        ) == signature((other, otherwise.otherwise)):
            return IfElse(inner, _chosen(condition, yes, later), no)
        case (IfElse(condition=inner, then=yes, otherwise=no), _) if signature(no) == signature(otherwise):
            return IfElse(Binary("and", condition, inner), yes, no)
        case _:
            return IfElse(condition, then, otherwise)


def same_shape(nodes: Many[Py], first: Py, inner: Callable[[list[Any]], Py]) -> Py:
    """Rebuilds the first expression with each part merged."""

    def unified(values: list[Any]) -> Any:
        one = values[0]
        if isinstance(one, Py):
            if not all(isinstance(value, Py) for value in values):
                raise Mismatch
            return inner(values)
        if isinstance(one, Keyword):
            if any(not isinstance(v, Keyword) or v.name != one.name for v in values):
                raise Mismatch
            if one.name == "inplace":
                return Keyword(one.name, Const(all(v.value.value for v in values)), one.default)
            return Keyword(one.name, inner([v.value for v in values]), one.default)
        if isinstance(one, tuple):
            if any(not isinstance(v, tuple) or len(v) != len(one) for v in values):  # type: ignore[reportUnknownArgumentType]
                raise Mismatch
            return tuple(unified([v[index] for v in values]) for index in range(len(one)))  # type: ignore[reportUnknownArgumentType]
        if any(value != one for value in values):
            raise Mismatch
        return one

    made = {f.name: unified([getattr(n, f.name) for n in nodes]) for f in fields(first)}
    return type(first)(**made)


def merged(sequences: list[list[Any]]) -> list[Any]:
    """One order that has each of the sequences in it. Raises `Mismatch` where there is none."""
    if all(sequence == sequences[0] for sequence in sequences[1:]):
        return list(sequences[0])
    order: list[Any] = []
    for sequence in sequences:
        position = 0
        for key in sequence:
            if key in order[position:]:
                position = order.index(key, position) + 1
            elif key in order:
                raise Mismatch
            else:
                order.insert(position, key)
                position += 1
    return order


def _is_first(index: Py) -> Py:
    """Whether this is the first turn of a loop."""
    match index:
        case Sum(terms=((Const(value=1), name),), number=number):
            return Binary("==", name, Const(-number))
        case _:
            return Binary("==", index, Const(0))


def _is_size(node: Py) -> bool:
    """Whether this is a number, and not what is made with it."""
    if isinstance(node, Call):
        return isinstance(node.function, Name) and node.function.text in CALLS.values()
    return isinstance(node, Const | Leaf | Sum | Turned | Flowing | Apart | Binary | Subscript | IfElse)


def numbered(numbers: list[int], turns: Turns) -> Py:
    """`2 * i + 1` for numbers that rise evenly with the turns of a loop."""
    (level,) = turns.levels
    known = dict(zip(level.turns, numbers, strict=True))
    first = min(known)
    rises = {
        (number - known[first]) / (turn - first)
        for turn, number in zip(level.turns, numbers, strict=True)
        if turn > first
    }
    if len(rises) > 1 or any(known[turn] != number for turn, number in zip(level.turns, numbers, strict=True)):
        raise Mismatch
    rise = rises.pop() if rises else 1
    if rise < 1 or rise != int(rise):
        raise Mismatch
    shift = known[first] - int(rise) * first
    made = add(scaled(Const(int(rise)), level.index), Const(shift))
    return written_out(made) if isinstance(made, Sum) else made
