"""Evaluates expressions to values: constants are computed, layers are described, tensors become nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

from dlspec.diagnostics import Diagnostics, did_you_mean
from dlspec.elaborate import constants, distributions, held
from dlspec.elaborate.blame import item
from dlspec.elaborate.bodies import as_scan
from dlspec.elaborate.builder import Builder, too_much
from dlspec.elaborate.calls import Given, bind_block, bind_op
from dlspec.elaborate.comprehensions import comprehend
from dlspec.elaborate.defaults import with_defaults
from dlspec.elaborate.foreign import BY_VALUES, foreign
from dlspec.elaborate.functions import call_function
from dlspec.elaborate.gradients import check_dependence, check_turn
from dlspec.elaborate.held import Held
from dlspec.elaborate.indexing import index_list, index_tensor, positions, tensor_attribute
from dlspec.elaborate.instances import Common, Instances
from dlspec.elaborate.operators import binary, unary
from dlspec.elaborate.tied import takes_weight, weight_of
from dlspec.elaborate.unknown import Unknown
from dlspec.elaborate.unpacking import unpack
from dlspec.elaborate.values import (
    POISON,
    UNBOUND,
    BlockLayer,
    BranchLayer,
    Deferred,
    Env,
    Failure,
    Inside,
    Layer,
    OpLayer,
    Results,
    SharedLayer,
    kind_of,
    leading,
    show,
)
from dlspec.ir.dims import Expr
from dlspec.ir.fields import FieldError, describe
from dlspec.ir.node import Value
from dlspec.ir.op import Op, OpError
from dlspec.ir.program import Origin, Written
from dlspec.ir.types import DType
from dlspec.limits import Exceeded
from dlspec.ops import FUNCTIONS, LAYERS, by_name
from dlspec.ops.gradient import Grad
from dlspec.source import Span
from dlspec.syntax import ast

_SHOWN = 16
"""Characters of a number as text, at most."""

_LAYER_SYNTAX = (ast.Braces, ast.Repeat, ast.For, ast.Labelled)

Measure = Callable[[BlockLayer, str, Span], Any]

_FUNCTIONS = dict.fromkeys(
    (
        *FUNCTIONS,
        *constants.FUNCTIONS,
        *constants.INITIALISERS,
        *distributions.FUNCTIONS,
        *held.FUNCTIONS,
        "freeze",
    )
)


class Expressions:
    """The value of an expression. What flows through layers is the business of the subclass `flow.Elaborator`."""

    def __init__(
        self, builder: Builder, diagnostics: Diagnostics, measure: Measure | None = None, common: Common | None = None
    ) -> None:
        self.builder = builder
        self.diagnostics = diagnostics
        self.measure = measure
        self.instances = Instances(builder, common)
        self.held = Held(builder)
        self.made = builder.known.made
        self.where: tuple[ast.Expression, ...] = ()
        """What the signature of the network that is built demands of its sizes."""
        self._budget = builder.budget
        self.whole: ast.Expression | None = None
        """The expression of which all results are asked for."""
        self._to_layer: ast.Expression | None = None
        self._near: dict[ast.Name, str] = {}
        self._unknown_names = Unknown()

    _methods: ClassVar[dict[type[ast.Node], Callable[[Any, Any, Env], Any]]]
    """How each expression is evaluated."""

    def __init_subclass__(cls) -> None:
        cls._methods = {
            ast.Name: cls._name,
            ast.Constant: cls._constant,
            ast.String: cls.text,
            ast.List: cls._list,
            ast.Comprehension: cls._comprehension,
            ast.Unary: unary,
            ast.Binary: binary,
            ast.Call: cls._call,
            ast.Index: cls._index,
            ast.Attribute: cls._attribute,
            ast.Braces: cls._layer,
            ast.Repeat: cls._layer,
            ast.For: cls._layer,
            ast.Labelled: cls._may_scan,
            ast.Scan: cls._may_scan,
            ast.If: cls._if,
            ast.Tap: cls._tap,
            ast.Chain: cls._chain,
        }

    def evaluate(self, expression: ast.Expression, env: Env) -> Any:
        """The value of an expression; POISON after an error inside it was reported. Raises `Failure`."""
        budget = self._budget
        budget.steps -= 1
        if budget.steps < 0:
            self.builder.spend(1, expression.span)
        whole = expression is self.whole
        try:
            value = self._methods[type(expression)](self, expression, env)
        except Exceeded as error:
            raise too_much(error, expression.span) from None
        return value[0] if value.__class__ is Results and not whole else value

    # For the subclass

    @property
    def broken(self) -> bool:
        """Whether something of the network is missing."""
        return False

    def run_body(self, body: ast.Body, env: Env, *, apply: bool) -> Any:
        raise NotImplementedError

    def steps(self, steps: tuple[ast.Expression, ...], flow: Any, env: Env) -> Any:
        raise NotImplementedError

    def scan(self, node: ast.Scan | ast.Labelled, env: Env) -> Any:
        """What a `scan` over tensors gives; None where that is only its states."""
        raise NotImplementedError

    # Names and constants

    def _constant(self, node: ast.Constant, env: Env) -> Any:
        return node.value

    def _layer(self, node: ast.Expression, env: Env) -> Deferred:
        return Deferred(node, env)

    def text(self, node: ast.String, env: Env) -> Any:
        """The text of a string, its expressions put in."""
        parts: list[str] = []
        for part in node.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            value = self.evaluate(part, env)
            if value is POISON:
                return POISON
            parts.append(value if isinstance(value, str) else self._shown(value))
        self._budget.make(sum(map(len, parts)))
        return "".join(parts)

    def _shown(self, value: Any) -> str:
        items = self._budget.walk(value)
        self._budget.make(_SHOWN * items)
        self._budget.spend(items // 2)
        return show(value)

    def _name(self, node: ast.Name, env: Env) -> Any:
        name = node.name
        value = env.find(name)
        if value is not UNBOUND:
            return with_defaults(self, value, name, node.span, env) if type(value) is BlockLayer else value
        if name in LAYERS:
            op, pinned = LAYERS[name]
            return with_defaults(self, OpLayer(op, pinned, name, {}, node.span), name, node.span, env)
        if name in constants.CONSTANTS:
            return constants.CONSTANTS[name]
        raise self._unknown(node, env)

    def _unknown(self, node: ast.Name, env: Env) -> Failure:
        name = node.name
        if name in _FUNCTIONS:
            return Failure("DL0308", f"`{name}` is a function", node.span, hint=f"call it: `{name}(...)`")
        if name in distributions.DISTRIBUTIONS:
            return Failure("DL0308", f"`{name}` is a distribution", node.span, hint=f"call it: `{name}(...)`")
        if name in BY_VALUES:
            what = f"`{name}` gives a tensor with a size that depends on values"
            return Failure("DL0413", what, node.span, hint=BY_VALUES[name])
        code, what = (
            ("DL0301", f"there is no layer `{name}`")
            if name[:1].isupper()
            else ("DL0302", f"there is no `{name}` here")
        )
        if self.diagnostics.full:
            return Failure(code, what, node.span)
        if node not in self._near:
            known = (*env.visible(), *LAYERS, *_FUNCTIONS, *distributions.DISTRIBUTIONS)
            # A name of the other kind is meant only where it differs by its capitals.
            alike = [each for each in known if each[:1].isupper() == name[:1].isupper() or each.lower() == name.lower()]
            self._near[node] = foreign(name) or did_you_mean(name, alike)
        near = self._near[node]
        elsewhere = self._unknown_names.failure(node, code, what, env)
        hint = near or ("`dlspec ops` lists them" if code == "DL0301" else "")
        return elsewhere or Failure(code, what, node.span, hint=hint)

    # Lists

    def _list(self, node: ast.List, env: Env) -> Any:
        return self.made_list([self.evaluate(item, env) for item in node.items])

    def made_list(self, value: list[Any]) -> Any:
        """A list that was made; POISON where that is in it. Raises `Exceeded`."""
        self._budget.walk(value)
        return POISON if any(item is POISON for item in value) else value

    def _comprehension(self, node: ast.Comprehension, env: Env) -> Any:
        return comprehend(self, node, env)

    def iterate(self, values: Any, span: Span) -> list[Any]:
        if isinstance(values, list):
            return values  # type: ignore[reportUnknownVariableType]
        hint = f"for numbers write `range({values})`" if type(values) is int else ""
        raise Failure("DL0305", f"this loops over a list, not {kind_of(values)}", span, hint=hint)

    def taken(self, loop: ast.For | ast.Clause, value: Any, written: Written, index: int) -> dict[str, Any]:
        """The variables of a loop in one of its turns, over what is ``written``."""
        try:
            return dict(self.unpack(loop.targets, value, loop.iterable))
        except Failure as failure:
            of = item(written, index)
            failure.of = None if of is None else ("", of)
            raise

    def unpack(self, targets: tuple[ast.Target, ...], value: Any, step: ast.Expression) -> list[tuple[str, Any]]:
        """The names with their values, of which ``step`` gave what they take. Raises `Failure`."""
        return unpack(
            targets,
            value,
            lambda tensor, place, span: self.function(index_tensor(tensor, [place], span)[0], (tensor,), step),
        )

    # Tensors and truth

    def as_tensor(self, value: Any, like: DType, node: ast.Expression, written: Written | None) -> Value:
        """A number or size beside a tensor, as a 0-d tensor of the tensor's element type. ``node`` is the step with both,
        and the number is what is ``written``."""
        if isinstance(value, Value):
            return value
        dtype = like.label
        origin = Origin(node, "constant", {} if written is None else {"value": written})
        if isinstance(value, Expr):
            return self.builder.function(by_name("Size")(value, dtype), (), node.span, origin)[0]
        if type(value) in (int, float, bool):
            try:
                op = by_name("Const")(value, dtype)
            except OpError:
                message, hint = f"{describe(value)} beside a tensor of {dtype}", 'write `cast(x, "float")` first'
                raise Failure("DL0207", message, node.span, hint="" if type(value) is bool else hint) from None
            except FieldError:
                message = f"{describe(value)} beside a tensor of {dtype}, and an int is less than 2 ** 63"
                raise Failure("DL0305", message, node.span, hint="write it with an exponent: 1e30") from None
            return self.builder.function(op, (), node.span, origin)[0]
        raise Failure("DL0305", f"a tensor does not go with {kind_of(value)}", node.span)

    def truth(self, value: Any, span: Span) -> bool:
        if type(value) is bool:
            return value
        hint = "tensors are not known while compiling: use `where(condition, a, b)`" if isinstance(value, Value) else ""
        raise Failure("DL0305", f"a condition is true or false, not {kind_of(value)}", span, hint=hint)

    def condition(self, node: ast.Expression, env: Env) -> Any:
        """True, False or POISON."""
        value = self.evaluate(node, env)
        return POISON if value is POISON else self.truth(value, node.span)

    # Calls

    def _call(self, node: ast.Call, env: Env) -> Any:
        function = node.function
        if (
            isinstance(function, ast.Name)
            and node.branches is None
            and env.find(function.name) is UNBOUND
            and function.name not in LAYERS
        ):
            return call_function(self, node, function, env)
        target = self.evaluate(function, env)
        given = [(a, self._argument_of(target, a, env)) for a in node.arguments]
        if target is POISON or POISON in [value for _, value in given]:
            return POISON
        if isinstance(target, OpLayer):
            layer = bind_op(target, given, node.span, env)
            if node.branches is not None:
                self._check_branches(layer, node)
                layer.branches, layer.env = node.branches, env
            return layer
        if isinstance(target, BlockLayer):
            if any(isinstance(part, ast.Unreadable) for body in node.branches or () for part in body.statements):
                return POISON  # nobody knows how many branches there are to be
            branches = None if node.branches is None else [BranchLayer(body, env) for body in node.branches]
            return bind_block(target, given, branches, node.span, env)
        if isinstance(target, Layer):
            raise Failure("DL0306", "this layer takes no arguments", node.span, hint="it is complete already")
        raise Failure("DL0308", f"this cannot be called: it is {kind_of(target)}", node.span)

    def _argument_of(self, target: Any, argument: ast.Argument, env: Env) -> Any:
        if argument.name is not None and type(target) is OpLayer and takes_weight(target.op, argument.name.name):
            self._to_layer = argument.value
        return self.argument(argument, env)

    def argument(self, argument: ast.Argument, env: Env) -> Any:
        return self.evaluate(argument.value, env)

    def _check_branches(self, layer: OpLayer, node: ast.Call) -> None:
        tensors, branches = layer.op.tensors, node.branches or ()
        if not tensors or not (tensors[0].startswith("*") or len(tensors) == len(branches) > 1):
            raise Failure(
                "DL0306",
                f"{layer.title} takes one tensor, not branches",
                node.span,
                hint="`Concat { a | b }`, `Add { a | b }` and blocks with layer parameters take branches",
            )

    def special(self, node: ast.Call, function: ast.Name, given: list[Given], env: Env) -> Any:
        """A call of what is neither layer nor function of tensors or constants."""
        if function.name in held.FUNCTIONS:
            self.instances.refused += 1  # what a shared layer holds is no part of an instance
            try:
                return self.held.call(function.name, given, node)
            except Failure:
                if self.broken:
                    return POISON
                raise
        raise self._unknown(function, env)

    def function(
        self, op: Op, inputs: tuple[Value, ...], step: ast.Expression, written: dict[str, Written] | None = None
    ) -> Any:
        """The tensor a function gives, or a list of them where it has several results."""
        if isinstance(op, Grad):
            self.instances.refused += 1  # the way between two tensors is more than their types
            check_turn(inputs[0], inputs[1], self.builder.scope.inside, step.span)
            check_dependence(inputs[0], inputs[1], self.builder.graph.nodes, step.span)
        origin = Origin(step, "function" if isinstance(step, ast.Call) else "operator", written)
        outputs = self.builder.function(op, inputs, step.span, origin)
        return outputs[0] if len(outputs) == 1 else list(outputs)

    # Parts of values

    def _index(self, node: ast.Index, env: Env) -> Any:
        base = self.evaluate(node.base, env)
        if base is POISON:
            return POISON
        items = [self._index_item(item, env) for item in node.items]
        if any(item is POISON for item in items):
            return POISON
        if isinstance(base, Value):
            written = {"items": Written(node, env)}
            for place, (item, step) in enumerate(zip(items, node.items, strict=True)):
                if isinstance(item, list) and isinstance(step, ast.Expression):
                    origin = Origin(node, "constant", {"value": Written(step, env)})
                    made = positions(cast("list[Any]", item), step.span)
                    items[place] = self.builder.function(made, (), step.span, origin)[0]
            op, indices = index_tensor(base, items, node.span)
            return self.function(op, (base, *indices), node, written)
        if any(isinstance(item, slice) for item in items):
            self._budget.items(len(base) if base.__class__ in (list, str) else 0)
        return index_list(base, items, node.span)

    def _index_item(self, item: ast.Expression | ast.Slice | ast.Rest | None, env: Env) -> Any:
        if item is None:
            return None
        if isinstance(item, ast.Rest):
            return ...
        if isinstance(item, ast.Slice):
            return slice(*[self._index_item(part, env) for part in (item.start, item.stop, item.step)])
        return self.evaluate(item, env)

    def _attribute(self, node: ast.Attribute, env: Env) -> Any:
        base = self.evaluate(node.base, env)
        if base is POISON:
            return POISON
        if isinstance(base, Value):
            return tensor_attribute(base, node.name)
        if isinstance(base, SharedLayer | Inside):
            try:
                return weight_of(base, node, env, self.held, alone=node is self._to_layer)
            except Failure:
                if self.broken:  # what would have made the weight may not be there
                    return POISON
                raise
        if isinstance(base, constants.NumberInfo):
            try:
                return base.part(node.name.name)
            except constants.ConstantError as error:
                raise Failure("DL0302", error.message, node.name.span, hint=error.hint) from None
        if isinstance(base, BlockLayer) and isinstance(base.declaration, ast.Network) and self.measure is not None:
            self.instances.told += 1
            return self.measure(base, node.name.name, node.name.span)
        raise Failure("DL0302", f"{kind_of(base)} has no `{node.name.name}`", node.name.span)

    # What may be a layer

    def _if(self, node: ast.If, env: Env) -> Any:
        chosen = self.condition(node.condition, env)
        if chosen is POISON:
            return POISON
        body = node.then if chosen else node.otherwise
        if body is None:
            return OpLayer(*LAYERS["Identity"], "Identity", {}, node.span)
        last = body.statements[-1] if body.statements else None
        if node is self.whole and isinstance(last, ast.Evaluate):
            self.whole = last.value
        return self.run_body(body, Env(env, {}, transparent=True), apply=False)

    def _may_scan(self, node: ast.Scan | ast.Labelled, env: Env) -> Any:
        """A label names a layer, or a `scan` over tensors; without tensors that is a layer too."""
        if as_scan(node) is None:
            return Deferred(node, env)
        made = self.scan(node, env)
        if made is None:
            hint = "its last line is what is stacked; the last states have their names"
            raise Failure("DL0409", "this `scan` gives nothing but its states", node.span.last, hint=hint)
        return made

    def _tap(self, node: ast.Tap, env: Env) -> Any:
        value = self.evaluate(node.step, env)
        if isinstance(value, Layer):
            return Deferred(node, env)
        self.bound(node.name.name, value, env, Written(node.step, env))
        return value

    def bound(self, name: str, value: Any, env: Env, written: Written, place: tuple[int, ...] = ()) -> None:
        """Gives a value a name."""
        value = leading(value)
        self.instances.bound(env.bind(name, value, written, place))
        if isinstance(value, Value):
            self.builder.scope.bound.setdefault(value, name)

    def _chain(self, node: ast.Chain, env: Env) -> Any:
        head = node.steps[0]
        if isinstance(head, _LAYER_SYNTAX) and as_scan(head) is None:
            return Deferred(node, env)
        value = self.evaluate(head, env)
        if isinstance(value, Layer):
            return Deferred(node, env)
        return self.steps(node.steps[1:], value, env)
