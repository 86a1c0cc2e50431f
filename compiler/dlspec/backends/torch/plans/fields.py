"""Puts what the author wrote into the place of an operator's fields and sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from dlspec.backends.torch.lowering.inits import argument_of
from dlspec.backends.torch.lowering.registry import Ref, Size
from dlspec.backends.torch.plans.author import AtHand, Author
from dlspec.backends.torch.plans.tree import Module
from dlspec.backends.torch.python.evaluate import Unwritten
from dlspec.backends.torch.python.expressions import (
    Attribute,
    Call,
    Comprehension,
    Const,
    Name,
    Py,
    Sequence,
    Slice,
    Subscript,
    call,
    method,
    walk,
)
from dlspec.backends.torch.python.sums import rebuild_all
from dlspec.backends.torch.python.symbols import Arg, Dimension, Leaf, Turned
from dlspec.ir.dims import Expr
from dlspec.ir.node import Node, Value
from dlspec.ir.program import ASKED, SIZED, Written
from dlspec.syntax import ast

_MANY = 16
"""Numbers that a table shows one by one."""


class Fields:
    """Fills an expression that a lowering made for a node. ``at_hand`` has the tensors of a forward, and none in a
    constructor; ``size`` finds an open size among them. Settings behind what can only be written as a number are added
    to ``hinges``."""

    def __init__(
        self,
        author: Author,
        module: Module,
        hinges: set[str],
        at_hand: AtHand,
        size: Callable[[Expr], Py] | None = None,
    ) -> None:
        self.hinges = hinges
        self.open_size = size
        self.author = author
        self.module = module
        self.at_hand = at_hand

    def __call__(self, made: Py, node: Node) -> Py:
        if self.author.tree.graph.settings:
            for key in (ASKED, SIZED):
                if key in node.origin.written:
                    sized = key == SIZED or any(field.name == "shape" for field in node.op.fields)
                    self.hinges |= self.author.settings.behind_asked(node.origin.written[key], sized)
            said = {inner.field for inner in walk(made) if isinstance(inner, Arg)}
            pads = (f.name for f in node.op.fields if f.kind in ("Padding", "Pads") and f.name in node.origin.written)
            # What is written of a padding in another order stays numbers.
            self.hinges.update(*(self.author.settings.behind(node.origin.written[p]) for p in pads if p not in said))

        def change(inner: Py) -> Py:
            match inner:
                case Arg():
                    return self._argument(inner, node)
                case Dimension():
                    return self._dimension(inner, node)
                case Size():
                    return self._size(inner, node)
                case Ref() | Leaf() | Turned():
                    return inner
                case Sequence(items=items) if _is_list(items):
                    whole = self._whole(items, node)
                    if whole is None:
                        return Sequence(tuple(map(change, items)), inner.opening)
                    return Sequence(whole, inner.opening) if isinstance(whole, tuple) else whole
                case Call(function=Name(text="torch.tensor"), args=(Arg() as values,)):
                    return table(self._argument(values, node), inner)
                case Call(args=items) if _is_list(items):
                    whole = self._whole(items, node)
                    if whole is None:
                        return rebuild_all(inner, change)
                    args = whole if isinstance(whole, tuple) else (whole,)
                    return Call(change(inner.function), args, inner.keywords)
                case _:
                    return rebuild_all(inner, change)

        return change(made)

    def _argument(self, arg: Arg, node: Node) -> Py:
        node = arg.origin or node
        written = node.origin.written.get(arg.field)
        plain = Const(arg.value)
        if written is None:
            return plain
        try:
            if isinstance(arg.item, str):
                written = argument_of(written, arg.item)
            elif arg.item is not None:
                written = _item_of(written, arg.item)
            made = self._expression(written, arg.value, node)
        except Unwritten:
            self.hinges |= self.author.settings.behind(written)
            return plain
        return plain if isinstance(made, Const) else made

    def _expression(self, written: Written, value: Any, node: Node) -> Py:
        return self.author.expression(written, value, self.module, node.scope, self.at_hand)

    def _dimension(self, made: Dimension, node: Node) -> Py:
        try:
            return self.author.size(node.inputs[made.position], made.axis, self.module, node.scope)
        except Unwritten:
            self.hinges |= self.author.settings.of(node.inputs[made.position])
            return Const(made.value)

    # Sizes

    def _size(self, size: Size, node: Node) -> Py:
        node = size.origin or node
        written = node.origin.written.get(size.field)
        try:
            if written is None:
                raise Unwritten
            if size.item is not None:
                written = _item_of(written, size.item)
            return self._expression(written, size.dim, node)
        except Unwritten:
            if written is not None:
                self.hinges |= self.author.settings.behind(written)
            if isinstance(size.dim, int):
                return Const(size.dim)
            assert self.open_size is not None
            return self.open_size(size.dim)

    def _whole(self, items: tuple[Py, ...], node: Node) -> tuple[Py, ...] | Py | None:
        """Sizes that the author wrote as one expression; None where they stand one by one."""
        first = cast("Size", items[0])
        written = node.origin.written.get(first.field)
        if written is None or isinstance(written.expression, ast.List):
            return None
        dims = [cast("Size", item).dim for item in items]
        try:
            tensor = self._tensor(written, first.field, node)
            made = tensor if tensor is not None else self._expression(written, dims, node)
        except Unwritten:
            return None
        if isinstance(made, Const):
            return tuple(map(Const, made.value))
        return made.items if isinstance(made, Sequence) else made

    def _tensor(self, written: Written, field: str, node: Node) -> Py | None:
        """The shape of a tensor, which stands for its sizes."""
        expression = written.expression
        found = written.names.seen(expression.name, written.time) if isinstance(expression, ast.Name) else None
        if found is None or not isinstance(found[1].value, Value):
            return None
        ready = self.at_hand(self.author.tree.now(found[1].value))
        if ready is None:
            raise Unwritten
        shape = Attribute(ready, "shape")
        kind = next(f.kind for f in node.op.fields if f.name == field)
        return Subscript(shape, (Slice(Const(2), None),)) if kind == "Sizes" else shape


def table(values: Py, made: Call) -> Py:
    """A tensor of given values; one with very many numbers reads them from a text."""
    if not isinstance(values, Const):
        return Call(made.function, (values,), made.keywords)
    shape = shape_of(values.value)
    numbers = flattened(values.value)
    if len(set(map(repr, numbers))) == 1 and len(numbers) > 1:
        return Call(Name("torch.full"), (Const(shape), Const(numbers[0])), made.keywords)
    if len(numbers) <= _MANY or isinstance(numbers[0], bool):
        return Call(made.function, (Const(_listed(values.value)),), made.keywords)
    text = " ".join(map(repr, numbers))
    kind = "int" if all(isinstance(number, int) for number in numbers) else "float"
    read = Comprehension(call(kind, Name("number")), "number", method(Const(text), "split"))
    tensor = Call(made.function, (read,), made.keywords)
    return method(tensor, "reshape", *map(Const, shape)) if len(shape) > 1 else tensor


def shape_of(value: Any) -> tuple[int, ...]:
    return (len(value), *shape_of(value[0])) if isinstance(value, tuple) and value else ()  # pyright: ignore[reportUnknownArgumentType]


def flattened(value: Any) -> list[Any]:
    return [number for part in value for number in flattened(part)] if isinstance(value, tuple) else [value]  # pyright: ignore[reportUnknownVariableType]


def _listed(value: Any) -> Any:
    return list(map(_listed, value)) if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _is_list(items: tuple[Py, ...]) -> bool:
    first = items[0] if items else None
    return (
        isinstance(first, Size)
        and bool(first.field)
        and first.origin is None
        and all(
            isinstance(item, Size) and item.field == first.field and item.item == place
            for place, item in enumerate(items)
        )
    )


def _item_of(written: Written, item: int | str | tuple[int, str | int]) -> Written:
    """One of the expressions in a list, in a list in it, or between the brackets of an index."""
    expression = written.expression
    place, part = item if isinstance(item, tuple) else (item, "")
    if not isinstance(expression, ast.List | ast.Index) or isinstance(place, str) or place >= len(expression.items):
        raise Unwritten  # `levels[0]` may be a tensor that gives several sizes
    found: Any = expression.items[place]
    if isinstance(part, int):
        found = found.items[part] if isinstance(found, ast.List) else found  # one number is that of both sides
    elif part:
        found = getattr(found, part) if isinstance(found, ast.Slice) else None
    if found is None or isinstance(found, ast.Slice):
        raise Unwritten
    return written.part(found)
