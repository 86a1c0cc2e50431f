"""How weights begin: what ``torch.nn`` does not do by itself."""

from __future__ import annotations

from functools import reduce
from typing import Any

from dlspec.backends.torch.python.evaluate import Unwritten
from dlspec.backends.torch.python.expressions import Attribute, Const, Name, Py, Sequence, call, method
from dlspec.backends.torch.python.symbols import Arg
from dlspec.ir.init import Init
from dlspec.ir.node import Node
from dlspec.ir.program import Written
from dlspec.ir.types import DType
from dlspec.ops.constant import Param
from dlspec.syntax import ast

# Initialisers of torch.nn.init by what they take, in order.
_ARGUMENTS: dict[str, tuple[tuple[str, Any], ...]] = {
    "constant": (("val", ...),),
    "zeros": (),
    "ones": (),
    "uniform": (("a", ...), ("b", ...)),
    "normal": (("mean", ...), ("std", ...)),
    "trunc_normal": (("mean", ...), ("std", ...), ("a", -2.0), ("b", 2.0)),
    "xavier_uniform": (("gain", 1.0),),
    "xavier_normal": (("gain", 1.0),),
    "kaiming_uniform": (("a", 0.0), ("mode", "fan_in"), ("nonlinearity", "leaky_relu")),
    "kaiming_normal": (("a", 0.0), ("mode", "fan_in"), ("nonlinearity", "leaky_relu")),
    "orthogonal": (("gain", 1.0),),
    "eye": (),
    "dirac": (("groups", 1),),
}


def statement(init: Init, weight: Py, field: str) -> Py:
    """The call that gives a weight its first values, which the author wrote for a ``field``."""
    if init.kind == "data":
        return method(Attribute(weight, "data"), "copy_", call("torch.tensor", Arg(init.values, field)))
    given = dict(init.arguments)
    if init.kind == "constant" and given["val"] in (0, 1):
        return call("nn.init.ones_" if given["val"] else "nn.init.zeros_", weight)
    keywords: dict[str, Any] = {
        name: (Arg(given.get(name, default), field, name), default)
        for name, default in _ARGUMENTS[init.kind]
        if default is not ...
    }
    positional = [Arg(given[name], field, name) for name, default in _ARGUMENTS[init.kind] if default is ...]
    return call(f"nn.init.{init.kind}_", weight, *positional, **keywords)


def initial(node: Node, member: Py) -> list[Py]:
    """The statements for the weights of a layer whose initialisers are given."""
    own = node.op.weights(tuple([value.type for value in node.inputs]))
    return [
        statement(getattr(node.op, field), reduce(Attribute, weight.name.split("."), member), field)
        for field in ("weight_init", "bias_init")
        if getattr(node.op, field, None) is not None
        for weight in own
        if weight.init is getattr(node.op, field)
    ]


def parameter(op: Param, weight: Py) -> tuple[Py, list[Py]]:
    """The tensor of a declared weight, and the statements that give it its first values."""
    dtype = {} if op.dtype is DType.FLOAT32 else {"dtype": Name(f"torch.{op.dtype.label}")}
    sizes = tuple(Arg(size, "shape", place) for place, size in enumerate(op.shape))
    given = dict(op.init.arguments)
    rest: list[Py] = []
    if op.init.kind == "data":
        made = tensor_of(Arg(op.init.values, "init"), op.dtype)
        if not isinstance(op.init.values, tuple) and op.shape:
            made = call("torch.full", Sequence(sizes, "("), Arg(op.init.values, "init"), **dtype)
    elif op.init.kind in ("zeros", "ones") or (op.init.kind == "constant" and given["val"] in (0, 1)):
        one = op.init.kind == "ones" or (op.init.kind == "constant" and given["val"] == 1)
        made = call("torch.ones" if one else "torch.zeros", *(sizes or (Const(()),)), **dtype)
    elif op.init.kind == "constant":
        value = given["val"]
        made = call(
            "torch.full", Sequence(sizes, "("), Arg(value if op.dtype.is_float else int(value), "init", "val"), **dtype
        )
    else:
        made = call("torch.empty", *(sizes or (Const(()),)), **dtype)
        rest = [statement(op.init, weight, "init")]
    if op.kind == "buffer":
        return made, rest
    trained = {} if op.dtype.is_float else {"requires_grad": Const(False)}
    return call("nn.Parameter", made, **trained), rest


def tensor_of(value: Arg, dtype: DType) -> Py:
    """A tensor with given values."""
    return call("torch.tensor", value, dtype=Name(f"torch.{dtype.label}"))


def argument_of(written: Written, name: str) -> Written:
    """What was written for an argument of an initialiser, or for the one number that a weight begins as. Raises
    `Unwritten`."""
    expression = written.expression
    if isinstance(expression, ast.Call) and isinstance(expression.function, ast.Name):
        order = [key for key, _ in _ARGUMENTS.get(expression.function.name, ())]
        for place, argument in enumerate(expression.arguments):
            key = argument.name.name if argument.name is not None else order[place] if place < len(order) else ""
            if key == name:
                return written.part(argument.value)
        if expression.function.name in _ARGUMENTS:
            raise Unwritten
    if name == "val":
        return written
    raise Unwritten
