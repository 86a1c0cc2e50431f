"""Python expressions as trees.

Text of a spec enters generated code only through `Const` (by `repr`) and `Name` (an identifier, checked), so no text can
become code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, TypeAlias

_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*\Z")


@dataclass(frozen=True, slots=True, eq=False)
class Py:
    """An expression."""


@dataclass(frozen=True, slots=True, eq=False)
class Name(Py):
    """A name, or several with dots."""

    text: str

    def __post_init__(self) -> None:
        if not _DOTTED.match(self.text):
            raise ValueError(f"{self.text!r} is no name")


@dataclass(frozen=True, slots=True, eq=False)
class Const(Py):
    """A number, bool, string, None, or (nested) tuple of them."""

    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Keyword:
    """An argument by name. It is left out where it is the ``default``."""

    name: str
    value: Py
    default: Any = ...


@dataclass(frozen=True, slots=True, eq=False)
class Call(Py):
    function: Py
    args: tuple[Py, ...] = ()
    keywords: tuple[Keyword, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Attribute(Py):
    base: Py
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Subscript(Py):
    base: Py
    items: tuple[Py, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Slice(Py):
    start: Py | None
    stop: Py | None
    step: Py | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Unary(Py):
    operator: str
    operand: Py


@dataclass(frozen=True, slots=True, eq=False)
class Binary(Py):
    operator: str
    left: Py
    right: Py


@dataclass(frozen=True, slots=True, eq=False)
class IfElse(Py):
    condition: Py
    then: Py
    otherwise: Py


@dataclass(frozen=True, slots=True, eq=False)
class Sequence(Py):
    """A list, or a tuple where ``opening`` is a parenthesis."""

    items: tuple[Py, ...]
    opening: str = "["


@dataclass(frozen=True, slots=True, eq=False)
class Dictionary(Py):
    """`{"key": value}`."""

    keys: tuple[str, ...]
    values: tuple[Py, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Star(Py):
    value: Py


@dataclass(frozen=True, slots=True, eq=False)
class Nested(Py):
    """What gives one result and a tuple of all others: `y, (h, c) = value`."""

    value: Py


@dataclass(frozen=True, slots=True, eq=False)
class Assign(Py):
    """`target = value`, a statement."""

    target: Py
    value: Py


@dataclass(frozen=True, slots=True, eq=False)
class Clause(Py):
    """`for target in iterable if condition`"""

    target: str
    iterable: Py
    conditions: tuple[Py, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Comprehension(Py):
    """`[item for target in iterable if condition]`; the argument of a call where ``opening`` is empty. ``around`` are the
    clauses before its own."""

    item: Py
    target: str
    iterable: Py
    opening: str = "["
    around: tuple[Clause, ...] = ()
    conditions: tuple[Py, ...] = ()

    @property
    def clauses(self) -> tuple[Clause, ...]:
        return (*self.around, Clause(self.target, self.iterable, self.conditions))

    @property
    def passes(self) -> bool:
        """Whether the item is nothing but the variables."""
        items = self.item.items if isinstance(self.item, Sequence) else (self.item,)
        texts = [item.text if isinstance(item, Name) else "" for item in items]
        return ", ".join(texts) == ", ".join(clause.target for clause in self.clauses)


@dataclass(frozen=True, slots=True, eq=False)
class Label(Py):
    """`f"layer{i + 1}"`: the name of a member; texts, of which labels are made, and expressions."""

    parts: tuple[str | Py, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Own(Py):
    """A member of the class that is written, by the expression of its label; ``numbered`` if that is a number."""

    label: Py
    numbered: bool


Transform: TypeAlias = Callable[[Py], Py]


@cache
def _holding(kind: type[Py]) -> tuple[str, ...]:
    """The fields of a kind of expression that are said to hold others."""
    return tuple(field.name for field in fields(kind) if re.search("Py|Keyword", str(field.type)))


def children(node: Py) -> list[Py]:
    """The expressions directly inside."""
    found: list[Py] = []
    for field in _holding(type(node)):
        value = getattr(node, field)
        for item in value if isinstance(value, tuple) else (value,):  # type: ignore[reportUnknownVariableType]
            if isinstance(item, Py):
                found.append(item)
            elif isinstance(item, Keyword):
                found.append(item.value)
    return found


def walk(node: Py) -> Iterator[Py]:
    """The expression and all inside it."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(children(node))


def rebuild(node: Py, change: Transform) -> Py:
    """The expression with each one directly inside replaced."""

    def changed(value: Any) -> Any:
        if isinstance(value, Py):
            return change(value)
        if isinstance(value, Keyword):
            return Keyword(value.name, change(value.value), value.default)
        return tuple(map(changed, value)) if isinstance(value, tuple) else value  # type: ignore[reportUnknownVariableType]

    if isinstance(node, Const | Name):
        return node
    # `__match_args__` names the fields as `dataclasses.fields` does, which takes long.
    return type(node)(*(changed(getattr(node, field)) for field in node.__match_args__))


def name(*parts: str) -> Name:
    return Name(".".join(parts))


def call(function: str | Py, *args: Py, **keywords: Py | tuple[Py, Any]) -> Call:
    """A call; a keyword may be a pair of its value and its default."""
    made = tuple(
        Keyword(key, value[0], value[1]) if isinstance(value, tuple) else Keyword(key, value)
        for key, value in keywords.items()
    )
    return Call(Name(function) if isinstance(function, str) else function, args, made)


def method(base: Py, attribute: str, *args: Py, **keywords: Py | tuple[Py, Any]) -> Call:
    return call(Attribute(base, attribute), *args, **keywords)
