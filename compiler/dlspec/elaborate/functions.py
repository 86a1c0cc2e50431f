"""Calls of functions: of constants, of tensors, of distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlspec.elaborate import constants, distributions
from dlspec.elaborate.calls import Given, function_op
from dlspec.elaborate.values import POISON, Distribution, Env, Failure, has_tensor
from dlspec.ir.graph import Claim
from dlspec.ir.node import Value
from dlspec.ir.op import Op
from dlspec.ir.program import ASKED, COMPILER, LISTED, SIZED, Origin, Written
from dlspec.ir.types import DType
from dlspec.ops import FUNCTIONS
from dlspec.ops.constant import Tied
from dlspec.source import Span
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.elaborate.expressions import Expressions


def call_function(elaborator: Expressions, node: ast.Call, function: ast.Name, env: Env) -> Any:
    name = function.name
    given = [(a, elaborator.argument(a, env)) for a in node.arguments]
    values = [value for _, value in given]
    if any(value is POISON for value in values):
        return POISON
    for value in values:
        if value.__class__ is list:
            elaborator.builder.budget.walk(value)
    if name in distributions.DISTRIBUTIONS or distributions.asks(name, values):
        sized = any(isinstance(value, Distribution) and value.sized for value in values)
        elaborator.builder.by_itself = Origin(None, "compiler", {SIZED if sized else ASKED: Written(node, env)})
        try:
            made = distributions.call(elaborator.builder, name, given, node.span)
        finally:
            elaborator.builder.by_itself = COMPILER
        return _asked(elaborator, made, name, given, node.span)
    with_tensors = any(has_tensor(value) for value in values)
    draws = name in FUNCTIONS and bool(values) and isinstance(values[0], list)
    initial = name in constants.INITIALISERS and not draws
    if (initial or name in constants.FUNCTIONS) and (not with_tensors or name in constants.OF_LISTS):
        positional = [value for argument, value in given if argument.name is None]
        named = {argument.name.name: value for argument, value in given if argument.name is not None}
        try:
            if initial:
                return constants.INITIALISERS[name](*positional, **named)
            return constants.call(name, positional, named)
        except constants.ConstantError as error:
            raise Failure("DL0305", error.message, node.span, hint=error.hint) from None
    if name not in FUNCTIONS:
        return elaborator.special(node, function, given, env)
    op, inputs, written = function_op(FUNCTIONS[name], name, given, node.span, env)
    if values and _are_weights(values[0]):
        written[LISTED] = Written(node.arguments[0].value, env)
    return elaborator.function(op, _lifted(elaborator, op, inputs, node, written), node, written)


def _asked(elaborator: Expressions, made: Any, name: str, given: list[Given], span: Span) -> Any:
    graph = elaborator.builder.graph
    if isinstance(made, Distribution):
        graph.claims += [Claim(value, title, takes, span) for value, title, takes in made.claims()]
    elif name == "kl" and isinstance(made, Value):
        graph.divergences.add(made)
        graph.priors |= distributions.priors(given)
    return made


def _lifted(
    elaborator: Expressions, op: Op, inputs: tuple[Any, ...], node: ast.Call, written: dict[str, Written]
) -> tuple[Value, ...]:
    """The tensor arguments of a function; a number among them has the element type of the last tensor beside it, or
    where there is none that of all the numbers."""
    if inputs and not any(isinstance(value, Value) for value in inputs):
        raise Failure("DL0305", f"`{node.span.text}` has no tensor in it", node.span)
    slots = [slot.rstrip("?") for slot in op.tensors] if len(op.tensors) >= len(inputs) else [""] * len(inputs)
    given = tuple(zip(slots, inputs, strict=False))
    own = dict.fromkeys(op.truths, DType.BOOL) | dict.fromkeys(op.positions, DType.INT64)
    like = _common([value for slot, value in given if slot not in own])
    return tuple([elaborator.as_tensor(value, own.get(slot, like), node, written.get(slot)) for slot, value in given])


def _are_weights(values: Any) -> bool:
    """Whether it is a list of weights of layers, as tensors."""
    return (
        values.__class__ is list
        and bool(values)
        and all(
            isinstance(value, Value) and value.producer is not None and isinstance(value.producer.op, Tied)
            for value in values
        )
    )


def _common(values: list[Any]) -> DType:
    """The element type that numbers beside these have: that of the last tensor, or else float unless none is a float."""
    dtypes = [value.type.dtype for value in values if isinstance(value, Value)]
    if dtypes:
        return dtypes[-1]
    if all(type(value) is bool for value in values):
        return DType.BOOL
    return DType.FLOAT32 if any(type(value) is float for value in values) else DType.INT64
