"""Expressions in loops and behind them: in a turn, in the next, where loops are written out, where they are not."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from dlspec.backends.torch.python.computing import computed, item, tupled
from dlspec.backends.torch.python.expressions import (
    Binary,
    Call,
    Const,
    IfElse,
    Label,
    Name,
    Own,
    Py,
    Subscript,
    Unary,
    walk,
)
from dlspec.backends.torch.python.sums import add, is_number, rebuild_all
from dlspec.backends.torch.python.symbols import (
    Apart,
    Count,
    Each,
    Flowing,
    Leaf,
    Left,
    LoopId,
    Sum,
    Turned,
    joined,
    own_member,
    walk_all,
)


def turned(node: Py, loop: LoopId, turn: int, index: Py, loops: Collection[LoopId]) -> Py:
    """The expression inside a loop that is written as one: variables of this ``turn`` are names, those of the turn before
    are looked up. ``index`` is the number of the turn; ``loops`` are all that are written as such. Raises `LookupError` for
    others."""

    def change(inner: Py) -> Py:
        if isinstance(inner, Each) and inner.loop == loop and inner.index == turn:
            return Name(inner.name)
        if not isinstance(inner, Turned) or inner.loop != loop:
            made = rebuild_all(inner, change)
            match made:
                case Binary(operator="+", left=Sum() as counted, right=Const() as more):
                    return add(counted, more)
                case _:
                    return made
        if inner.index == turn:
            return Name(inner.name) if inner.name else index
        if inner.index == turn - 1 and inner.at is not None:
            made = placed(inner.at(add(index, Const(-1))), loops)
            if not any(isinstance(part, Subscript) and isinstance(part.base, Const) for part in walk(made)):
                return made
        raise LookupError(inner.name)  # or would be looked up in a list that is written out

    return change(node)


def entered(node: Py, loop: LoopId) -> Py:
    """The expression of the only turn of a loop, where other instances of it have more."""

    def change(inner: Py) -> Py:
        if isinstance(inner, Flowing) and inner.loop == loop:
            return change(inner.first)
        return rebuild_all(inner, change)

    return change(node)


def next_turn(node: Py, loop: LoopId) -> Py:
    """The expression of the only turn of a loop as that of the next turn. Raises `LookupError` where there is none."""

    def change(inner: Py) -> Py:
        if isinstance(inner, Turned) and inner.loop == loop:
            return replace(inner, index=inner.index + 1)
        if isinstance(inner, Flowing) and inner.loop == loop:
            if inner.later is None:
                raise LookupError("what flows on")
            return inner.later
        return rebuild_all(inner, change)

    return change(node)


def counted(node: Py, loops: Collection[LoopId]) -> Py:
    """The expression where some loops are written as loops and the turns of others are written out."""

    def change(inner: Py) -> Py:
        if isinstance(inner, Count):
            return change(inner.count) if inner.loop in loops else Const(inner.value)
        if isinstance(inner, Turned) and inner.loop not in loops and not inner.name:
            return Const(inner.value)
        made = inner if isinstance(inner, Leaf) else rebuild_all(inner, change)
        if isinstance(made, Label):
            return joined(made.parts)
        return own_member(made.label, made.numbered) if isinstance(made, Own) else made

    return change(node)


def together(node: Py) -> Py:
    """The expression where the turns of loops are written out."""

    def change(inner: Py) -> Py:
        return change(inner.size) if isinstance(inner, Apart) else rebuild_all(inner, change)

    return change(node)


def behind_turns(node: Py) -> Py:
    """The expression where each loop before it has turns."""

    def change(inner: Py) -> Py:
        return change(inner.ended) if isinstance(inner, Left) else rebuild_all(inner, change)

    return change(node)


def at_start(node: Py, loop: LoopId) -> Py:
    """The expression with the turn 0."""

    def change(inner: Py) -> Py:
        if isinstance(inner, Turned) and inner.loop == loop and not inner.name:
            return Const(0)
        made = rebuild_all(inner, change)
        return computed(made) if isinstance(made, Binary) else made

    return change(node)


def placed(node: Py, loops: Collection[LoopId] = ()) -> Py:
    """The expression where loops, but for some, are not written as loops: their variables are items of what is looped
    over, or numbers."""

    def change(inner: Py) -> Py:
        if isinstance(inner, Flowing) and inner.loop not in loops:
            return change(inner.first)
        if isinstance(inner, Turned) and inner.loop not in loops:
            made = None if inner.at is None or not inner.name else inner.at(Const(inner.index))
            if made is None or not any(isinstance(part, Leaf | Turned | Sum) for part in walk(made)):
                return Const(tupled(inner.value))
            return change(made)
        made = rebuild_all(inner, change)
        if isinstance(made, Label):
            return joined(made.parts)
        if isinstance(made, Unary | Binary | Call | Subscript | IfElse) and any(
            isinstance(i, Turned | Flowing) for i in walk_all(inner)
        ):
            return computed(made)
        return made

    return change(node)


def ended(node: Py, loop: LoopId, last: int, count: Py) -> Py:
    """The expression behind a loop, of what its ``last`` turn gave. Raises `LookupError` where it has no name there."""

    def change(inner: Py) -> Py:
        if isinstance(inner, Turned) and inner.loop == loop:
            if inner.at is None or inner.index != last:
                raise LookupError(inner.name)
            made = inner.at(Const(-1))
            return add(count, Const(-1)) if isinstance(made, Const) and made.value == -1 else made
        changed = rebuild_all(inner, change)
        return computed(changed) if isinstance(changed, Binary) else changed

    return change(node)


def item_of(iterable: Py, place: tuple[int, ...]) -> Callable[[Py], Py]:
    """How a variable of a loop is found in what is looped over: by the number of the turn, and its place in the item."""
    part, inside = (place[0], place[1:]) if place else (None, ())

    def found(turn: Py) -> Py:
        whole = at(turn)
        for each in inside:
            whole = item(whole, Const(each))
        return whole

    def at(turn: Py) -> Py:
        match iterable:
            case Call(function=Name(text="range"), args=(_,)) if part is None:
                return turn
            case Call(function=Name(text="range"), args=(begin, end)) if part is None:
                return add(end if is_number(turn, -1) else begin, turn)
            case Call(function=Name(text="enumerate"), args=args) if part is not None:
                return turn if part == 0 else item(args[0], turn)
            case Call(function=Name(text="zip"), args=args) if part is not None:
                return item(args[part], turn)
            case _:
                one = item(iterable, turn)
                return one if part is None else item(one, Const(part))

    return found
