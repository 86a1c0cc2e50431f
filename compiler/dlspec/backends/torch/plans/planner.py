"""Makes the plan of a module: lowers what it runs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial

from dlspec.backends.torch.lowering.inits import tensor_of
from dlspec.backends.torch.lowering.registry import FUNCTIONS, Lower, Ref, Size, torch_error
from dlspec.backends.torch.plans.author import Author
from dlspec.backends.torch.plans.fields import Fields
from dlspec.backends.torch.plans.lists import Lists, as_one, one_by_one
from dlspec.backends.torch.plans.looping import found_alone, scanned, standing, variables
from dlspec.backends.torch.plans.making import Making
from dlspec.backends.torch.plans.places import loop_id
from dlspec.backends.torch.plans.plan import Action, Chain, Member, Plan, Run, Slot, Unreachable, bare, named_inputs
from dlspec.backends.torch.plans.tree import Element, Enter, Key, Module, Region, Step, Tree, is_function, origin
from dlspec.backends.torch.plans.turns import gathers_lists, turns_in
from dlspec.backends.torch.python import names
from dlspec.backends.torch.python.expressions import (
    Attribute,
    Binary,
    Call,
    Const,
    Name,
    Py,
    Sequence,
    Subscript,
    call,
    method,
)
from dlspec.backends.torch.python.sizes import from_text
from dlspec.backends.torch.python.symbols import Arg, Direct, Each
from dlspec.ir.dims import Expr
from dlspec.ir.node import Node, Value
from dlspec.ir.program import LISTED
from dlspec.ir.scope import Scope
from dlspec.ir.types import DType, TensorType
from dlspec.ops import combine, constant, dropout
from dlspec.syntax import ast


class Planner(Making):
    """Makes the plan of one module."""

    keeps_constants = True

    def __init__(self, module: Module, tree: Tree, author: Author, helpers: set[str]) -> None:
        super().__init__(module, tree, author, helpers)
        self.slots: dict[Value, Slot] = {}
        self._hidden: set[Node] = set()
        self.lists = Lists(self)
        self._weights: dict[Node, Py] = {}
        self._constants: dict[Node, str] = {}
        self.forward = Fields(author, module, self.plan.hinges, self._at_hand, self._open_size)

    def make(self) -> Plan:
        module, plan = self.plan.module, self.plan
        elements = self.tree.elements(module.scope)
        self._arguments(module)
        if module.chain:
            plan.chain = Chain(self._parts(elements), module.chain == "named")
            self._inner_inits(module, Name("self"), ())
            self._ties()
            return plan
        self._members(module, conditions=self._conditions(elements))
        self._ties()
        self._run(elements)
        root = module.parent is None
        if root:
            plan.outputs = [(self.expression(o.value), o.training) for o in module.graph.outputs]
        else:
            plan.outputs = [(self.expression(value), False) for value in self.tree.outputs(module.scope)]
        return plan

    # Arguments

    def _arguments(self, module: Module) -> None:
        plan, taken = self.plan, ["self"]
        if module.parent is None:
            named = [(value, names.variable(value.name)) for value in self.root_inputs()]
        else:
            named: list[tuple[Value, str]] = []
            for value, prefix in named_inputs(module.scope, self.tree):
                name = "x" if prefix == "in" else prefix
                if prefix.startswith("in") and prefix != "in":
                    known = (around.bound[value] for around in module.scope.ancestors() if value in around.bound)
                    name = names.variable(next(known, "skip"))
                named.append((value, name))
        for value, name in named:
            name = names.unique(name, taken)
            taken.append(name)
            self._bind(value, (name, 0))
            plan.inputs.append(name)
            if module.parent is None:
                self.track(value)

    def root_inputs(self) -> list[Value]:
        """The tensors that flow into a root."""
        return self.plan.module.graph.inputs

    def _bind(self, value: Value, slot: Slot) -> None:
        self.slots[value] = slot
        self.plan.types[slot] = value.type
        self.plan.values[slot] = value

    def hints(self, values: list[Value], scope: Scope) -> tuple[str, ...]:
        """The names that the author gave to what a step in a scope makes; none unless all have one."""
        found = [self.named(value, scope) for value in values]
        return tuple(name for name in found if name) if all(found) else ()

    def named(self, value: Value, scope: Scope) -> str:
        """The name that a tensor is given in a scope, or one around it that is of the module too."""
        for around in scope.ancestors():
            if value in around.bound:
                return names.variable(around.bound[value])
            if around is self.plan.module.scope:
                break
        return ""

    def _at_hand(self, value: Value) -> Py | None:
        """The tensor itself, where the forward has it by now."""
        known = origin(value)
        return Ref(self.slots[known]) if known in self.slots else None

    def _open_size(self, dim: Expr) -> Py:
        """A size that is known when the forward runs: of a tensor at hand, or computed of such. Raises `Unreachable`."""
        known: dict[str, Py] = {}
        for value, slot in self.slots.items():
            for axis, size in enumerate(value.type.shape):
                if size == dim:
                    return Subscript(Attribute(Ref(slot), "shape"), (Const(axis),))
                if isinstance(size, Expr) and str(size) in size.symbols:
                    known.setdefault(str(size), Subscript(Attribute(Ref(slot), "shape"), (Const(axis),)))
        if not dim.symbols <= known.keys():
            if self.plan.module.parent is None:
                return Size(dim)  # an input more has it
            raise Unreachable([self.plan.module])
        return from_text(str(dim), known)

    # Steps

    def _run(self, elements: list[Element]) -> None:
        self.lists.look(elements)
        self._keep_lists(None)
        self.run_steps(elements, ())

    def run_steps(self, elements: list[Element], conditions: tuple[Key, ...]) -> None:
        for element in elements if self.keeps_constants else ():
            op = element.node.op if isinstance(element, Step) and not _is_list(element.node) else None
            if isinstance(element, Step) and isinstance(op, combine.Const) and isinstance(op.value, tuple):
                self._keep(element.node, op, conditions)
        for element in elements:
            match element:
                case Region(kind="if"):
                    self.run_steps(element.parts[0], (*conditions, element.key))
                case Region(kind="scan"):
                    scanned(self, element, conditions)
                case Region():
                    self._turns(element, conditions)
                case Step():
                    self._step(element, conditions)
                case Enter():
                    self._enter(element, conditions)

    def _turns(self, region: Region, conditions: tuple[Key, ...]) -> None:
        around, self.plan.loops = self.plan.loops, []
        _, running = self._looped(region, self._at_hand)
        bounds: list[tuple[int, int]] = []
        turns = turns_in(region.scope)
        for turn, part in zip(turns, region.parts, strict=True):
            begin = len(self.plan.actions)
            self._keep_lists(turn)
            self._weights.update(self._standing_for(turn))
            self.run_steps(part, conditions)
            bounds.append((begin, len(self.plan.actions)))
        targets, iterable = self._looped(region)
        elements = tuple(standing(self.tree, turn, self.slots) for turn in turns)
        hinges, inner = self.author.settings.of_region(region.scope), tuple(self.plan.loops)
        is_bare = iterable is None and bool(turns)
        if is_bare:
            running = self.lists.over(region.scope, turns)
            hinges |= self.tree.graph.settings.keys() if running is not None else frozenset()
            running = running or one_by_one(region.scope, elements, targets)
            iterable = None if running is None else bare(running, len(turns))
        known, evenly, alone = loop_id(region.scope), self._evenly(region), found_alone(region, self.slots)
        listed = isinstance(region.scope.origin.step, ast.Clause)
        gathers = listed or gathers_lists(region.scope)
        around.append(
            Run(
                region.key, known, tuple(bounds), targets, iterable, running, hinges, evenly, inner, alone, listed,
                elements, is_bare, gathers,
            )
        )  # fmt: skip
        self.plan.loops = around

    def _keep_lists(self, turn: Scope | None) -> None:
        """Gives variables to the lists of layers and weights that are bound in a turn, or outside of all."""
        for binding, name, made in self.lists.bound(turn):
            assert binding.written is not None
            span = binding.written.span
            place = (span.source.name, span.start, span.end, "list")
            count = sum(action.key[:4] == place for action in self.plan.actions)
            key: Key = (*place, count)
            value = Value(name, TensorType(DType.FLOAT32, ()), None, span)
            self.plan.actions.append(Action(key, made, [value], (), False, False, False, (name,), spare=True))
            self.lists.keep(binding, Ref((key, 0)))

    def _standing_for(self, turn: Scope) -> Iterator[tuple[Node, Py]]:
        """The weights for which the variables of a loop stand in a turn."""
        assert turn.parent is not None
        for name, value in variables(self.tree, turn):
            node = value.producer
            if node is not None and isinstance(node.op, constant.Tied) and turn.names in self.tree.turns:
                place = self.tree.turns[turn.names][1]
                yield node, Each(loop_id(turn.parent), name, place, Direct(partial(self._plainly, node)))

    def _plainly(self, node: Node) -> Py:
        return self.weight(self.access(*self.tree.labels[node]), node.weights[0].path)

    def _enter(self, element: Enter, conditions: tuple[Key, ...]) -> None:
        module, scope = element.module, element.scope
        assert module.parent is not None
        flows = (self.expression(value) for value, _ in named_inputs(scope, self.tree))
        value = call(self.access(module.parent, module.label), *flows)
        outputs = self.tree.outputs(scope)
        training = bool(outputs) and all(v.producer is not None and v.producer.training for v in outputs)
        hints = self.hints(outputs, scope.parent or scope)
        self.act(element.key, value, outputs, conditions, training, False, False, hints)
        for output in outputs if module.chain else ():
            self.track(output, conditions, training)

    def act(
        self,
        key: Key,
        value: Py,
        outputs: list[Value],
        conditions: tuple[Key, ...],
        training: bool,
        light: bool,
        augment: bool,
        hint: tuple[str, ...],
    ) -> None:
        for index, output in enumerate(outputs):
            self._bind(output, (key, index))
        # A module runs as a whole, in training only or always: what is mixed is written out in the network's forward.
        training = training and self.plan.module.parent is None
        hint = hint if len(outputs) == len(hint) else ()
        self.plan.actions.append(Action(key, value, outputs, conditions, training, light, augment, hint))

    def track(self, value: Value, conditions: tuple[Key, ...] = (), training: bool = False) -> None:
        """A tensor that something is differentiated by, from here on in a form that allows it."""
        if value in self.tree.tracked:
            self.helpers.add("tracked")
            training = training or not self._always(value)
            key = (value.span.source.name, value.span.start, value.span.end, f"tracked {value.name}", 0)
            tracked = call("tracked", self.expression(value))
            scope = value.producer.scope if value.producer is not None else None
            if value.producer is not None and value.producer.body is not None and value in value.producer.body.given:
                scope = value.producer.body.scope
            hint = self.hints([value], scope) if scope is not None else (names.variable(value.name),)
            self.act(key, tracked, [value], conditions, training, False, False, hint)

    def _step(self, step: Step, conditions: tuple[Key, ...]) -> None:
        node = step.node
        if node.body is not None:
            return  # its region has written it
        if isinstance(node.op, combine.Const | constant.Size | constant.Stored | dropout.Identity):
            self._hidden.add(node)
            for output in node.outputs:
                self.track(output, conditions, node.training)
            return
        value = self.lowered(node)
        light = node.op.light
        augment = (
            isinstance(node.op, combine.Add)
            and isinstance(value, Binary)
            and len(node.inputs) == 2
            and self._augments(node)
        )
        hints = self.hints(list(node.outputs), node.scope)
        self.act(step.key, value, list(node.outputs), conditions, node.training, light, augment, hints)
        for output in node.outputs:
            self.track(output, conditions, node.training)

    def _keep(self, node: Node, op: combine.Const, conditions: tuple[Key, ...]) -> None:
        """A tensor that is written in the spec is a buffer that no state dict has."""
        taken = {
            *self.plan.inputs,
            *(member.label for member in self.plan.members),
            *self.plan.module.members,
            *names.RESERVED,
        }
        label = self._constants[node] = names.unique(self.named(node.outputs[0], node.scope) or "constant", taken)
        made = self._made(tensor_of(Arg(op.value, "value"), op.dtype), node)
        self.plan.members.append(Member(label, Const(label), made, "constant", conditions))

    def _augments(self, node: Node) -> bool:
        left = node.inputs[0]
        known = isinstance(self.expression(left), Ref) and left.type.rank > 0
        return known and left.type == node.outputs[0].type and self.tree.overwritable(left)

    def lowered(self, node: Node) -> Py:
        member = self._member(node)
        like, like_type = self._like()
        lower = Lower(node, like, like_type, self.tree.inplace(node), member, self.helpers)
        xs = [self.expression(value) for value in node.inputs]
        if node.op.takes_numbers:
            numbers = [self._number(value) for value in node.inputs]
            if any(number is None for number in numbers):
                xs = [x if number is None else number for x, number in zip(xs, numbers, strict=True)]
        function = FUNCTIONS.get(type(node.op))
        widened = self.tree.widened(node)
        given = xs
        if widened:
            given = [
                method(x, "float") if isinstance(x, Ref) and self.tree.is_half(value) else x
                for x, value in zip(xs, node.inputs, strict=True)
            ]
        if member is not None and (function is None or not node.weights):
            made = call(member, *given)
        elif function is None:
            raise torch_error(f"{type(node.op).__name__} cannot be written to PyTorch", node)
        else:
            made, listed = function(lower, node.op, given), self._list_of_weights(node)
            made = made if listed is None else as_one(made, given, listed)
            if not _only_calls(made, member, given):
                made = self.forward(made, node)
        return method(made, "to", Attribute(xs[0], "dtype")) if widened else made

    def _list_of_weights(self, node: Node) -> Py | None:
        written = node.origin.written.get(LISTED)
        return None if written is None else self.lists.listed(written, node.inputs)

    def _member(self, node: Node) -> Py | None:
        if not self.tree.is_member(node) or not (node.weights or not is_function(node)):
            return None
        if isinstance(node.op, constant.Tied):
            found = self._weights.get(node) or self.lists.weight(node)
            if found is not None:
                return found
            return self._plainly(node)
        return self.access(*self.tree.labels[node])

    def _like(self) -> tuple[Py | None, DType | None]:
        """What has the device and the element type of the network: a tensor at hand, else a weight."""
        x = next((value for value in self._ready() if value.type.dtype.is_float), None)
        if x is not None:
            return Ref(self.slots[x]), x.type.dtype
        for node, label in self._constants.items():
            if node.outputs[0].type.dtype.is_float:
                return Name(f"self.{label}"), node.outputs[0].type.dtype
        for label, member in self.plan.module.members.items():
            if isinstance(member, Node) and isinstance(member.op, constant.Param) and member.op.dtype.is_float:
                return self.access(self.plan.module, label), member.op.dtype
        weight = next(
            (w for n in self.tree.nodes_in(self.plan.module.scope) for w in n.weights if w.dtype.is_float), None
        )
        if weight is not None and weight.kind == "param":
            return call("next", call("self.parameters")), weight.dtype
        x = next(self._ready(), None)
        return (None, None) if x is None else (Ref(self.slots[x]), x.type.dtype)

    def _ready(self) -> Iterator[Value]:
        """The tensors at hand that are there at inference too."""
        return (value for value, slot in self.slots.items() if slot[1] == 0 and self._always(value))

    def _always(self, value: Value) -> bool:
        """Whether a tensor is there at inference too: a module runs as a whole, but of a network not all does."""
        if self.plan.module.parent is not None:
            return True
        return not value.producer.training if value.producer else value in self._inputs_at_inference

    @cached_property
    def _inputs_at_inference(self) -> set[Value]:
        return set(self.plan.module.graph.inference_inputs())

    def _number(self, value: Value) -> Py | None:
        node = value.producer
        if node is None or node not in self._hidden or node in self._constants or value in self.slots:
            return None
        if isinstance(node.op, combine.Const) and isinstance(node.op.value, tuple):
            if not _is_list(node):
                return None
            return Sequence(tuple(Arg(part, "value", place, node) for place, part in enumerate(node.op.value)))
        if isinstance(node.op, combine.Const):
            return Arg(node.op.value, "value", origin=node)
        return Size(node.op.value, "value", origin=node) if isinstance(node.op, constant.Size) else None

    def expression(self, value: Value) -> Py:
        """A tensor as an expression: a reference, or what stands for it."""
        if value in self.slots:
            return Ref(self.slots[value])
        node = value.producer
        if node is None or node not in self._hidden:
            raise AssertionError(f"{value} is not known in {self.plan.module}")
        if isinstance(node.op, dropout.Identity):
            return self.expression(node.inputs[0])
        if node in self._constants:
            return Name(f"self.{self._constants[node]}")
        return self.lowered(node)


def _only_calls(made: Py, member: Py | None, given: list[Py]) -> bool:
    """Whether a step is nothing but the call of a member, whose constructor has all that was written."""
    return isinstance(made, Call) and made.function is member and made.args == tuple(given) and not made.keywords


def _is_list(node: Node) -> bool:
    """Whether a tensor stands between brackets as a list of positions. One of lists does not: alone there, they would be the
    positions of several axes."""
    values = node.op.value if isinstance(node.op, combine.Const) and node.origin.form == "constant" else None
    return isinstance(values, tuple) and not any(isinstance(part, tuple) for part in values)
