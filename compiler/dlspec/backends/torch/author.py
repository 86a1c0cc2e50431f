"""Writes constants as the author did: an expression of the text, in the names that a class has where it stands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, cast

from dlspec.backends.torch import python as py
from dlspec.backends.torch.evaluate import CALLS, Unwritten, evaluate, is_constant, same
from dlspec.backends.torch.names import variable
from dlspec.backends.torch.python import Py
from dlspec.backends.torch.sizes import from_text
from dlspec.backends.torch.symbols import (
    Leaf,
    LoopId,
    Turned,
    add,
    ended,
    item_of,
    leaves,
    scaled,
    signature,
    tupled,
    without,
)
from dlspec.backends.torch.tree import Module, Tree
from dlspec.elaborate.constants import CONSTANTS
from dlspec.ir.dims import Expr, symbol
from dlspec.ir.graph import Node, Scope, Value
from dlspec.ir.op import Needs, Op, OpError
from dlspec.ir.program import Binding, Names, Written
from dlspec.ir.types import TensorType
from dlspec.ops.constant import Param
from dlspec.ops.conv import Conv, ConvFunction, ConvTranspose, ConvTransposeFunction
from dlspec.ops.embedding import Embedding
from dlspec.ops.linear import Bilinear, Linear, LinearFunction
from dlspec.syntax import ast

AtHand = Callable[[Value], "Py | None"]
"""The tensors that a forward has in variables."""

_AXES = {"batch": 0, "channels": 1, "features": -1, "width": -1, "length": -1, "height": -2, "depth": -3}
_LONGEST = 16
"""Parts of a size that people still read."""
_OPERATORS = frozenset({"+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in"})


class Author:
    """The author's expressions, for the modules of one graph.

    ``given`` are the parameters that some call gives, by the declaration, and the settings of networks on which their
    structure does not hang.
    """

    def __init__(self, tree: Tree, given: dict[int, Collection[str]]) -> None:
        self.tree = tree
        self.given = given
        self._probed: dict[tuple[Op, tuple[TensorType, ...]], tuple[TensorType, ...] | None] = {}
        self._sizes: dict[tuple[Any, ...], Py | None] = {}
        self._settings: dict[Node, frozenset[str]] = {}
        self._reached = 0
        self._regions: dict[Scope, frozenset[str]] = {}
        self._written: dict[int, tuple[Written, frozenset[str]]] = {}
        self._names: dict[int, tuple[ast.Expression, frozenset[str]]] = {}

    def expression(
        self, written: Written, value: Any, module: Module, place: Scope, at_hand: AtHand | None = None
    ) -> Py:
        """What was written, for a step at a ``place`` inside a module. Raises `Unwritten` where it cannot be said there,
        or would not give the value."""
        made = _Writing(self, module, place, at_hand).written(written)
        if not same(evaluate(made), value):
            raise Unwritten
        return made

    def size(self, value: Value, axis: int, module: Module, place: Scope) -> Py:
        """A size of a tensor as the constructor of a module says it. Raises `Unwritten`."""
        return _Writing(self, module, place, None).size(value, axis % value.type.rank)

    def looped(self, loop: Scope, module: Module) -> Py:
        """What a loop inside a module runs over. Raises `Unwritten`."""
        writing = _Writing(self, module, loop.parent or loop, None)
        if "count" in loop.origin.written:
            return py.call("range", writing.written(loop.origin.written["count"]))
        return writing.written(loop.origin.written["iterable"])

    def bound(self, leaf: Leaf, use: Scope, module: Module) -> Py:
        """What a module gives for a name of another that it makes. Raises `Unwritten`."""
        return _Writing(self, module, use.parent or use, None).bound(leaf, use)

    def settings(self, written: Written) -> frozenset[str]:
        """The settings of the network that something written depends on."""
        if not self.tree.graph.settings:
            return frozenset()
        known = self._written.get(id(written))
        if known is not None:
            return known[1]
        self._written[id(written)] = written, frozenset()  # what names itself adds nothing
        found: set[str] = set()
        for name in self._names_in(written.expression):
            seen = written.names.seen(name, written.time)
            if seen is None:
                continue
            where, binding = seen
            home = self._home(where)
            if binding.written is not None:
                found |= self.settings(binding.written)
            elif where.turn is not None:
                found |= self.settings(where.turn.written)
            elif home is self.tree.graph.root and name in self.tree.graph.settings:
                found.add(name)
            elif home is not None and name in home.origin.written:
                found |= self.settings(home.origin.written[name])
            elif isinstance(binding.value, Value):
                found |= self.settings_of(self.tree.now(binding.value))
        self._written[id(written)] = written, frozenset(found)
        return self._written[id(written)][1]

    def settings_of(self, value: Value) -> frozenset[str]:
        """The settings that the sizes of a tensor may depend on."""
        if not self.tree.graph.settings or value.producer is None:
            return frozenset()
        nodes = self.tree.graph.nodes
        while value.producer not in self._settings and self._reached < len(nodes):
            node = nodes[self._reached]
            self._reached += 1
            parts = [self._settings.get(x.producer, frozenset[str]()) for x in node.inputs if x.producer]
            parts += [self.settings(written) for written in node.origin.written.values()]
            self._settings[node] = frozenset[str]().union(*parts, self._around(node.scope))
        return self._settings.get(value.producer, frozenset())

    def _around(self, scope: Scope) -> frozenset[str]:
        """The settings that the loops and conditions around a place depend on."""
        known = self._regions.get(scope)
        if known is None:
            above = self._around(scope.parent) if scope.parent else frozenset[str]()
            own = scope.origin.written.values() if scope.kind in ("repeat", "for", "if") else ()
            known = self._regions[scope] = above.union(*(self.settings(written) for written in own))
        return known

    def _home(self, names: Names) -> Scope | None:
        return self.tree.home(names)

    def _names_in(self, expression: ast.Expression) -> frozenset[str]:
        known = self._names.get(id(expression))
        if known is None:
            known = self._names[id(expression)] = expression, frozenset(_names_in(expression))
        return known[1]

    def behind(self, leaf: Leaf, use: Scope) -> frozenset[str]:
        """The settings that a name of a module depends on where the module is used."""
        if leaf.key[0] == "size":
            return self.settings_of(self.tree.inputs(use)[int(leaf.key[1])])
        if leaf.key[0] == "turn":
            turn = _turn_of(leaf.key[1], use)
            return self.settings(turn.names.turn.written) if turn and turn.names and turn.names.turn else frozenset()
        written = homes_of(use)[int(leaf.key[1])].origin.written.get(leaf.key[2])
        return frozenset() if written is None else self.settings(written)

    def value(self, leaf: Leaf, use: Scope) -> Any:
        """What a name of a module comes to where the module is used."""
        if leaf.key[0] == "size":
            return self.tree.inputs(use)[int(leaf.key[1])].type.shape[int(leaf.key[2])]
        if leaf.key[0] == "turn":
            around = _turn_of(leaf.key[1], use)
            return None if around is None or around.names is None else around.names.names[leaf.key[2]]
        names = homes_of(use)[int(leaf.key[1])].names
        assert names is not None
        return names.names[leaf.key[2]]

    def probed(self, op: Op, types: tuple[TensorType, ...]) -> tuple[TensorType, ...] | None:
        """What an operator gives for sizes ``s0_1`` and so on; None where it needs numbers."""
        key = (op, types)
        if key not in self._probed:
            self._probed[key] = _probe(op, types, 9) or _probe(op, types, 2)
        return self._probed[key]


def _probe(op: Op, types: tuple[TensorType, ...], axes: int) -> tuple[TensorType, ...] | None:
    """The output types where so many leading axes of the inputs are symbols, unless the operator needs numbers there."""
    try:
        made = op.infer(Needs(), tuple(_symbolic(index, type_, axes) for index, type_ in enumerate(types)))
    except (OpError, TypeError, ValueError, AssertionError, AttributeError):
        return None
    return made if isinstance(made, tuple) else (made,)


def _symbolic(index: int, type_: TensorType, axes: int) -> TensorType:
    shape = (symbol(f"s{index}_{axis}") if axis < axes and size != 1 else size for axis, size in enumerate(type_.shape))
    return type_.with_shape(*shape)


class _Writing:
    """The expressions for one place of a module."""

    def __init__(self, author: Author, module: Module, place: Scope, at_hand: AtHand | None) -> None:
        self.author = author
        self.tree = author.tree
        self.module = module
        self.place = place
        self.at_hand = at_hand
        self._homes = homes_of(module.scope)

    # Expressions

    def written(self, written: Written) -> Py:
        return self.translate(written.expression, written.names, written.time)

    def translate(self, node: ast.Expression | ast.Slice, names: Names, time: int) -> Py:
        """The expression in Python. Raises `Unwritten` for what is no arithmetic of constants and sizes."""

        def inner(part: ast.Expression | ast.Slice) -> Py:
            return self.translate(part, names, time)

        match node:
            case ast.Constant():
                return py.Const(node.value)
            case ast.String(parts=parts) if all(isinstance(part, str) for part in parts):
                return py.Const("".join(cast("tuple[str, ...]", parts)))
            case ast.Name():
                return self._name(node.name, names, time)
            case ast.List():
                made = tuple(map(inner, node.items))
                if all(isinstance(item, py.Const) for item in made):
                    return py.Const(tuple(cast("py.Const", item).value for item in made))
                return py.Sequence(made, "(")
            case ast.Unary():
                operand = inner(node.operand)
                negative = isinstance(operand, py.Const) and type(operand.value) in (int, float)
                if node.operator == "-" and negative:
                    return py.Const(-operand.value)  # type: ignore[union-attr]
                return py.Unary(node.operator, operand)
            case ast.Binary() if node.operator in _OPERATORS:
                left, right = inner(node.left), inner(node.right)
                operator = node.operator
                if operator in ("==", "!=") and any(isinstance(s, py.Const) and s.value is None for s in (left, right)):
                    operator = "is" if operator == "==" else "is not"
                if operator == "+":
                    left, right = _as_tuple(left), _as_tuple(right)
                return _simplified(operator, left, right, node)
            case ast.Attribute():
                return self._attribute(node, names, time)
            case ast.If():
                sides = [_only(node.then), _only(node.otherwise)]
                if None in sides:
                    raise Unwritten
                condition, then, otherwise = inner(node.condition), *map(inner, cast("list[ast.Expression]", sides))
                return py.IfElse(condition, then, otherwise)
            case ast.Index():
                return self._index(node, names, time)
            case ast.Comprehension():
                return self._comprehension(node, names, time)
            case ast.Call(function=ast.Name(name=called), branches=None) if called in CALLS:
                if names.seen(called, time) is not None or any(a.name is not None for a in node.arguments):
                    raise Unwritten
                return py.call(CALLS[called], *(inner(argument.value) for argument in node.arguments))
            case _:
                raise Unwritten

    def _index(self, node: ast.Index, names: Names, time: int) -> Py:
        if isinstance(node.base, ast.Attribute) and len(node.items) == 1 and node.base.name.name == "shape":
            tensor = self._tensor(node.base.base, names, time)
            at = node.items[0]
            place = None if isinstance(at, ast.Slice) else self.translate(at, names, time)
            if isinstance(place, py.Const) and type(place.value) is int and -tensor.type.rank <= place.value:
                return self.dimension(tensor, place.value % tensor.type.rank)
        base = self.translate(node.base, names, time)
        if len(node.items) != 1:
            raise Unwritten
        (item,) = node.items
        if isinstance(item, ast.Slice):
            parts = [None if p is None else self.translate(p, names, time) for p in (item.start, item.stop, item.step)]
            return py.Subscript(base, (py.Slice(*parts),))
        return py.Subscript(base, (self.translate(item, names, time),))

    def _comprehension(self, node: ast.Comprehension, names: Names, time: int) -> Py:
        """Its variables are names of the expression alone."""
        if node.condition is not None:
            raise Unwritten
        iterable = self.translate(node.iterable, names, time)
        values = evaluate(iterable)
        if not isinstance(values, list | tuple) or not values:
            raise Unwritten
        first = cast("list[Any]", values)[0]
        targets = [target.name for target in node.targets]
        parts = [first] if len(targets) == 1 else list(first)
        inner = Names(names, dict(zip(targets, parts, strict=True)))
        inner.turn = _COMPREHENDED
        item = self.translate(node.item, inner, time)
        return py.Comprehension(item, ", ".join(map(variable, targets)), iterable)

    # Names

    def _name(self, name: str, names: Names, time: int) -> Py:
        found = names.seen(name, time)
        if found is None:
            if name == "pi":
                return py.Name("math.pi")
            if name in CONSTANTS:
                return py.Const(CONSTANTS[name])
            raise Unwritten
        where, binding = found
        if where.turn is _COMPREHENDED:
            return Leaf(("comprehended", variable(name)), variable(name), binding.value)
        home = self._home(where)
        if binding.written is not None and home is not None:
            return self._local(name, home, where, binding)
        if where.turn is not None:
            return self._turn(name, where, binding.value)
        if home is not None and name in home.origin.written:
            return self._parameter(name, home, binding.value)
        if home is not None and isinstance(binding.value, int | Expr) and name[:1].isupper():
            return self._symbol(name, home)
        return _constant(binding.value)

    def _home(self, names: Names) -> Scope | None:
        return self.tree.home(names)

    def _up(self, home: Scope) -> int | None:
        """How many declarations out a body is; None for one that is written out inside the module."""
        return next((up for up, scope in enumerate(self._homes) if scope is home), None)

    def _parameter(self, name: str, home: Scope, value: Any) -> Py:
        written = home.origin.written[name]
        up = self._up(home)
        if up is None:
            return self.written(written)
        if not is_constant(value):
            raise Unwritten
        given = home.template is not None and name in self.author.given.get(id(home.template.declaration), ())
        if not given and home is self.tree.graph.root:
            return _constant(value)
        if not given:
            return self.written(written)
        return Leaf(("name", up, name, 0), variable(name), value)

    def _local(self, name: str, home: Scope, where: Names, binding: Binding) -> Py:
        written = binding.written
        assert written is not None
        made = self.written(written)
        if binding.part is not None:
            made = py.Subscript(made, (py.Const(binding.part),))
        up = self._up(home)
        versions = where.history[name]
        plain = isinstance(made, py.Const | Leaf) or not any(True for _ in leaves(made))
        indexed = any(isinstance(inner, Turned) for inner in py.walk(made))
        if self.at_hand is not None:
            try:
                kept = _Writing(self.author, self.module, self.place, None)._local(name, home, where, binding)
            except Unwritten:
                return made
            return kept if isinstance(kept, Leaf) else made
        if up is None or plain or indexed or len(versions) > 1 or where.turn is not None:
            return made
        if not is_constant(binding.value):
            raise Unwritten
        own = up == 0 and self.module.scope is home
        return Leaf(("name", up, name, 1), variable(name), binding.value, made if own else None)

    def _turn(self, name: str, where: Names, value: Any) -> Py:
        iteration, index = self.tree.turns.get(where, (None, 0))
        if not is_constant(value):
            raise Unwritten
        if iteration is None or iteration.parent is None:
            return _constant(value)
        loop = loop_id(iteration.parent)
        if self._inside(iteration):
            return Turned(loop, variable(name), index, value, self._found(where, name))
        return Leaf(("turn", loop, name), variable(name), value)

    def _found(self, where: Names, name: str) -> Callable[[Py], Py] | None:
        turn = where.turn
        if turn is None or not isinstance(turn.step, ast.For):
            return None
        targets = [target.name for target in turn.step.targets]
        try:
            iterable = self.written(turn.written)
        except Unwritten:
            return None
        return item_of(iterable, None if len(targets) == 1 else targets.index(name))

    def _symbol(self, name: str, home: Scope) -> Py:
        """A size that a type names, as in ``skip: float[N, C, H, W]``."""
        for parameter in home.template.parameters if home.template else ():
            for axis, each in enumerate((parameter.type.axes if parameter.type else None) or ()):
                tensor = self.tree.now(home.names.names.get(parameter.name.name)) if home.names else None
                if isinstance(each.size, ast.Name) and each.size.name == name and isinstance(tensor, Value):
                    return self.dimension(tensor, axis)
        raise Unwritten

    def bound(self, leaf: Leaf, use: Scope) -> Py:
        """What stands for a leaf of a module where it is used."""
        if leaf.key[0] == "size":
            return self.size(self.tree.inputs(use)[int(leaf.key[1])], leaf.key[2])
        if leaf.key[0] == "turn":
            around = _turn_of(leaf.key[1], use)
            if around is None or around.names is None:
                raise Unwritten
            return self._turn(leaf.key[2], around.names, around.names.names[leaf.key[2]])
        name: str = leaf.key[2]
        home = homes_of(use)[int(leaf.key[1])]
        if home.names is None:
            raise Unwritten
        history = home.names.history.get(name)
        if leaf.key[3]:
            return self._local(name, home, home.names, history[-1]) if history else _missing()
        return self._parameter(name, home, history[0].value if history else home.names.names[name])

    # Tensors

    def _tensor(self, node: ast.Expression, names: Names, time: int) -> Value:
        found = names.seen(node.name, time) if isinstance(node, ast.Name) else None
        tensor = None if found is None else self.tree.now(found[1].value)
        if not isinstance(tensor, Value):
            raise Unwritten
        return tensor

    def _attribute(self, node: ast.Attribute, names: Names, time: int) -> Py:
        tensor, wanted = self._tensor(node.base, names, time), node.name.name
        rank = tensor.type.rank
        if wanted == "rank":
            return py.Const(rank)
        if wanted in ("shape", "spatial"):
            first = 0 if wanted == "shape" else 2
            ready = self.at_hand(tensor) if self.at_hand else None
            if ready is not None:
                shape: Py = py.Attribute(ready, "shape")
                asked = py.Subscript(shape, (py.Slice(py.Const(2), None),)) if first else shape
                return Leaf(("shape", signature(ready), wanted), "shape", list(tensor.type.shape[first:]), asked)
            return py.Sequence(tuple(self.dimension(tensor, axis) for axis in range(first, rank)), "(")
        if wanted not in _AXES or not -rank <= _AXES[wanted] < rank:
            raise Unwritten
        return self.dimension(tensor, _AXES[wanted] % rank)

    def dimension(self, tensor: Value, axis: int) -> Py:
        """A size: of a tensor at hand, or as the constructor knows it."""
        ready = self.at_hand(tensor) if self.at_hand else None
        if ready is None:
            return self.size(tensor, axis)
        asked = py.Subscript(py.Attribute(ready, "shape"), (py.Const(axis),))
        return Leaf(("shape", signature(ready), axis), "shape", tensor.type.shape[axis], asked)

    # Sizes

    def size(self, value: Value, axis: int, entry: tuple[Value, Scope] | None = None) -> Py:
        dim = value.type.shape[axis]
        if not isinstance(dim, int):
            raise Unwritten
        key = (value, axis, self.module, self.place if entry is None else entry[1], entry is None)
        known = self.author._sizes.get(key, self)  # pyright: ignore[reportPrivateUsage]
        if known is self:
            try:
                known = self._size(value, axis, dim, entry)
                if entry is None:
                    known = _readable(known, dim)
            except Unwritten:
                known = None
            self.author._sizes[key] = known  # pyright: ignore[reportPrivateUsage]
        if known is None:
            raise Unwritten
        return cast("Py", known)

    def _size(self, value: Value, axis: int, dim: int, entry: tuple[Value, Scope] | None) -> Py:
        while True:
            if entry is not None and value is entry[0]:
                return Leaf(("entry", axis), "entry", dim)
            node = value.producer
            inputs = self.tree.inputs(self.module.scope)
            if node is None or not self._inside(node.scope):
                declared = self._declared(value, axis)
                if declared is not None or self.module.parent is None:
                    return py.Const(dim) if declared is None else declared
                if value not in inputs:
                    raise Unwritten
                return Leaf(("size", inputs.index(value), axis), self._called(value, axis), dim)
            way = self._way(node.scope)
            crossed = next((s for s in way if s.kind == "iteration" and not self._around(s, entry)), None)
            child = next((s for s in way if s in self.tree.of_scope and not self.tree.of_scope[s].inline), None)
            if crossed is not None and (child is None or way.index(crossed) < way.index(child)):
                try:
                    return self._after(value, axis, dim, crossed)
                except Unwritten:
                    pass  # of a loop that is written out each turn can say its own
            if child is not None:
                return self._of_child(value, axis, child, entry)
            passed = self._passed(node, axis)
            if passed is None:
                return self._made(node, node.outputs.index(value), axis, entry)
            value = passed  # what only passes a size on, however long the chain

    def _declared(self, value: Value, axis: int) -> Py | None:
        """A size of an input as the signature of a network has it, unless that is a symbol."""
        scope = self.module.scope
        if scope.kind != "network" or scope.names is None or scope.template is None:
            return None
        root = self.module.parent is None
        name = value.name if root else next((n for n, v in scope.inputs.items() if v is value), "")
        for parameter in scope.template.parameters:
            if parameter.name.name == name and parameter.type is not None and parameter.type.axes:
                size = parameter.type.axes[axis].size
                if isinstance(size, ast.Name) and size.name[:1].isupper():
                    return None
                return self.written(Written(size, scope.names))
        return None

    def _passed(self, node: Node, axis: int) -> Value | None:
        """The input that an output has an axis of, of operators that keep their input's shape."""
        if len(node.outputs) != 1 or _out_size(node.op) is not None or type(node.op) in _OUT_OF:
            return None
        probed = self.author.probed(node.op, tuple(value.type for value in node.inputs))
        same_axis = probed is not None and probed[0].rank > axis and str(probed[0].shape[axis]) == f"s0_{axis}"
        return node.inputs[0] if same_axis else None

    def _made(self, node: Node, output: int, axis: int, entry: tuple[Value, Scope] | None) -> Py:
        type_ = node.outputs[output].type
        dim = type_.shape[axis]
        channel = type_.rank - 1 if not _channels_first(node) else min(1, type_.rank - 1)
        field = _out_size(node.op)
        if field is not None and axis == channel:
            written = node.origin.written.get(field)
            return py.Const(dim) if written is None else self.written(written)
        if type(node.op) in _OUT_OF and axis == (1 if type_.rank > 2 else type_.rank - 1):
            return self.size(node.inputs[1], _OUT_OF[type(node.op)], entry)
        if isinstance(node.op, Param):
            written = node.origin.written.get("shape")
            if written is None or not isinstance(written.expression, ast.List):
                raise Unwritten
            return self.translate(written.expression.items[axis], written.names, written.time)
        probed = self.author.probed(node.op, tuple(value.type for value in node.inputs))
        if probed is None:
            if _out_size(node.op) is not None:
                raise Unwritten
            return self._like(node, axis, dim, entry)
        found = probed[output].shape[axis]
        if isinstance(found, int):
            return py.Const(found)

        def known(index: int, place: int) -> Py:
            return self.size(node.inputs[index], place, entry)

        wanted = {str(name): tuple(map(int, str(name)[1:].split("_"))) for name in _symbols(found)}
        return add(from_text(str(found), {name: known(*place) for name, place in wanted.items()}))

    def _like(self, node: Node, axis: int, dim: Any, entry: tuple[Value, Scope] | None) -> Py:
        """Operators that need the number of their channels (norms) give as many as they take."""
        x = node.inputs[0] if node.inputs else None
        if x is not None and x.type == node.outputs[0].type and len(node.outputs) == 1:
            return self.size(x, axis, entry)
        raise Unwritten

    def _of_child(self, value: Value, axis: int, use: Scope, entry: tuple[Value, Scope] | None) -> Py:
        """What a module gives, with the names of the one that makes it."""
        child = self.tree.of_scope[use]
        if child.uses[0] is not use:
            outputs = self.tree.outputs(use)
            value = self.tree.outputs(child.uses[0])[outputs.index(value)] if value in outputs else value
        made = _Writing(self.author, child, child.scope, None).size(value, axis)
        mine = _Writing(self.author, self.module, use.parent or use, None)
        replaced: dict[Any, Py] = {}
        for leaf in leaves(made):
            if leaf.definition is None and leaf.key not in replaced:
                if leaf.key[0] == "size" and entry is not None:
                    replaced[leaf.key] = self.size(self.tree.inputs(use)[int(leaf.key[1])], leaf.key[2], entry)
                else:
                    replaced[leaf.key] = mine.bound(leaf, use)
        return substituted(made, replaced)

    def _after(self, value: Value, axis: int, dim: int, turn: Scope) -> Py:
        """The size of what comes out of a turn of a loop: the same each time, or so much more than what flowed in."""
        loop = turn.parent
        assert loop is not None
        turns = [scope for scope in loop.children if isinstance(scope, Scope)]
        k, flowing, begun = turns.index(turn), turn.flow, turns[0].flow
        if flowing is None or begun is None or axis >= flowing.type.rank:
            raise Unwritten
        inside = _Writing(self.author, self.module, turn, None)
        body = inside.size(value, axis, (flowing, turn))
        around = next((s for s in self.place.ancestors() if s.parent is loop and s.kind == "iteration"), None)
        own = loop_id(loop)
        if around is None:
            if k != len(turns) - 1:
                raise Unwritten
            count: Py | None = None
        elif turns.index(around) != k + 1:
            raise Unwritten
        else:
            count = Turned(own, "", k + 1, k + 1)
        rest, grows = without(body, lambda atom: isinstance(atom, Leaf) and atom.key == ("entry", axis))
        if any(leaf.key[0] == "entry" for leaf in leaves(rest)):
            raise Unwritten
        if not grows:
            if around is not None:
                return rest
            try:
                return ended(rest, own, k, self.turns_of(loop))
            except LookupError:
                raise Unwritten from None
        if any(isinstance(inner, Turned) and inner.loop == own for inner in walk_all(rest)):
            raise Unwritten
        before = _Writing(self.author, self.module, loop.parent or loop, None).size(begun, axis)
        return add(before, scaled(self.turns_of(loop) if count is None else count, rest))

    def turns_of(self, loop: Scope) -> Py:
        """How often a loop runs."""
        written = loop.origin.written
        if "count" in written:
            return self.written(written["count"])
        iterable = self.written(written["iterable"])
        if isinstance(iterable, py.Call) and isinstance(iterable.function, py.Name):
            called, args = iterable.function.text, iterable.args
            if called == "range" and len(args) == 1:
                return args[0]
            if called in ("enumerate", "zip"):
                return py.call("len", args[0])
        return py.call("len", iterable)

    def _called(self, value: Value, axis: int) -> str:
        from dlspec.backends.torch.plan import named_inputs

        prefix = next(name for known, name in named_inputs(self.module.scope, self.tree) if known is value)
        rank = value.type.rank
        if axis == 1:
            return f"{prefix}_{'features' if rank == 2 else 'channels'}"
        if axis == 0:
            return f"{prefix}_size" if rank == 1 else f"{prefix}_batch"
        ends = {rank - 1: "features" if rank == 3 else "width", rank - 2: "height", rank - 3: "depth"}
        return f"{prefix}_{ends.get(axis, f'size{axis}')}"

    # Places

    def _inside(self, scope: Scope) -> bool:
        return scope is self.module.scope or any(s is self.module.scope for s in scope.ancestors())

    def _way(self, scope: Scope) -> list[Scope]:
        """The scopes from the module in to another, outermost first."""
        way: list[Scope] = []
        for each in scope.ancestors():
            if each is self.module.scope:
                break
            way.append(each)
        return way[::-1]

    def _around(self, turn: Scope, entry: tuple[Value, Scope] | None) -> bool:
        """Whether a turn of a loop is around the place that asks."""
        place = self.place if entry is None else entry[1]
        return turn is place or any(scope is turn for scope in place.ancestors())


