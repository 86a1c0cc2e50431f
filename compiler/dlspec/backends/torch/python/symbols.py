"""What a class knows only by name: its parameters, sizes of what flows in, the turn of a loop, and sums of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache, reduce
from hashlib import sha256
from typing import Any, TypeAlias, cast

from dlspec.backends.torch.python.expressions import (
    Attribute,
    Binary,
    Call,
    Comprehension,
    Const,
    IfElse,
    Keyword,
    Label,
    Name,
    Own,
    Py,
    Sequence,
    Slice,
    Star,
    Subscript,
    Unary,
    rebuild,
    walk,
)
from dlspec.backends.torch.python.names import hidden

LoopId: TypeAlias = tuple[str, int, int]
"""A loop of the text."""


@dataclass(frozen=True, slots=True, eq=False)
class Leaf(Py):
    """A value that has a name in the class: leaves of one ``key`` are one, whatever their ``value`` in an instance.

    ``definition`` is what the constructor computes it as; None for what it is given.
    """

    key: Any
    name: str
    value: Any
    definition: Py | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Turned(Py):
    """A variable of a loop in its turn ``index``; the number of the turn itself where it has no name.

    ``places`` says how it is found in what is looped over, in another turn: by a function of that turn.
    """

    loop: LoopId
    name: str
    index: int
    value: Any
    at: Callable[[Py], Py] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Each(Py):
    """A variable of a loop that stands for a layer or a weight, or a list of such; ``direct`` says how that is reached where
    the loop is not written as one."""

    loop: LoopId
    name: str
    index: int
    direct: Direct


class Direct:
    """How something is said without the variables of loops, made when it is asked for. All count as equal: what they stand
    beside tells."""

    def __init__(self, make: Callable[[], Py]) -> None:
        self.make = make

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Direct)

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "Direct()"


@dataclass(frozen=True, slots=True, eq=False)
class Listed(Py):
    """A list made of variables of loops, and how it is said where these are not written as loops."""

    made: Py
    direct: Direct

    @property
    def said(self) -> Py:
        open_ = any(isinstance(inner, Each) for inner in walk(self.made))
        return self.direct.make() if open_ else self.made


@dataclass(frozen=True, slots=True, eq=False)
class ClassOf(Py):
    """The class of a block, or a tuple of those that it has."""

    declaration: Any


@dataclass(frozen=True, slots=True, eq=False)
class Sum(Py):
    """``2 * width + i * growth + 3``: factors with what they multiply, and a number."""

    terms: tuple[tuple[Py, Py], ...]
    number: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Flowing(Py):
    """A size of what flows into the only turn of a loop; ``later`` is what the next turn would find, None where that
    cannot be said."""

    loop: LoopId
    first: Py
    later: Py | None


@dataclass(frozen=True, slots=True, eq=False)
class Left(Py):
    """A size of what comes out of a loop that runs ``count`` turns; ``begun`` is what comes out where there is none."""

    loop: LoopId
    count: Py
    begun: Py
    ended: Py


@dataclass(frozen=True, slots=True, eq=False)
class Apart(Py):
    """A size of one turn of a loop among others, which has no name where the loop is written as one."""

    loop: LoopId
    size: Py


@dataclass(frozen=True, slots=True, eq=False)
class Count(Py):
    """How often a loop runs, where a loop is written; where its turns are written out, the number of them."""

    loop: LoopId
    count: Py
    value: int


@dataclass(frozen=True, slots=True, eq=False)
class Arg(Const):
    """The value of a field of an operator, until it is known what the author wrote for it. ``item`` is a place in a list;
    ``origin`` that of another node than the one that is lowered."""

    field: str = ""
    item: int | str | tuple[int, str] | None = None
    origin: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Dimension(Const):
    """A size of an input of the node that is lowered, as a constructor has it."""

    position: int = 0
    axis: int = 0


def signature(node: Any, loop: LoopId | None = None, turn: int = 0) -> Any:
    """What is equal for equal expressions. In a ``turn`` of a loop its variables count from that turn."""
    match node:
        case Leaf():
            local = node.key[0] == "name" and node.definition is not None
            return ("leaf", node.key, _defined(node.definition)) if local else ("leaf", node.key)
        case Turned() | Each():
            return ("turn", node.loop, node.name, node.index - turn if node.loop == loop else node.index)
        case Const():
            return ("const", _typed(node.value))
        case Sum():
            terms = sorted(repr((signature(f, loop, turn), signature(a, loop, turn))) for f, a in node.terms)
            return ("sum", tuple(terms), node.number)
        case Py() | Keyword():
            return (type(node).__name__, *(signature(getattr(node, f.name), loop, turn) for f in fields(node)))
        case tuple():
            return tuple(signature(item, loop, turn) for item in node)  # pyright: ignore[reportUnknownVariableType]
        case _:
            return node


@lru_cache(maxsize=4096)
def _defined(definition: Py) -> str:
    """What is equal for equal definitions, and short, however many names they are made of."""
    return sha256(repr(signature(definition)).encode()).hexdigest()


def _typed(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(map(_typed, cast("list[Any]", value)))
    return (type(value).__name__, repr(value))


# Sums --------------------------------------------------------------------------------------------------------------------


def add(*parts: Py) -> Py:
    """The sum, with equal terms taken together."""
    terms: dict[Any, tuple[Py, Py]] = {}
    number = 0
    for factor, atom in (term for part in parts for term in _terms(part)):
        if isinstance(atom, Const):
            number += atom.value * _number(factor)
            continue
        mark = repr(signature(atom))
        known = terms.get(mark)
        terms[mark] = (factor if known is None else _plus(known[0], factor), atom)
    kept = tuple((factor, atom) for factor, atom in terms.values() if not _is(factor, 0))
    if not kept:
        return Const(number)
    if len(kept) == 1 and _is(kept[0][0], 1) and not number:
        return kept[0][1]
    return Sum(kept, number)


def _terms(node: Py) -> Iterator[tuple[Py, Py]]:
    match node:
        case Sum():
            yield from node.terms
            if node.number:
                yield Const(1), Const(node.number)
        case Binary(operator="+"):
            yield from _terms(node.left)
            yield from _terms(node.right)
        case Binary(operator="*", left=Const(value=int(factor)), right=atom) if not isinstance(atom, Const):
            yield from ((times(Const(factor), f), a) for f, a in _terms(atom))
        case _:
            yield Const(1), node


def times(factor: Py, node: Py) -> Py:
    """The product, where one side may be 0 or 1."""
    if _is(factor, 0) or _is(node, 0):
        return Const(0)
    if _is(factor, 1):
        return node
    if _is(node, 1):
        return factor
    if isinstance(factor, Const) and isinstance(node, Const):
        return Const(factor.value * node.value)
    return Binary("*", factor, node)


def with_powers(node: Py) -> Py:
    """A product whose equal factors, other than names and numbers, are one power: `(224 // patch) ** 2`."""
    factors: list[Py] = []
    rest = node
    while isinstance(rest, Binary) and rest.operator == "*":
        factors.append(rest.right)
        rest = rest.left
    marks = [repr(signature(factor)) for factor in (*factors, rest)]
    equal: dict[str, list[Py]] = {}
    for mark, factor in zip(reversed(marks), (rest, *reversed(factors)), strict=True):
        equal.setdefault(f"{mark} {len(equal)}" if isinstance(factor, Const | Leaf) else mark, []).append(factor)
    if len(equal) == len(marks):
        return node
    powers = (same[0] if len(same) == 1 else Binary("**", same[0], Const(len(same))) for same in equal.values())
    return reduce(times, powers)


def scaled(factor: Py, node: Py) -> Py:
    """``factor`` times each term of a sum of its own."""
    return add(
        *(Sum(((times(factor, f), a),)) if not isinstance(a, Const) else times(factor, a) for f, a in _terms(node))
    )


def divided(node: Py, divisor: Py) -> Py:
    """The quotient, rounded down: done where each term is a multiple, but for a number below the divisor, or a factor is the
    divisor."""
    rest = _without_factor(node, repr(signature(divisor)))
    if rest is not None:
        return rest
    terms = list(_terms(node))
    if len(terms) > 1 and isinstance(divisor, Const) and type(divisor.value) is int:
        terms = [(f, a) for f, a in terms if not (isinstance(a, Const) and 0 <= times(f, a).value < divisor.value)]  # type: ignore[union-attr]
    by = divisor.value if isinstance(divisor, Const) else 0
    if (
        type(by) is not int
        or by < 1
        or any(not isinstance(f, Const) or isinstance(a, Const) or f.value % by for f, a in terms)
    ):
        return Binary("//", node, divisor)
    return add(*(Sum(((Const(_number(factor) // by), atom),)) for factor, atom in terms))


def _without_factor(node: Py, mark: str) -> Py | None:
    if isinstance(node, Sum) and len(node.terms) == 1 and not node.number and _is(node.terms[0][0], 1):
        node = node.terms[0][1]
    if not isinstance(node, Binary) or node.operator != "*":
        return None
    for one, other in ((node.left, node.right), (node.right, node.left)):
        if repr(signature(one)) == mark:
            return other
    left = _without_factor(node.left, mark)
    return None if left is None else times(left, node.right)


def _plus(a: Py, b: Py) -> Py:
    if isinstance(a, Const) and isinstance(b, Const):
        return Const(a.value + b.value)
    return Binary("+", a, b)


def _is(node: Py, number: int) -> bool:
    return isinstance(node, Const) and type(node.value) is int and node.value == number


def _number(factor: Py) -> int:
    assert isinstance(factor, Const)
    return factor.value


def without(node: Py, unwanted: Callable[[Py], bool]) -> tuple[Py, bool]:
    """A sum without a term that is there once, and whether it was."""
    parts = list(_terms(node))
    found = [index for index, (factor, atom) in enumerate(parts) if _is(factor, 1) and unwanted(atom)]
    if len(found) != 1:
        return node, False
    rest = [times(f, a) if isinstance(a, Const) else Sum(((f, a),)) for i, (f, a) in enumerate(parts) if i != found[0]]
    return add(*rest) if rest else Const(0), True


def written_out(node: Sum) -> Py:
    """A sum as operators, what is subtracted behind what it is taken from."""
    signed = [(isinstance(f, Const) and f.value < 0, f, atom) for f, atom in node.terms]
    first = [part for part in signed if not part[0]]
    made: Py | None = Const(node.number) if not first and node.number > 0 else None
    rest = 0 if made is not None else node.number
    for negative, factor, atom in (*first, *(part for part in signed if part[0])):
        term = times(Const(-factor.value) if negative and made is not None else factor, atom)  # type: ignore[attr-defined]
        made = term if made is None else Binary("-" if negative else "+", made, term)
    assert made is not None
    return Binary("+" if rest > 0 else "-", made, Const(abs(rest))) if rest else made


# Turns -------------------------------------------------------------------------------------------------------------------


def turned(node: Py, loop: LoopId, turn: int, index: Py) -> Py:
    """The expression inside a loop that is written as one: variables of this ``turn`` are names, those of the turn before
    are looked up. ``index`` is the number of the turn. Raises `LookupError` for others."""

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
            made = placed(inner.at(add(index, Const(-1))), loop)
            if not any(isinstance(part, Subscript) and isinstance(part.base, Const) for part in walk(made)):
                return made
        raise LookupError(inner.name)  # or would be looked up in a list that is written out

    return change(node)


def rebuild_all(node: Py, change: Callable[[Py], Py]) -> Py:
    """`rebuild`, which also goes into sums and definitions."""
    if isinstance(node, Leaf | Turned | Each | Const):
        return node
    if isinstance(node, Sum):
        return add(*(_product(change(factor), change(atom)) for factor, atom in node.terms), Const(node.number))
    return rebuild(node, change)


def _product(factor: Py, atom: Py) -> Py:
    if isinstance(factor, Const):
        return scaled(factor, atom)
    return times(factor, atom) if isinstance(atom, Const) else Sum(((factor, atom),))


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


def joined(parts: tuple[str | Py, ...]) -> Py:
    """A label of texts and expressions, those that are known put into the text."""
    made: list[str | Py] = []
    for part in parts:
        text = str(part.value) if isinstance(part, Const) else part
        if isinstance(text, str) and made and isinstance(made[-1], str):
            made[-1] += text
        else:
            made.append(text)
    return Const(made[0]) if len(made) == 1 and isinstance(made[0], str) else Label(tuple(made))


def own_member(label: Py, numbered: bool) -> Py:
    """How a class reaches a member of its own."""
    match label:
        case Const(value=str(text)):
            if text.isdigit():
                return Subscript(Name("self"), (label,))
            return Subscript(Name("self._modules"), (label,)) if hidden(text) else Attribute(Name("self"), text)
        case _:
            return Own(label, numbered)


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
        return _computed(made) if isinstance(made, Binary) else made

    return change(node)


def placed(node: Py, loop: LoopId | None = None) -> Py:
    """The expression where loops, but for one, are not written as loops: their variables are items of what is looped
    over, or numbers."""

    def change(inner: Py) -> Py:
        if isinstance(inner, Flowing) and inner.loop != loop:
            return change(inner.first)
        if isinstance(inner, Turned) and inner.loop != loop:
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
            return _computed(made)
        return made

    return change(node)


_WHOLE: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "//": lambda a, b: a // b,
    "%": lambda a, b: a % b, "**": lambda a, b: a**b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


_OF_MANY: dict[str, Callable[[Any], int]] = {"len": len, "max": max, "min": min, "sum": sum}


def _computed(node: Unary | Binary | Call | Subscript | IfElse) -> Py:
    """An operation on whole numbers, done; an item of a list that is written out; what a condition chooses."""
    if isinstance(node, Unary):
        number = node.operand.value if isinstance(node.operand, Const) else None
        return Const(-number) if node.operator == "-" and type(number) is int else node
    if isinstance(node, IfElse):
        if isinstance(node.condition, Const):
            return node.then if node.condition.value else node.otherwise
        return node.then if signature(node.then) == signature(node.otherwise) else node
    if isinstance(node, Subscript):
        return of_list(node)
    if isinstance(node, Call):
        numbers: list[Any] = [arg.value for arg in node.args if isinstance(arg, Const) and type(arg.value) is int]
        called = _OF_MANY.get(node.function.text) if isinstance(node.function, Name) else None
        return Const(called(numbers)) if called is not None and len(numbers) == len(node.args) > 1 else of_list(node)
    left, right = node.left, node.right
    if node.operator in ("and", "or") and isinstance(left, Const):
        return left if bool(left.value) is (node.operator == "or") else right
    if node.operator == "+" and (_is(left, 0) or _is(right, 0)):
        return right if _is(left, 0) else left
    if node.operator not in _WHOLE:
        return node
    if not (isinstance(left, Const) and isinstance(right, Const) and {type(left.value), type(right.value)} == {int}):
        return node
    fits = right.value != 0 if node.operator in ("//", "%") else node.operator != "**" or 0 <= right.value < 64
    return Const(_WHOLE[node.operator](left.value, right.value)) if fits else node


def of_list(node: Subscript | Call) -> Py:
    """An item, a part, the length or the sum of a list that is written out, done; the length of a comprehension over a
    `range`, which says it."""
    match node:
        case Call(function=Name(text="len"), args=(Comprehension(iterable=iterable, around=(), conditions=()),)):
            count = _counted(iterable)
            return node if count is None else count
        case Call(function=Name(text="len"), args=(Sequence(items=items),)) if Star not in map(type, items):
            return Const(len(items))
        case Subscript(base=base, items=(Const(value=int()) as place,)):
            return item(base, place)
        case Subscript(base=Const() as base, items=(Slice() as cut,)):
            return _part(node, base.value, (cut.start, cut.stop, cut.step))
        case Call(function=Name(text=called), args=(Const() as listed,)) if called in _OF_MANY:
            values: Any = listed.value
            return Const(_OF_MANY[called](values)) if isinstance(values, tuple) else node
        case _:
            return node


def _part(node: Subscript, values: Any, cut: tuple[Py | None, Py | None, Py | None]) -> Py:
    bounds = [bound.value for bound in cut if isinstance(bound, Const)]
    if len(bounds) < sum(bound is not None for bound in cut) or not isinstance(values, tuple):
        return node
    return Const(values[slice(*(bound.value if isinstance(bound, Const) else None for bound in cut))])


def ended(node: Py, loop: LoopId, last: int, count: Py) -> Py:
    """The expression behind a loop, of what its ``last`` turn gave. Raises `LookupError` where it has no name there."""

    def change(inner: Py) -> Py:
        if isinstance(inner, Turned) and inner.loop == loop:
            if inner.at is None or inner.index != last:
                raise LookupError(inner.name)
            made = inner.at(Const(-1))
            return add(count, Const(-1)) if isinstance(made, Const) and made.value == -1 else made
        changed = rebuild_all(inner, change)
        return _computed(changed) if isinstance(changed, Binary) else changed

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
                return add(end if _is(turn, -1) else begin, turn)
            case Call(function=Name(text="enumerate"), args=args) if part is not None:
                return turn if part == 0 else item(args[0], turn)
            case Call(function=Name(text="zip"), args=args) if part is not None:
                return item(args[part], turn)
            case _:
                one = item(iterable, turn)
                return one if part is None else item(one, Const(part))

    return found


def item(base: Py, place: Py) -> Py:
    """An item of a list, itself where the list and the place are written out. Those of `zip` and `enumerate`, which Python
    does not index, are tuples of the items of theirs."""
    match base:
        case Call(function=Name(text="zip"), args=args):
            return Sequence(tuple([item(each, place) for each in args]), "(")
        case Call(function=Name(text="enumerate"), args=(counted,)):
            return Sequence((place, item(counted, place)), "(")
        case Comprehension(item=each, target=target, iterable=iterable, around=(), conditions=()):
            count = _counted(iterable)
            behind = isinstance(place, Const) and place.value < 0
            if count is not None and not any(isinstance(inner, Comprehension) for inner in walk_all(each)):
                return _at(each, target, add(count, place) if behind else place)
        case _:
            pass
    if isinstance(place, Const) and isinstance(base, Sequence):
        return base.items[int(place.value)]
    items: Any = base.value if isinstance(base, Const) else None
    if isinstance(place, Const) and isinstance(items, tuple):
        return Const(cast("tuple[Any, ...]", items)[int(place.value)])
    return Subscript(base, (place,))


def _counted(iterable: Py) -> Py | None:
    """The number that a `range` is given alone."""
    match iterable:
        case Call(function=Name(text="range"), args=(count,)):
            return count
        case _:
            return None


def _at(each: Py, variable: str, value: Py) -> Py:
    """An item of a comprehension, whose variable has a value."""

    def change(inner: Py) -> Py:
        if isinstance(inner, Leaf):
            return value if inner.key[0] == "comprehended" and inner.name == variable else inner
        made = rebuild_all(inner, change)
        return _computed(made) if isinstance(made, Binary) else made

    return change(each)


def is_counted(iterable: Py) -> bool:
    """Whether the text itself says how often a loop runs."""
    match iterable:
        case Const() | Sequence():
            return True
        case Call(function=Name(text="range"), args=args):
            return all(isinstance(arg, Const) for arg in args)
        case Call(function=Name(text="enumerate" | "zip"), args=args):
            return all(is_counted(arg) for arg in args)
        case _:
            return False


def tupled(value: Any) -> Any:
    """Lists as tuples, at any depth."""
    return tuple(map(tupled, cast("list[Any]", value))) if isinstance(value, list | tuple) else value


def walk_all(node: Py) -> Iterator[Py]:
    """`walk`, which also goes into sums."""
    for inner in walk(node):
        yield inner
        if isinstance(inner, Sum):
            for factor, atom in inner.terms:
                yield from walk_all(factor)
                yield from walk_all(atom)


def leaves(node: Py) -> Iterator[Leaf]:
    """The leaves of an expression, in order, those of definitions before what they define."""
    for inner in walk(node):
        if isinstance(inner, Leaf):
            if inner.definition is not None:
                yield from leaves(inner.definition)
            yield inner
        elif isinstance(inner, Sum):
            for factor, atom in inner.terms:
                yield from leaves(factor)
                yield from leaves(atom)
