"""Sizes of tensors as a constructor says them: what the author wrote where they were made, followed through all that
passes them on."""

from __future__ import annotations

from contextlib import suppress
from copy import copy
from functools import cached_property, partial, reduce
from typing import TYPE_CHECKING, Any, cast

from dlspec.backends.torch.plans.flowing import (
    Entry,
    after,
    behind,
    flowing_in,
    found_in,
    gathered_sizes,
    leaving,
    only_turn,
    turn_of,
)
from dlspec.backends.torch.plans.places import homes_of, loop_id
from dlspec.backends.torch.plans.plan import named_inputs
from dlspec.backends.torch.plans.tree import Module, origin
from dlspec.backends.torch.plans.turns import passed_on
from dlspec.backends.torch.python import expressions as py
from dlspec.backends.torch.python.computing import item, of_list
from dlspec.backends.torch.python.evaluate import Unwritten, evaluate
from dlspec.backends.torch.python.expressions import Py
from dlspec.backends.torch.python.names import variable
from dlspec.backends.torch.python.sizes import from_text
from dlspec.backends.torch.python.sums import add, divided, rebuild_all, scaled, times, with_powers
from dlspec.backends.torch.python.symbols import (
    Apart,
    Flowing,
    Leaf,
    Left,
    LoopId,
    Sum,
    Turned,
    leaves,
    signature,
    walk_all,
)
from dlspec.ir.dims import symbols
from dlspec.ir.node import Node, Value
from dlspec.ir.op import Op
from dlspec.ir.program import Names, Written, is_literal
from dlspec.ir.scope import Scope
from dlspec.ops.constant import Param
from dlspec.ops.conv import ConvFunction, ConvTransposeFunction
from dlspec.ops.linear import LinearFunction
from dlspec.ops.scan import source_of
from dlspec.ops.slicing import Split
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.backends.torch.plans.author import AtHand, Author
    from dlspec.backends.torch.plans.probing import Probe

_LONGEST = 16
"""Parts of a size that people still read."""


