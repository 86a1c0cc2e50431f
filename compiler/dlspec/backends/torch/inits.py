"""How weights begin: what ``torch.nn`` does not do by itself."""

from __future__ import annotations

from typing import Any

from dlspec.backends.torch.python import Attribute, Const, Name, Py, Sequence, call, method
from dlspec.ir.graph import Node
from dlspec.ir.init import Init
from dlspec.ir.types import DType
from dlspec.ops.constant import Param

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


def statement(init: Init, weight: Py) -> Py:
    """The call that gives a weight its first values."""
    if init.kind == "data":
        return method(Attribute(weight, "data"), "copy_", call("torch.tensor", Const(init.values)))
    given = dict(init.arguments)
    if init.kind == "constant" and given["val"] in (0, 1):
        return call("nn.init.ones_" if given["val"] else "nn.init.zeros_", weight)
    keywords: dict[str, Any] = {
        name: (Const(given.get(name, default)), default)
        for name, default in _ARGUMENTS[init.kind]
        if default is not ...
    }
    positional = [Const(given[name]) for name, default in _ARGUMENTS[init.kind] if default is ...]
    return call(f"nn.init.{init.kind}_", weight, *positional, **keywords)


def initial(node: Node, member: Py) -> list[Py]:
    """The statements for the weights of a layer whose initialisers are given."""
    return [
        statement(getattr(node.op, f"{weight}_init"), Attribute(member, weight))
        for weight in ("weight", "bias")
        if getattr(node.op, f"{weight}_init", None) is not None
        and any(w.path.endswith(f".{weight}") for w in node.weights)
    ]


def parameter(op: Param, weight: Py) -> tuple[Py, list[Py]]:
    """The tensor of a declared weight, and the statements that give it its first values."""
    dtype = {} if op.dtype is DType.FLOAT32 else {"dtype": Name(f"torch.{op.dtype.label}")}
    sizes = tuple(Const(size) for size in op.shape)
    given = dict(op.init.arguments)
    rest: list[Py] = []
    if op.init.kind == "data":
        made = call("torch.tensor", Const(op.init.values), dtype=Name(f"torch.{op.dtype.label}"))
        if not isinstance(op.init.values, tuple) and op.shape:
            made = call("torch.full", Sequence(sizes, "("), Const(op.init.values), **dtype)
    elif op.init.kind in ("zeros", "ones") or (op.init.kind == "constant" and given["val"] in (0, 1)):
        one = op.init.kind == "ones" or (op.init.kind == "constant" and given["val"] == 1)
        made = call("torch.ones" if one else "torch.zeros", *(sizes or (Const(()),)), **dtype)
    elif op.init.kind == "constant":
        value = given["val"]
        made = call("torch.full", Sequence(sizes, "("), Const(value if op.dtype.is_float else int(value)), **dtype)
    else:
        made = call("torch.empty", *(sizes or (Const(()),)), **dtype)
        rest = [statement(op.init, weight)]
    if op.kind == "buffer":
        return made, rest
    trained = {} if op.dtype.is_float else {"requires_grad": Const(False)}
    return call("nn.Parameter", made, **trained), rest
