"""`value[...]` and `tensor.attribute`."""

from __future__ import annotations

from types import EllipsisType
from typing import Any, TypeAlias, cast

from dlspec.diagnostics import did_you_mean
from dlspec.elaborate.values import Failure, kind_of
from dlspec.ir.constants import Constant, is_dim
from dlspec.ir.fields import FieldError
from dlspec.ir.node import Value
from dlspec.ir.op import Op, OpError
from dlspec.ops import by_name
from dlspec.ops.combine import Const
from dlspec.source import Span
from dlspec.syntax import ast

Index: TypeAlias = "Constant | Value | slice | EllipsisType"


def index_list(base: object, items: list[Index], span: Span) -> object:
    """An item or a slice of a list or string. Raises `Failure`."""
    if not isinstance(base, list | str):
        raise Failure("DL0305", f"{kind_of(base)} has no parts", span)
    if len(items) != 1:
        raise Failure("DL0305", "a list takes one index", span)
    (item,) = items
    if not isinstance(item, slice) and type(item) is not int:
        raise Failure("DL0305", f"an index is an int, not {kind_of(item)}", span)
    parts = cast("list[object] | str", base)
    try:
        return parts[item]
    except IndexError:
        raise Failure("DL0305", f"there is no item {item} in a list of {len(parts)}", span) from None
    except (TypeError, ValueError):
        raise Failure("DL0305", "the parts of a slice are ints", span) from None


def positions(items: list[Any], span: Span) -> Op:
    """The tensor that a list between brackets stands for. Raises `Failure` for one of other things than ints."""
    parts = list(items)
    for part in parts:
        if isinstance(part, list):
            parts += cast("list[Any]", part)
        elif type(part) is not int:
            message = f"positions in a list are ints, not {kind_of(part)}"
            hint = "what a size tells is chosen by itself, `x[:, n - 1]`, and joined by `stack`" if is_dim(part) else ""
            raise Failure("DL0305", message, span, hint=hint)
    if all(isinstance(part, list) for part in parts):
        raise Failure("DL0305", "a list between brackets has a position or more", span)
    try:
        return by_name("Const")(items, "int")
    except (FieldError, OpError) as error:
        raise Failure("DL0305", str(error), span) from None


def index_tensor(base: Value, items: list[Index], span: Span) -> tuple[Op, list[Value]]:
    """The operator of `x[0, 1:, none]`, and the tensors among its indices."""
    coded: list[tuple[object, ...]] = []
    indices = [item for item in items if isinstance(item, Value)]
    if items.count(...) > 1:
        raise Failure("DL0305", "`...` stands once between brackets", span)
    for item in items:
        if type(item) is slice:
            for bound in (item.start, item.stop, item.step):
                if bound is not None and not is_dim(bound):
                    hint = "a range of known length that begins at a tensor is `narrow(x, dim, start, length)`"
                    message = f"the bounds of a range are ints or sizes, not {kind_of(bound)}"
                    raise Failure("DL0305", message, span, hint=hint if isinstance(bound, Value) else "")
            coded.append(("slice", item.start, item.stop, 1 if item.step is None else item.step))
        elif item is None:
            coded.append(("new",))
        elif item is ...:
            coded.append(("rest",))
        elif isinstance(item, Value):
            known = item.producer.op if item.producer is not None else None
            fixed = known.range(()) if isinstance(known, Const) and known.dtype.is_integer else None
            coded.append(("tensor",) if fixed is None else ("tensor", *map(int, fixed)))
        elif is_dim(item):
            coded.append(("at", item))
        else:
            message = f"a tensor is indexed by ints, slices and tensors or lists of ints, not {kind_of(item)}"
            raise Failure("DL0305", message, span)
    try:
        return by_name("IndexTensors" if indices else "Index")(tuple(coded)), indices
    except FieldError:
        raise Failure("DL0305", "a position is an int of less than 2 ** 63, and a step is no symbol", span) from None


_AXES = {"batch": 0, "channels": 1, "features": -1}
_SPATIAL = {"height": -2, "width": -1, "depth": -3, "length": -1}
_WHOLE = ("shape", "spatial", "rank", "dtype")


def tensor_attribute(tensor: Value, name: ast.Name) -> Constant:
    """`x.channels` and its like. Raises `Failure`."""
    type_, wanted = tensor.type, name.name
    match wanted:
        case "shape":
            return list(type_.shape)
        case "spatial":
            return list(type_.spatial)
        case "rank":
            return type_.rank
        case "dtype":
            return type_.dtype.label
        case _ if wanted in _AXES:
            axis = _AXES[wanted]
            if type_.rank <= axis or type_.rank == 0:
                raise Failure("DL0202", f"{type_} has no {wanted}", name.span)
            return type_.shape[axis]
        case _ if wanted in _SPATIAL:
            space, back = type_.spatial, -_SPATIAL[wanted]
            if len(space) < back or (wanted == "length" and len(space) != 1):
                raise Failure("DL0202", f"{type_} has no {wanted}", name.span)
            return space[-back]
        case _:
            known = [*_AXES, *_SPATIAL, *_WHOLE]
            hint = did_you_mean(wanted, known) or f"a tensor has {', '.join(known)}"
            raise Failure("DL0302", f"a tensor has no `{wanted}`", name.span, hint=hint)