class Sizing:
    """The sizes of tensors for one place of a module. How expressions are written is the business of `writing.Writing`."""

    def __init__(self, author: Author, module: Module, place: Scope, at_hand: AtHand | None) -> None:
        self.author = author
        self.tree = author.tree
        self.module = module
        self.place = place
        self.at_hand = at_hand
        self.read = place
        """Where what is written stands, in the words of this place or of one that this repeats."""
        self.entered: tuple[Scope, ...] = ()
        """The only turns of loops of which what flows in is asked for."""
        self.entry: Entry | None = None
        """What a turn finds, which is said as such, and the turn."""

    def at(self, module: Module, place: Scope) -> Sizing:
        """The same for another place, of a constructor."""
        made = type(self)(self.author, module, place, None)
        made.entered = self.entered
        return made

    @cached_property
    def _homes(self) -> list[Scope]:
        return homes_of(self.module.scope)

    # For the subclass

    def written(self, written: Written) -> Py:
        raise NotImplementedError

    def translate(self, node: ast.Expression | ast.Slice | ast.Rest, names: Names, time: int) -> Py:
        raise NotImplementedError

    def bound(self, leaf: Leaf, use: Scope) -> Py:
        raise NotImplementedError

    # Sizes

    def size(self, value: Value, axis: int, entry: Entry | None = None) -> Py:
        dim = value.type.shape[axis]
        if not isinstance(dim, int):
            raise Unwritten
        entry = self.entry if entry is None else entry
        key = (value, axis, self.module, self.place if entry is None else entry, self.entered)
        known = self.author.sizes.get(key, self)
        if known is self:
            try:
                known = self._size(value, axis, dim, entry)
                if entry is None:
                    known = _readable(known, dim)
            except Unwritten:
                known = None
            self.author.sizes[key] = known
        if known is None:
            raise Unwritten
        return cast("Py", known)

    def _size(self, value: Value, axis: int, dim: int, entry: Entry | None) -> Py:
        alone: list[LoopId] = []  # the loops of which a turn says its own, as it can where they are written out
        made = self._traced(value, axis, dim, entry, alone)
        return reduce(lambda size, loop: Apart(loop, size), alone, made)

    def _traced(self, value: Value, axis: int, dim: int, entry: Entry | None, alone: list[LoopId]) -> Py:
        while True:
            if entry is not None and value is entry[0]:
                return Leaf(("entry", axis), "entry", dim)
            if entry is not None and passed_on(entry[1]).get(value, value) is not value:
                return found_in(self, value, axis, entry[1])
            only = only_turn(self, value)
            if only is not None and entry is None:
                return flowing_in(self, value, axis, only)
            node = value.producer
            inputs = self.tree.sized(self.module.scope)
            if node is None or value in inputs or not self.inside(node.scope):
                declared = self._declared(value, axis)
                if declared is not None or self.module.parent is None:
                    return py.Const(dim) if declared is None else declared
                if value not in inputs:
                    raise Unwritten
                return Leaf(("size", inputs.index(value), axis), self._called(value, axis), dim)
            way = self.way(node.scope)
            turns = [s for s in way if s.kind == "iteration" and not self.around(s, entry)]
            crossed = next((turn for turn in turns if turn.carried), None)
            child = next((s for s in way if s in self.tree.of_scope and not self.tree.of_scope[s].inline), None)
            alone.clear()
            if crossed is not None and (child is None or way.index(crossed) < way.index(child)):
                if entry is not None and crossed.parent is entry[1].parent:
                    raise Unwritten  # made in another turn, which no word of this one stands for
                try:
                    made = after(self, value, axis, dim, crossed, entry)
                    return behind(self, leaving(self, made, value, axis, crossed), turns[: turns.index(crossed)])
                except Unwritten:
                    alone += (loop_id(turn.parent) for turn in turns if turn.parent and turn.carried)
            if child is not None:
                return behind(self, self._of_child(value, axis, child, entry), turns)
            if node.body is not None:
                value, axis = source_of(value, axis)
                continue
            passed = self._passed(value, node, axis)
            if passed is None:
                reading = copy(self)
                reading.read = node.scope
                return behind(self, reading._made(node, node.outputs.index(value), axis, entry), turns)
            other = self._other(node, passed)
            if other is not None:
                with suppress(Unwritten):
                    return self.size(other, axis, entry)
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

    def _passed(self, value: Value, node: Node, axis: int) -> Value | None:
        """The input that an output has an axis of, of operators that keep their input's shape."""
        kept = node.op.keeps(axis, value.type.rank) if value is node.outputs[0] else None
        if kept is not None:
            return node.inputs[kept]
        if len(node.outputs) != 1 or node.op.out_size is not None or type(node.op) in _OUT_OF:
            return None
        probed = self.author.probed(node)
        if probed is None or probed.types[0].rank <= axis or self._slides(node, axis, probed):
            return None
        return node.inputs[0] if str(probed.types[0].shape[axis]) == f"s0_{axis}" else None

    def _slides(self, node: Node, axis: int, probed: Probe) -> bool:
        """Whether a window gives an axis its size of which something is a setting, though it be that of the input here."""
        return node.op.slides and axis >= 2 and any(map(self.author.settings.behind, probed.pinned))

    def _other(self, node: Node, passed: Value) -> Value | None:
        """Beside what flows in and goes straight on, something of the same size that is made: other instances may have the
        former only where the sizes agree."""
        step = node.origin.step
        if not isinstance(step, ast.Call) or not any(isinstance(part, ast.If) for part in ast.walk(step)):
            return None
        around = [scope for scope in node.scope.ancestors() if self.inside(scope)]
        flows = {scope.flow for scope in around} | {self.module.scope.flow}
        made = (value for value in node.inputs if origin(value) not in flows and value.type.shape == passed.type.shape)
        return next(made, None) if origin(passed) in flows else None

    def _made(self, node: Node, output: int, axis: int, entry: Entry | None) -> Py:
        type_ = node.outputs[output].type
        dim = type_.shape[axis]
        field = node.op.out_size
        if field is not None and axis == node.op.out_axis % type_.rank:
            written = node.origin.written.get(field)
            return py.Const(dim) if written is None else self.written(written)
        last = node.op.last_size(output)
        if last is not None and axis == type_.rank - 1:
            field, times, deciding = last
            said = node.origin.written
            if any(name != field and name in said and not is_literal(said[name].expression) for name in deciding):
                raise Unwritten
            return scaled(py.Const(times), self.written(said[field]))
        if type(node.op) in _OUT_OF and axis == (1 if type_.rank > 2 else type_.rank - 1):
            return self.size(node.inputs[1], _OUT_OF[type(node.op)], entry)
        if isinstance(node.op, Split) and not isinstance(node.op.sections, int) and axis == node.op.dim % type_.rank:
            return self._field(node, "sections", output)
        if isinstance(node.op, Param):
            written = node.origin.written.get("shape")
            if written is None or not isinstance(written.expression, ast.List):
                raise Unwritten
            return self.translate(written.expression.items[axis], written.names, written.time)
        probed = self.author.probed(node)
        if probed is None:
            raise Unwritten
        found = probed.types[output].shape[axis]
        if isinstance(found, int) and probed.pinned and node.inputs and node.inputs[0].type == type_:
            return self.size(node.inputs[0], axis, entry)  # what was written says again what flows in
        gathered = gathered_sizes(self, node, probed.sizes, found) if entry is None else None
        if gathered is not None:
            return gathered
        known: dict[str, Py] = {}
        for name in symbols(found):
            if name in probed.sizes:
                index, place = probed.sizes[name]
                known[name] = self.size(node.inputs[index], place, entry)
            elif name in probed.fields:
                known[name] = self._field(node, *probed.fields[name])
            else:
                raise Unwritten
        if self._slides(node, axis, probed):
            return self._slid(node, axis, entry)
        if str(found) not in probed.sizes and any(map(self.author.settings.behind, probed.pinned)):
            raise Unwritten
        for index, place in (*probed.ones, *(() if str(found) in probed.sizes else probed.numbers)):
            if not isinstance(self.size(node.inputs[index], place, entry), py.Const):
                raise Unwritten
        made = add(with_powers(from_text(str(found), known)))
        turns = dict.fromkeys(turn for turn in map(partial(turn_of, self), node.inputs) if turn is not None)
        loops = [loop for loop, _ in turns]
        for loop in dict.fromkeys(loops):
            made = Apart(loop_id(loop), made) if loops.count(loop) > 1 else made
        return made

    def _slid(self, node: Node, axis: int, entry: Entry | None) -> Py:
        """A size that a window gives of which something is a setting."""
        if getattr(node.op, "ceil_mode", False):
            raise Unwritten

        def part(name: str, default: Py) -> Py:
            number: Any = getattr(node.op, name, None)
            if number is None or number == "valid":
                return default
            of_axis = cast("tuple[Any, ...]", number)[axis - 2] if isinstance(number, tuple) else number
            if type(of_axis) is not int:
                raise Unwritten  # a padding by name, or with another behind
            if name not in node.origin.written:
                return py.Const(of_axis)
            return self._field(node, name, axis - 2 if isinstance(number, tuple) else None)

        same = getattr(node.op, "padding", 0) == "same"
        kernel, padding = part("kernel_size", py.Const(1)), py.Const(0) if same else part("padding", py.Const(0))
        stride, dilation = part("stride", kernel), part("dilation", py.Const(1))
        size = self.size(node.inputs[0], axis, entry)
        whole = isinstance(stride, py.Const) and stride.value == 1
        if same:
            return size if whole else divided(add(size, stride, py.Const(-1)), stride)
        bare = (
            isinstance(padding, py.Const)
            and isinstance(dilation, py.Const)
            and (padding.value, dilation.value) == (0, 1)
        )
        if bare and repr(signature(kernel)) == repr(signature(stride)):
            return divided(size, stride)
        span = add(times(dilation, add(kernel, py.Const(-1))), py.Const(1))
        room = add(size, scaled(py.Const(2), padding), scaled(py.Const(-1), span))
        return add(room if whole else divided(room, stride), py.Const(1))

    def _field(self, node: Node, field: str, place: int | None) -> Py:
        """A size that the author wrote, alone or in a list."""
        written = node.origin.written[field]
        if place is None:
            return self.written(written)
        if isinstance(written.expression, ast.List):
            return self.translate(written.expression.items[place], written.names, written.time)
        return item(self.written(written), py.Const(place))

    def _of_child(self, value: Value, axis: int, use: Scope, entry: Entry | None) -> Py:
        """What a module gives, with the names of the one that makes it."""
        child = self.tree.of_scope[use]
        if child.uses[0] is not use:
            outputs = self.tree.outputs(use)
            value = self.tree.outputs(child.uses[0])[outputs.index(value)] if value in outputs else value
        within = any(scope is child.scope for scope in self.place.ancestors())
        made = self.at(child, self.place if within else child.scope).size(value, axis)
        mine = self.at(self.module, use.parent or use)
        mine.entry = self.entry
        replaced: dict[Any, Py] = {}
        for leaf in leaves(made):
            if leaf.definition is None and leaf.key not in replaced and leaf.key[0] != "comprehended":
                if leaf.key[0] == "size" and entry is not None:
                    replaced[leaf.key] = self.size(self.tree.sized(use)[int(leaf.key[1])], leaf.key[2], entry)
                else:
                    replaced[leaf.key] = mine.bound(leaf, use)
        return substituted(made, replaced)

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
                return of_list(py.call("len", args[0]))
        return of_list(py.call("len", iterable))

    def _called(self, value: Value, axis: int) -> str:
        named = dict(named_inputs(self.module.scope, self.tree))
        given = {value: variable(name) for name, value in self._homes[0].arguments.items() if isinstance(value, Value)}
        flowing = "in" if value is self.module.scope.flow else "outer"
        prefix = named.get(value) or given.get(value, flowing)
        rank = value.type.rank
        if axis == 1:
            return f"{prefix}_{'features' if rank == 2 else 'channels'}"
        if axis == 0:
            return f"{prefix}_size" if rank == 1 else f"{prefix}_batch"
        ends = {rank - 1: "features" if rank == 3 else "width", rank - 2: "height", rank - 3: "depth"}
        return f"{prefix}_{ends.get(axis, f'size{axis}')}"

    # Places

    def inside(self, scope: Scope) -> bool:
        """Whether a scope is in the module, or in the one that it repeats."""
        own = (self.module.scope, self.module.scope.twin)
        return any(around in own for around in scope.ancestors())

    def way(self, scope: Scope) -> list[Scope]:
        """The scopes from the module in to another, outermost first."""
        way: list[Scope] = []
        for each in scope.ancestors():
            if each is self.module.scope:
                break
            way.append(each)
        return way[::-1]

    def around(self, turn: Scope, entry: Entry | None) -> bool:
        """Whether a turn of a loop is around the place that asks."""
        place = self.place if entry is None else entry[1]
        return turn is place or any(scope is turn for scope in place.ancestors())