def _readable(made: Py, dim: int) -> Py:
    """The size, as a number where nothing in it has a name. Raises `Unwritten` for what is wrong, or too long to read."""
    if evaluate(made) != dim or sum(1 for _ in walk_all(made)) > _LONGEST:
        raise Unwritten
    named = any(isinstance(inner, Leaf | Turned) for inner in walk_all(made))
    return made if named else py.Const(dim)


class _Comprehended:
    step: Any = None


_COMPREHENDED: Any = _Comprehended()


def homes_of(scope: Scope) -> list[Scope]:
    """The instances of blocks and networks around a place, innermost first."""
    return [around for around in scope.ancestors() if around.kind in ("block", "network")]


def _missing() -> Py:
    raise Unwritten


def loop_id(loop: Scope) -> LoopId:
    return loop.span.source.name, loop.span.start, loop.span.end


def _as_tuple(node: Py) -> Py:
    """A list that is joined to another: as a tuple, which shapes are."""
    if not isinstance(node, py.Comprehension):
        return node
    return py.call("tuple", py.Comprehension(node.item, node.target, node.iterable, ""))


def _simplified(operator: str, left: Py, right: Py, node: ast.Binary) -> Py:
    """The operation, without what a default that stands in for a name makes of it: `planes * 64 // 64`."""
    made = py.Binary(operator, left, right)
    sides = ((left, node.left), (right, node.right))
    stands_in = any(isinstance(side, py.Const) and not isinstance(text, ast.Constant) for side, text in sides)
    if stands_in and isinstance(left, py.Const) and isinstance(right, py.Const):
        value = evaluate(made)
        return py.Const(tupled(value)) if is_constant(value) else made
    if not isinstance(right, py.Const) or type(right.value) is not int:
        return made
    if right.value == 1 and operator in ("*", "//", "**") and stands_in:
        return left
    if operator == "//" and isinstance(left, py.Binary) and left.operator == "*" and isinstance(left.right, py.Const):
        return left.left if same(left.right.value, right.value) else made
    return made


