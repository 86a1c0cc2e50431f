"""What a class knows only by name: its parameters, sizes of what flows in, the turn of a loop, and sums of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from hashlib import sha256
from typing import Any, TypeAlias, cast

from dlspec.backends.torch.python.expressions import Attribute, Const, Keyword, Label, Name, Own, Py, Subscript, walk
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
