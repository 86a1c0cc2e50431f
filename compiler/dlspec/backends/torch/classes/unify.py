"""One expression for several that are the same text: of instances of a block, or of the turns of a loop."""

from __future__ import annotations

from collections.abc import Callable, Collection
from collections.abc import Sequence as Many
from dataclasses import fields
from typing import Any

from dlspec.backends.torch.classes.template import Mismatch
from dlspec.backends.torch.plans.plan import Loop, Round, Run
from dlspec.backends.torch.python.evaluate import CALLS
from dlspec.backends.torch.python.expressions import Binary, Call, Const, IfElse, Keyword, Name, Py, Subscript
from dlspec.backends.torch.python.looped import at_start, behind_turns, entered, next_turn, placed, together, turned
from dlspec.backends.torch.python.sums import add, scaled, written_out
from dlspec.backends.torch.python.symbols import Apart, Flowing, Leaf, Left, LoopId, Sum, Turned, signature, walk_all


class Turns:
    """The turns of a loop that several expressions are of, and the name of the number of a turn."""

    def __init__(self, loop: tuple[str, int, int], turns: list[int], index: Py) -> None:
        self.loop = loop
        self.turns = turns
        self.index = index


def unified(nodes: Many[Py], turns: Turns | None, loops: Collection[LoopId] = (), plain: bool = False) -> Py:
    """One expression for several that make nothing, where some ``loops`` are written as such; ``plain`` ones are `laid`.
    Raises `Mismatch`."""
    if not plain:
        nodes, plain = laid(nodes, turns, loops)
    found = same(nodes, turns)
    if found is not None:
        return found
    first = nodes[0]
    if isinstance(first, Const | Leaf | Sum | Turned) or any(type(node) is not type(first) for node in nodes):
        raise Mismatch
    return same_shape(nodes, first, lambda parts: unified(parts, turns, loops, plain))


def laid(nodes: Many[Py], turns: Turns | None, loops: Collection[LoopId]) -> tuple[Many[Py], bool]:
    """The expressions as those of the turns of one loop, or of none, and behind loops that some run and some do not; and
    whether their parts are so too. Raises `Mismatch` for what has no name where the ``loops`` are written as such."""
    if not any(isinstance(inner, Turned | Flowing | Left | Apart) for node in nodes for inner in walk_all(node)):
        return nodes, True
    loop = turns.loop if turns else None
    made = [placed(node, loop) for node in nodes]
    apart = {inner.loop for node in made for inner in walk_all(node) if isinstance(inner, Apart)}
    if not apart.isdisjoint(loops) or loop in apart:
        raise Mismatch
    if apart:
        made = [together(node) for node in made]
    if turns is not None and max(turns.turns, default=0) > 0:
        made = [entered(node, turns.loop) for node in made]
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


def same(nodes: Many[Py], turns: Turns | None) -> Py | None:
    """The expression that all are; where the first turn of a loop has another, a choice."""
    if turns is None:
        return nodes[0] if len(nodes) == 1 or len({repr(signature(node)) for node in nodes}) == 1 else None
    if max(turns.turns, default=0) == 0 and any(isinstance(i, Flowing) for node in nodes for i in walk_all(node)):
        return _of_next(nodes, turns)
    by_turn = [(turn, repr(signature(node, turns.loop, turn))) for node, turn in zip(nodes, turns.turns, strict=True)]
    firsts = {text for turn, text in by_turn if turn == 0}
    later = {text for turn, text in by_turn if turn > 0}
    if len(firsts) > 1 or len(later) > 1:
        return None
    try:
        written = {
            turn: turned(node, turns.loop, turn, turns.index) for node, turn in zip(nodes, turns.turns, strict=True)
        }
    except LookupError:
        raise Mismatch from None
    rest = next((written[turn] for turn in turns.turns if turn > 0), written.get(0))
    if not firsts or not later or firsts == later:
        return rest
    at = next(node for node, turn in zip(nodes, turns.turns, strict=True) if turn > 0)
    begun = next(node for node, turn in zip(nodes, turns.turns, strict=True) if turn == 0)
    if repr(signature(at_start(at, turns.loop))) == repr(signature(begun)):
        return rest
    if rest is None or not (_is_size(begun) and _is_size(at)):
        return None
    return IfElse(_is_first(turns.index), written[0], rest)


def _of_next(nodes: Many[Py], turns: Turns) -> Py | None:
    """`same` of a loop that has one turn everywhere, which the next would not be like."""
    if len({repr(signature(node)) for node in nodes}) > 1:
        return None
    try:
        later = next_turn(nodes[0], turns.loop)
    except LookupError:
        raise Mismatch from None
    return same([entered(nodes[0], turns.loop), later], Turns(turns.loop, [0, 1], turns.index))


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


def index_of(loop: Loop | Run | Round, iterable: Py) -> tuple[str, tuple[str, ...]]:
    """What numbers the turns of a loop: a variable of it that does, else one of its own, `i`."""
    counts = _begin(iterable) is not None and len(loop.targets) == 1
    called = iterable.function.text if isinstance(iterable, Call) and isinstance(iterable.function, Name) else ""
    if counts or (called == "enumerate" and len(loop.targets) == 2):
        return loop.targets[0], loop.targets
    return next(name for name in "ijklmn" if name not in loop.targets), loop.targets


def turn_of(index: str, targets: tuple[str, ...], iterable: Py) -> Py:
    """The number of a turn, from 0 on, by the variable that numbers them."""
    begin = _begin(iterable) if targets == (index,) else 0
    return Sum(((Const(1), Name(index)),), -begin) if begin else Name(index)


def _begin(iterable: Py) -> int | None:
    """Where `range` begins to count by one. None for all else."""
    match iterable:
        case Call(function=Name(text="range"), args=(_,)):
            return 0
        case Call(function=Name(text="range"), args=(Const(value=int(begin)), _)):
            return begin
        case _:
            return None


def numbered(numbers: list[int], turns: Turns) -> Py:
    """`2 * i + 1` for numbers that rise evenly with the turns."""
    known = dict(zip(turns.turns, numbers, strict=True))
    first = min(known)
    rises = {
        (number - known[first]) / (turn - first)
        for turn, number in zip(turns.turns, numbers, strict=True)
        if turn > first
    }
    if len(rises) > 1 or any(known[turn] != number for turn, number in zip(turns.turns, numbers, strict=True)):
        raise Mismatch
    rise = rises.pop() if rises else 1
    if rise < 1 or rise != int(rise):
        raise Mismatch
    shift = known[first] - int(rise) * first
    made = add(scaled(Const(int(rise)), turns.index), Const(shift))
    return written_out(made) if isinstance(made, Sum) else made
