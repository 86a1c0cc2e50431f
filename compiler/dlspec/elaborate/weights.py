"""Weights that a body declares by `param` and `buffer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlspec.elaborate.constants import as_init
from dlspec.elaborate.shapes import axes_of
from dlspec.elaborate.values import POISON, Env, Failure, has_poison, kind_of
from dlspec.ir.init import ZEROS
from dlspec.ir.program import Origin, Written
from dlspec.ir.types import DTYPES
from dlspec.ops.constant import Param
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.elaborate.flow import Elaborator


def declare(elaborator: Elaborator, node: ast.Param, env: Env) -> Any:
    """The tensor that `param` or `buffer` declares."""
    if node.type.axes is None or node.type.name not in DTYPES:
        raise Failure("DL0305", f"`{node.kind}` needs a type such as float[C, 1, 1]", node.type.span)
    shape = axes_of(node.type, env, elaborator)
    initial = ZEROS
    if node.initial is not None:
        value = elaborator.evaluate(node.initial, env)
        if has_poison(value):
            return POISON
        made = as_init(value)
        if made is None:
            raise Failure(
                "DL0305",
                f"a weight begins as a number, nested lists or an initialiser, not {kind_of(value)}",
                node.initial.span,
            )
        initial = made
    if has_poison(shape):
        return POISON
    label = node.name.name if node.label is None else elaborator.label(node.label, env)
    if label is POISON:
        return POISON
    *around, name = label.split(".")
    for axis, size in zip(node.type.axes, shape, strict=True):
        if isinstance(size, int) and size < 1:
            of = ("", Written(axis.size, env))
            raise Failure("DL0201", f"`{name}` has an axis of size {size}", axis.span, of=of)
    op = Param(name, tuple(shape), initial, node.kind, DTYPES[node.type.name])
    sizes = ast.List(node.type.span, tuple(axis.size for axis in node.type.axes))
    written = {"shape": Written(sizes, env)} | ({"init": Written(node.initial, env)} if node.initial else {})
    with elaborator.builder.entered(around, node):
        return elaborator.builder.declare(op, name, node.span, Origin(node, "weight", written, labelled=True))
