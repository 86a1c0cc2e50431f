"""The layers and weights inside a shared layer, as `nn.Module` goes through them, and how they are reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from dlspec.backends.torch.lowering.lower_modules import module_of
from dlspec.backends.torch.plans.tree import Module
from dlspec.backends.torch.plans.weighed import Made
from dlspec.backends.torch.python.evaluate import Unwritten
from dlspec.backends.torch.python.expressions import Call, Const, Name, Py, Sequence, call
from dlspec.backends.torch.python.symbols import ClassOf
from dlspec.elaborate.builder import join
from dlspec.elaborate.values import BlockLayer, OpLayer
from dlspec.ir.node import Node
from dlspec.ops import LAYERS
from dlspec.ops.constant import Param
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.backends.torch.plans.making import Making


@dataclass(frozen=True, slots=True)
class Place:
    """A layer or a weight of a network, by its path."""

    path: str


class Holders:
    """What one module finds in others."""

    def __init__(self, making: Making) -> None:
        self.making = making
        self.tree = making.tree

    def _layers(self, base: Py, path: str, kind: str, value: Any) -> Made:
        """`layers_of(module, nn.Conv2d)`, with what that finds."""
        if isinstance(value, BlockLayer):
            declared = value.declaration
            blocks = [m for m in self._modules(path) if isinstance(m, Module) and _is_of(m, declared)]
            if not all(block.opens_class for block in blocks):
                raise Unwritten
            return call("layers_of", base, ClassOf(declared)), [Place(block.path) for block in blocks]
        op, pinned = (value.op, value.pinned) if isinstance(value, OpLayer) else LAYERS[kind]
        nodes = [(at, node) for at, node in self._nodes(path) if not isinstance(node.op, Param)]
        called = {at: self._class(node) for at, node in nodes}
        alike = [n for _, n in nodes if type(n.op) is op and pinned in (None, n.inputs[0].type.rank - 2)]
        classes = sorted({self._class(node) for node in alike})
        if not classes or any("." in weight.path[len(at) + 1 :] for at, node in nodes for weight in node.weights):
            raise Unwritten  # a layer of PyTorch that has layers inside
        which = Name(classes[0]) if len(classes) == 1 else Sequence(tuple(map(Name, classes)), "(")
        return call("layers_of", base, which), [Place(at) for at, _ in nodes if called[at] in classes]

    def _class(self, node: Node) -> str:
        make = module_of(node)
        made = make(node.op, node) if make is not None else None
        if not isinstance(made, Call) or not isinstance(made.function, Name):
            raise Unwritten
        return made.function.text

    def _weights(self, path: str) -> Iterator[str]:
        found: dict[str, None] = {}
        for at, node in self._nodes(path):
            own = [weight for weight in node.weights if weight.kind == "param"]
            found |= dict.fromkeys(weight.path for weight in own if not isinstance(node.op, Param) or weight.path == at)
        yield from found

    def _modules(self, path: str) -> Iterator[Module | tuple[str, Node]]:
        """What is at a path and below, as `nn.Module` goes through it: weights of its own first."""
        module = self.tree.modules.get(path)
        if module is None:
            home, _, label = path.rpartition(".")
            node = self.tree.modules[home].members[label]
            assert isinstance(node, Node)
            yield path, node
            return
        yield module
        members = [(join(path, label), member) for label, member in module.members.items()]
        own = [(at, m) for at, m in members if isinstance(m, Node) and isinstance(m.op, Param)]
        yield from own
        for at, member in members:
            if (at, member) not in own:
                yield from self._modules(at)

    def _nodes(self, path: str) -> Iterator[tuple[str, Node]]:
        return (each for each in self._modules(path) if not isinstance(each, Module))

    # How they are reached

    def _direct(self, path: str) -> Py:
        home, _, label = path.rpartition(".")
        return self.making.access(self.tree.modules[home], label)

    def _spread(self, value: Any) -> Py:
        """What is written out, layer by layer."""
        if isinstance(value, list):
            return Sequence(tuple(map(self._spread, cast("list[Any]", value))))
        return self._direct(value.path) if isinstance(value, Place) else Const(value)

    def _reached(self, base: Py, around: str, path: str) -> Py:
        """What is inside a layer that is at hand."""
        where: Module | Node | None = self.tree.modules.get(around)
        for part in path[len(around) + 1 :].split("."):
            base = self.making.part(base, where, part)
            where = where.members.get(part) if isinstance(where, Module) else None
        return base


def _is_of(module: Module, declared: ast.Node) -> bool:
    return module.scope.template is not None and module.scope.template.declaration is declared
