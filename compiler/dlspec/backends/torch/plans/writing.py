"""The author's expressions in Python, in the names that a class has where they stand."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import islice
from operator import getitem
from typing import Any, cast

from dlspec.backends.torch.plans.places import homes_of, loop_id, turn_of
from dlspec.backends.torch.plans.sizing import Sizing
from dlspec.backends.torch.plans.tree import Module
from dlspec.backends.torch.plans.weighed import AXES
from dlspec.backends.torch.python import expressions as py
from dlspec.backends.torch.python.computing import item, of_list, tupled
from dlspec.backends.torch.python.evaluate import CALLS, Unwritten, evaluate, is_constant, same
from dlspec.backends.torch.python.expressions import Py
from dlspec.backends.torch.python.looped import item_of
from dlspec.backends.torch.python.names import variable
from dlspec.backends.torch.python.symbols import Leaf, Turned, joined, leaves, signature, walk_all
from dlspec.backends.torch.python.targets import kept, targets_of
from dlspec.elaborate.constants import CONSTANTS, NumberInfo
from dlspec.ir.dims import Expr
from dlspec.ir.node import Value
from dlspec.ir.program import Binding, Names, Written
from dlspec.ir.scope import Scope
from dlspec.syntax import ast

_OPERATORS = frozenset({"+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in"})


_MOST = 60
"""Parts of what a name stands for that people still read where it is written out."""


class _Comprehended:
    step: Any = None


_COMPREHENDED: Any = _Comprehended()


class Writing(Sizing):
    """The expressions for one place of a module."""

    # Expressions

    def written(self, written: Written) -> Py:
        return self.translate(written.expression, written.names, written.time)

    def translate(self, node: ast.Expression | ast.Slice | ast.Rest, names: Names, time: int) -> Py:
        """The expression in Python. Raises `Unwritten` for what is no arithmetic of constants and sizes."""

        def inner(part: ast.Expression | ast.Slice | ast.Rest) -> Py:
            return self.translate(part, names, time)

        match node:
            case ast.Constant():
                return py.Const(node.value)
            case ast.String(parts=parts) if all(isinstance(part, str) for part in parts):
                return py.Const("".join(cast("tuple[str, ...]", parts)))
            case ast.String():
                return self._text(node, names, time)
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
                if operator in ("+", "==", "!="):
                    left, right = _as_tuple(left), _as_tuple(right)
                return _simplified(operator, left, right, node)
            case ast.Attribute(base=ast.Call(function=ast.Name(name="finfo"), arguments=(argument,))):
                return self._number_info(node, argument.value, names, time)
            case ast.Attribute():
                return self._attribute(node, names, time)
            case ast.If():
                sides = [_only(node.then), _only(node.otherwise)]
                if None in sides:
                    raise Unwritten
                then, otherwise = cast("list[ast.Expression]", sides)
                condition = inner(node.condition)
                if isinstance(condition, py.Const):  # of what is the same in each instance
                    return inner(then if condition.value else otherwise)
                return py.IfElse(condition, inner(then), inner(otherwise))
            case ast.Index():
                return self._index(node, names, time)
            case ast.Comprehension():
                return self._comprehension(node, names, time)
            case ast.Call(function=ast.Name(name=called), branches=None) if called in CALLS or called == "reversed":
                if names.seen(called, time) is not None or any(a.name is not None for a in node.arguments):
                    raise Unwritten
                if called == "reversed":
                    return _reversed([inner(argument.value) for argument in node.arguments])
                made = py.call(CALLS[called], *(inner(argument.value) for argument in node.arguments))
                return made if any(isinstance(a.value, ast.List) for a in node.arguments) else of_list(made)
            case _:
                raise Unwritten

    def label(self, written: Written) -> Py:
        """A label with expressions in it. Raises `Unwritten`, also where a text is inside one: it would end the label."""
        return self.translate(written.expression, written.names, written.time)

    def _text(self, node: ast.String, names: Names, time: int) -> Py:
        parts: list[str | Py] = []
        for part in node.parts:
            made = part if isinstance(part, str) else self.translate(part, names, time)
            if isinstance(made, py.Label):
                parts += made.parts
                continue
            inside = () if isinstance(made, str | py.Const) else walk_all(made)
            if any(isinstance(each, py.Label) or (isinstance(each, py.Const) and _is_text(each)) for each in inside):
                raise Unwritten
            parts.append(made)
        return joined(tuple(parts))

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
            return of_list(py.Subscript(base, (py.Slice(*parts),)))
        return of_list(py.Subscript(base, (self.translate(item, names, time),)))

    def _comprehension(self, node: ast.Comprehension, names: Names, time: int) -> Py:
        """Its variables are names of the expression alone."""
        clause = node.clauses[0]
        if clause.conditions or len(node.clauses) > 1:
            raise Unwritten
        iterable = self.translate(clause.iterable, names, time)
        values = evaluate(iterable)
        if not isinstance(values, list | tuple) or not values:
            raise Unwritten
        first = cast("list[Any]", values)[0]
        inner = Names(names, {n.name: reduce(getitem, place, first) for n, place in ast.paths_of(clause.targets)})
        inner.turn = _COMPREHENDED
        item = self.translate(node.item, inner, time)
        used = {leaf.name for leaf in leaves(item)}
        return py.Comprehension(item, ", ".join(kept(each, used) for each in targets_of(clause.targets)), iterable)

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
        """The instance in whose body names are: the one around this place, where they are those of its twin."""
        home = self.tree.home(names)
        return next((scope for scope in self._homes if scope.twin is home), home) if home is not None else None

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
        if sum(1 for _ in islice(walk_all(made), _MOST + 1)) > _MOST:
            raise Unwritten  # `ws = ws + ws`, again and again
        for place in binding.place:
            made = item(made, py.Const(place))
        up = self._up(home)
        versions = where.history[name]
        plain = isinstance(made, py.Const | Leaf) or not any(True for _ in leaves(made))
        indexed = any(isinstance(inner, Turned) for inner in py.walk(made))
        if self.at_hand is not None:
            try:
                kept = Writing(self.author, self.module, self.place, None)._local(name, home, where, binding)
            except Unwritten:
                return made
            return kept if isinstance(kept, Leaf) else made
        if up is None or plain or indexed or len(versions) > 1 or where.turn is not None:
            return made
        if not is_constant(binding.value):
            raise Unwritten
        own = up == 0 and self.module.scope is home
        return Leaf(("name", up, name, 1), variable(name), binding.value, _as_tuple(made) if own else None)

    def _turn(self, name: str, where: Names, value: Any) -> Py:
        iteration, index = self.tree.turns.get(where, (None, 0))
        if not is_constant(value):
            raise Unwritten
        if iteration is None or iteration.parent is None:
            return self._of_comprehension(name, where, value)
        loop = loop_id(iteration.parent)
        if self.inside(iteration):
            return Turned(loop, variable(name), index, value, self._found(where, name))
        return Leaf(("turn", loop, name), variable(name), value)

    def _of_comprehension(self, name: str, where: Names, value: Any) -> Py:
        """A variable of a comprehension that makes layers: its item of what is looped over."""
        turn = where.turn
        if turn is None or not self.author.settings.behind(turn.written):
            return _constant(value)
        if not isinstance(turn.step, ast.Clause):
            raise Unwritten
        place = next(place for each, place in ast.paths_of(turn.step.targets) if each.name == name)
        try:
            made = item_of(self.written(turn.written), place)(py.Const(turn.index))
        except (LookupError, TypeError, ValueError):
            raise Unwritten from None
        if not same(evaluate(made), value):
            raise Unwritten
        return made

    def _found(self, where: Names, name: str) -> Callable[[Py], Py] | None:
        turn = where.turn
        if turn is None or not isinstance(turn.step, ast.For | ast.Clause):
            return None
        try:
            iterable = Writing(self.author, self._class_around(), self.place, None).written(turn.written)
        except Unwritten:
            return None
        return item_of(iterable, next(place for each, place in ast.paths_of(turn.step.targets) if each.name == name))

    def _class_around(self) -> Module:
        """The module in whose class this stands: an `nn.Sequential` is made in that around it."""
        module = self.module
        while module.chain and module.scope.kind == "level" and module.parent is not None:
            module = module.parent
        return module

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
            return self.size(self.tree.sized(use)[int(leaf.key[1])], leaf.key[2])
        if leaf.key[0] == "turn":
            around = turn_of(leaf.key[1], use)
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
        # A turn may repeat the second, and a block in it that of the first.
        repeats = map(self.tree.counterparts, self.read.ancestors())
        return next((known[tensor] for known in repeats if tensor in known), tensor)

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
        if wanted not in AXES or not -rank <= AXES[wanted] < rank:
            raise Unwritten
        return self.dimension(tensor, AXES[wanted] % rank)

    def _number_info(self, node: ast.Attribute, of: ast.Expression, names: Names, time: int) -> Py:
        """`finfo(x.dtype).min` of a tensor at hand."""
        if not isinstance(of, ast.Attribute) or of.name.name != "dtype" or names.seen("finfo", time) is not None:
            raise Unwritten
        tensor = self._tensor(of.base, names, time)
        ready = self.at_hand(tensor) if self.at_hand else None
        if ready is None:
            raise Unwritten
        value = NumberInfo(tensor.type.dtype).part(node.name.name)
        asked = py.Attribute(py.call("torch.finfo", py.Attribute(ready, "dtype")), node.name.name)
        return Leaf(("shape", signature(ready), f"finfo.{node.name.name}"), node.name.name, value, asked)

    def dimension(self, tensor: Value, axis: int) -> Py:
        """A size: of a tensor at hand, or as the constructor knows it."""
        ready = self.at_hand(tensor) if self.at_hand else None
        if ready is None:
            return self.size(tensor, axis)
        asked = py.Subscript(py.Attribute(ready, "shape"), (py.Const(axis),))
        return Leaf(("shape", signature(ready), axis), "shape", tensor.type.shape[axis], asked)


def _reversed(args: list[Py]) -> Py:
    """A list from its end. Raises `Unwritten` for what Python has no list of."""
    match args:
        case [py.Call(function=py.Name(text="enumerate" | "zip"))]:
            raise Unwritten
        case [listed]:
            return of_list(py.Subscript(listed, (py.Slice(None, None, py.Const(-1)),)))
        case _:
            raise Unwritten


def _is_text(node: py.Const) -> bool:
    return isinstance(node.value, str | tuple)


def _missing() -> Py:
    raise Unwritten


def _as_tuple(node: Py) -> Py:
    """What would be a list, or what Python goes through instead, as a tuple: shapes are tuples, and so is what is joined to
    them or compared with them."""
    match node:
        case py.Comprehension():
            return py.call("tuple", py.Comprehension(node.item, node.target, node.iterable, ""))
        case py.Call(function=py.Name(text="range" | "sorted" | "zip" | "enumerate")):
            return py.call("tuple", node)
        case py.Subscript(items=(py.Slice(),)):
            made = _as_tuple(node.base)
            return node if made is node.base else py.Subscript(made, node.items)
        case _:
            return node


def _simplified(operator: str, left: Py, right: Py, node: ast.Binary) -> Py:
    """The operation, without what a default that stands in for a name makes of it: `planes * 64 // 64`."""
    made = py.Binary(operator, left, right)
    sides = ((left, node.left), (right, node.right))
    stands_in = any(isinstance(side, py.Const) and not isinstance(text, ast.Constant) for side, text in sides)
    if stands_in and isinstance(left, py.Const) and isinstance(right, py.Const):
        value = evaluate(made)
        return py.Const(tupled(value)) if is_constant(value) else made
    if operator == "*" and stands_in and isinstance(left, py.Const) and left.value == 1 and type(left.value) is int:
        return right
    if not isinstance(right, py.Const) or type(right.value) is not int:
        return made
    if right.value == 1 and operator in ("*", "//", "**") and stands_in:
        return left
    if operator == "//" and isinstance(left, py.Binary) and left.operator == "*" and isinstance(left.right, py.Const):
        return left.left if same(left.right.value, right.value) else made
    return made


def _constant(value: Any) -> Py:
    if not is_constant(value):
        raise Unwritten
    return py.Const(tupled(value))


def _only(body: ast.Body | None) -> ast.Expression | None:
    if body is None or len(body.statements) != 1 or not isinstance(body.statements[0], ast.Evaluate):
        return None
    return body.statements[0].value
