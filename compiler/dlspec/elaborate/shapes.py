"""Shapes that a spec writes: types of parameters, and steps that check what flows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from dlspec.diagnostics import Note
from dlspec.elaborate.builder import origin
from dlspec.elaborate.misfit import DTYPE, RANK, undeclared
from dlspec.elaborate.values import POISON, UNBOUND, Env, Failure, kind_of
from dlspec.ir.condition import Condition
from dlspec.ir.constants import Ratio, is_dim
from dlspec.ir.dims import Dim, Expr
from dlspec.ir.graph import Derived
from dlspec.ir.node import Value
from dlspec.ir.types import DTYPES, format_shape
from dlspec.source import Span
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.elaborate.expressions import Expressions


def axes_of(type_: ast.Type, env: Env, elaborator: Expressions) -> list[Any]:
    """The sizes of a tensor type, POISON among them where an error was reported."""
    sizes: list[Any] = []
    for axis in type_.axes or ():
        if axis.default is not None:
            raise Failure("DL0305", "a default size belongs to the signature of a network", axis.span)
        sizes.append(_size(elaborator.evaluate(axis.size, env), axis.span))
    return sizes


def _size(value: Any, span: Span) -> Any:
    if value is POISON or is_dim(value):
        return value
    if isinstance(value, Ratio):
        raise Failure("DL0206", f"{value} is not whole for every size", span, hint="use `//`, `ceil` or `floor`")
    raise Failure("DL0305", f"a size is an int, not {kind_of(value)}", span)


def match_type(type_: ast.Type, value: Value, env: Env, elaborator: Expressions, span: Span) -> None:
    """Fits a tensor to a type: capital names that are new take the sizes they stand at, everything else is demanded."""
    if type_.name not in DTYPES:
        raise Failure("DL0302", f"there is no element type `{type_.name}`", type_.span, hint=", ".join(DTYPES))
    if DTYPES[type_.name] is not value.type.dtype:
        raise Failure("DL0207", f"{value.type} where {type_.name} is declared", span, notes=(origin(value),)).caused(
            partial(undeclared, value, DTYPE, type_, type_.name)
        )
    axes = type_.axes or ()
    if len(axes) != value.type.rank:
        raise Failure(
            "DL0202", f"{value.type} where {type_.span.text} is declared", span, notes=(origin(value),),
            label=f"rank {value.type.rank}, not {len(axes)}",
        ).caused(partial(undeclared, value, RANK, type_, len(axes)))  # fmt: skip
    for at, (axis, found) in enumerate(zip(axes, value.type.shape, strict=True), -len(axes)):
        name = axis.size.name if isinstance(axis.size, ast.Name) else ""
        if name[:1].isupper() and env.find(name) is UNBOUND:
            env.names[name] = found
            continue
        wanted = _size(elaborator.evaluate(axis.size, env), axis.span)
        if wanted is POISON or wanted == found:
            continue
        both_known = isinstance(wanted, int) and isinstance(found, int)
        outcome = elaborator.builder.conditions.require_equal(wanted, found)
        elaborator.builder.graph.derived += [Derived(each, span, (value,)) for each in outcome.conditions]
        if both_known or outcome.impossible:
            message = f"{value.type} where {type_.span.text} is declared: {found} is not {wanted}"
            cause = partial(undeclared, value, at, type_, wanted)
            raise Failure("DL0201", message, span, notes=(origin(value),)).caused(cause)


def check_shape_step(node: ast.List, flow: Any, env: Env, elaborator: Expressions) -> Any:
    """`-> [N, 64, ceil(H / 4)]`: holds for every size that the preconditions allow, or is a `Failure`; `_` is any."""
    if not isinstance(flow, Value):
        raise Failure("DL0308", f"a shape is checked of one tensor, not of {kind_of(flow)}", node.span)
    found = flow.type.shape
    wanted = [_step_size(item, env, elaborator) for item in node.items]
    if any(size is POISON for size in wanted):
        return flow
    written = format_shape(tuple("_" if size is None else size for size in wanted))  # type: ignore[reportArgumentType]
    if len(wanted) != len(found):
        raise Failure(
            "DL0206",
            f"the shape is {format_shape(found)}, not {written}",
            node.span,
            label=f"rank {len(wanted)}, but {len(found)} flows in",
            notes=(origin(flow),),
        )
    for item, size, actual in zip(node.items, wanted, found, strict=True):
        if size is not None:
            _check_axis(item.span, size, actual, f"the shape is {format_shape(found)}, not {written}", flow, elaborator)
    return flow


def _step_size(item: ast.Expression, env: Env, elaborator: Expressions) -> Any:
    if isinstance(item, ast.Name) and item.name == "_":
        return None
    value = elaborator.evaluate(item, env)
    if value is POISON or is_dim(value) or isinstance(value, Ratio):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise Failure(
        "DL0308", f"a list in a chain is a shape, and {kind_of(value)} is in it", item.span,
        hint="to join tensors, begin a chain with the list: `[a, b] -> Concat`",
    )  # fmt: skip


def _check_axis(span: Span, size: Any, actual: Dim, message: str, flow: Value, elaborator: Expressions) -> None:
    conditions = elaborator.builder.conditions
    left, right = (size.numerator, actual * size.denominator) if isinstance(size, Ratio) else (size, actual)
    if left == right or conditions.implies(Condition.equal(left, right)):
        return
    hint = ""
    if isinstance(left, Expr) or isinstance(right, Expr):
        outcome = conditions.copy().require_equal(left, right)
        if not outcome.impossible:
            needed = " and ".join(map(str, outcome.conditions))
            names = {name for condition in outcome.conditions for name in condition.symbols}
            said = [
                each for each in elaborator.where if names & {n.name for n in ast.walk(each) if isinstance(n, ast.Name)}
            ]
            if said and " % " in needed:
                notes = (Note(span, message), origin(flow))
                raise Failure("DL0206", f"a shape needs `{needed}`, and here stands another", said[0].span, notes=notes)
            hint = f"it holds only for `{needed}`: say so after the signature, `where {needed.replace(' and ', ', ')}`"
    raise Failure("DL0206", message, span, label=f"{actual} here", hint=hint, notes=(origin(flow),))