def _readable(made: Py, dim: int) -> Py:
    """The size, as a number where nothing in it has a name. Raises `Unwritten` for what is wrong, or too long to read."""
    if evaluate(made) != dim or _length(made) > _LONGEST:
        raise Unwritten
    named = any(isinstance(inner, Leaf | Turned | Flowing | Apart) for inner in walk_all(made))
    return made if named else py.Const(dim)


def _length(node: Py) -> int:
    """How many parts of an expression people read: a name is one, whatever it stands for."""
    if isinstance(node, Leaf):
        return 1
    if isinstance(node, Flowing | Left | Apart):
        return _length(node.first if isinstance(node, Flowing) else node.ended if isinstance(node, Left) else node.size)
    if isinstance(node, Sum):
        return 1 + sum(_length(factor) + _length(atom) for factor, atom in node.terms)
    return 1 + sum(map(_length, py.children(node)))


def substituted(node: Py, replaced: dict[Any, Py]) -> Py:
    """The expression with other ones for its leaves."""

    def change(inner: Py) -> Py:
        if isinstance(inner, Leaf):
            return replaced.get(inner.key, inner) if inner.definition is None else change(inner.definition)
        return rebuild_all(inner, change)

    return change(node)


_OUT_OF: dict[type[Op], int] = {ConvFunction: 0, ConvTransposeFunction: 1, LinearFunction: 0}
"""Where their weight has the channels of the output."""
