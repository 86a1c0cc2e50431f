"""What of an expression is known: whole numbers computed, items and lengths of lists that are written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from dlspec.backends.torch.python.expressions import (
    Binary,
    Call,
    Comprehension,
    Const,
    IfElse,
    Name,
    Py,
    Sequence,
    Slice,
    Star,
    Subscript,
    Unary,
)
from dlspec.backends.torch.python.sums import add, is_number, rebuild_all
from dlspec.backends.torch.python.symbols import Leaf, signature, walk_all


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
        return computed(made) if isinstance(made, Binary) else made

    return change(each)


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


_WHOLE: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "//": lambda a, b: a // b,
    "%": lambda a, b: a % b, "**": lambda a, b: a**b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


_OF_MANY: dict[str, Callable[[Any], int]] = {"len": len, "max": max, "min": min, "sum": sum}


def computed(node: Unary | Binary | Call | Subscript | IfElse) -> Py:
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
    if node.operator == "+" and (is_number(left, 0) or is_number(right, 0)):
        return right if is_number(left, 0) else left
    if node.operator not in _WHOLE:
        return node
    if not (isinstance(left, Const) and isinstance(right, Const) and {type(left.value), type(right.value)} == {int}):
        return node
    fits = right.value != 0 if node.operator in ("//", "%") else node.operator != "**" or 0 <= right.value < 64
    return Const(_WHOLE[node.operator](left.value, right.value)) if fits else node