def _turn_of(loop: LoopId, use: Scope) -> Scope | None:
    """The turn of a loop that is around a place."""
    return next((s for s in use.ancestors() if s.kind == "iteration" and s.parent and loop_id(s.parent) == loop), None)


def substituted(node: Py, replaced: dict[Any, Py]) -> Py:
    """The expression with other ones for its leaves."""
    from dlspec.backends.torch.symbols import rebuild_all

    def change(inner: Py) -> Py:
        if isinstance(inner, Leaf):
            return replaced.get(inner.key, inner) if inner.definition is None else change(inner.definition)
        return rebuild_all(inner, change)

    return change(node)


def walk_all(node: Py) -> Iterable[Py]:
    from dlspec.backends.torch.symbols import Sum

    for inner in py.walk(node):
        yield inner
        if isinstance(inner, Sum):
            for factor, atom in inner.terms:
                yield from walk_all(factor)
                yield from walk_all(atom)


def _symbols(dim: Any) -> Iterable[str]:
    from dlspec.ir.dims import symbols

    return symbols(dim)


_OUT: dict[type[Op], str] = {
    Conv: "out_channels", ConvTranspose: "out_channels", Linear: "out_features", Bilinear: "out_features",
    Embedding: "embedding_dim",
}  # fmt: skip


_OUT_OF: dict[type[Op], int] = {ConvFunction: 0, ConvTransposeFunction: 1, LinearFunction: 0}
"""Where their weight has the channels of the output."""


def _out_size(op: Op) -> str | None:
    return _OUT.get(type(op))


def _channels_first(node: Node) -> bool:
    return isinstance(node.op, Conv | ConvTranspose)


def _names_in(node: object) -> set[str]:
    """The names in an expression."""
    found: set[str] = set()
    stack = [node]
    while stack:
        inner = stack.pop()
        if isinstance(inner, ast.Name):
            found.add(inner.name)
        elif isinstance(inner, ast.Node):
            stack += [getattr(inner, name) for name in inner.fields if name != "span"]
        elif isinstance(inner, tuple):
            stack += inner  # pyright: ignore[reportUnknownArgumentType]
    return found


def _constant(value: Any) -> Py:
    if not is_constant(value):
        raise Unwritten
    return py.Const(tupled(value))


def _only(body: ast.Body | None) -> ast.Expression | None:
    if body is None or len(body.statements) != 1 or not isinstance(body.statements[0], ast.Evaluate):
        return None
    return body.statements[0].value
