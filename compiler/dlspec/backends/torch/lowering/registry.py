"""The lowerings of operators to PyTorch expressions, by operator class.

A *function* lowering gives the expression of an operator in a ``forward``; a *module* lowering the constructor of an
``nn.Module``. Operators with weights need the second, and are called as members unless they have the first as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from dlspec.backends.torch.python.expressions import Attribute, Name, Py, call
from dlspec.diagnostics import DlspecError
from dlspec.ir.dims import Dim
from dlspec.ir.node import Node
from dlspec.ir.op import Op
from dlspec.ir.program import is_literal
from dlspec.ir.registry import Registry
from dlspec.ir.types import DType
from dlspec.syntax import ast


@dataclass(frozen=True, slots=True, eq=False)
class Ref(Py):
    """A tensor, until it has a variable."""

    value: Any


Item: TypeAlias = "int | str | tuple[int, str | int] | None"
"""A place in what the author wrote for a field: in a list, an argument of an initialiser, a bound of a slice."""


@dataclass(frozen=True, slots=True, eq=False)
class Size(Py):
    """A size of a tensor, until it is known whether it is a number or which tensor has it. ``field`` and ``item`` are
    where the author wrote it, for the node of ``origin`` where that is another."""

    dim: Dim
    field: str = ""
    item: Item = None
    origin: Any = None


class Lower:
    """What a lowering needs to know of the node it lowers.

    ``inplace`` says that the input may be overwritten; ``like`` is a floating-point tensor that is at hand, for the
    device and dtype of tensors that are made, and ``like_type`` its element type.
    """

    def __init__(
        self,
        node: Node,
        like: Py | None,
        like_type: DType | None,
        inplace: bool,
        member: Py | None,
        helpers: set[str],
    ) -> None:
        self.node = node
        self.like = like
        self.like_type = like_type
        self.inplace = inplace
        self.member = member
        self._helpers = helpers

    @property
    def axes(self) -> int:
        """The number of spatial axes of the input."""
        return self.node.inputs[0].type.rank - 2

    def size(self, dim: Dim, field: str = "", item: Item = None) -> Py:
        """A size; with the ``field`` that it comes from, as the author wrote it."""
        return Size(dim, field, item)

    def sizes(self, dims: tuple[Dim, ...], field: str = "") -> tuple[Py, ...]:
        return tuple(self.size(dim, field, item) for item, dim in enumerate(dims))

    def made(self, dtype: DType) -> dict[str, Any]:
        """The keywords that give a new tensor its dtype and device."""
        if self.like is None:
            return {"dtype": Name(f"torch.{dtype.label}")}
        own = dtype.is_float and self.like_type is dtype
        kind = Attribute(self.like, "dtype") if own else Name(f"torch.{dtype.label}")
        return {"dtype": kind, "device": Attribute(self.like, "device")}

    def tensor(self, x: Py) -> Py:
        """A number as a tensor."""
        position = next((i for i, v in enumerate(self.node.inputs) if v.producer), 0)
        return call("torch.tensor", x, **self.made(self.node.inputs[position].type.dtype))

    def helper(self, name: str) -> Name:
        """A function or class that is put at the head of the module."""
        self._helpers.add(name)
        return Name(name)

    def varies(self, field: str) -> bool:
        """Whether an argument was not written as a number."""
        written = self.node.origin.written.get(field)
        return written is not None and not is_literal(written.expression)

    def unsupported(self, message: str, hint: str = "") -> DlspecError:
        """The error to raise for what PyTorch cannot express."""
        return torch_error(message, self.node, hint)


def takes_a_list(node: Node) -> bool:
    """Whether a layer takes a list of the text, and not what branches give."""
    step = node.origin.step
    if node.origin.form != "layer":
        return False
    return isinstance(step, ast.Name) or (isinstance(step, ast.Call) and step.branches is None)


def torch_error(message: str, node: Node, hint: str = "", code: str = "DL0501") -> DlspecError:
    return DlspecError([node.finding(message, hint, code)])


Function: TypeAlias = Callable[[Lower, Any, list[Py]], Py]
ModuleOf: TypeAlias = Callable[[Any, Node], Py | None]
_F = TypeVar("_F", bound=Function)
_M = TypeVar("_M", bound=ModuleOf)

_PLACE = ("dlspec.backends.torch.lowering", "lower_")
FUNCTIONS: Registry[Function] = Registry("lowered to a PyTorch expression", *_PLACE)
MODULES: Registry[ModuleOf] = Registry("lowered to a PyTorch module", *_PLACE)


def lowers(*operators: type[Op]) -> Callable[[_F], _F]:
    """Registers a function lowering. Where people write numbers for its tensors, constants come as Python numbers."""
    return FUNCTIONS.register(*operators)


def makes(*operators: type[Op]) -> Callable[[_M], _M]:
    """Registers a module lowering. It returns None where no ``nn.Module`` does what the node does."""
    return MODULES.register(*operators)
