"""Makes the plan of a module: lowers what it owns and what it runs."""

from __future__ import annotations

from contextlib import suppress

from dlspec.backends.torch import names
from dlspec.backends.torch.author import AtHand, Author
from dlspec.backends.torch.evaluate import Unwritten, evaluate
from dlspec.backends.torch.fields import Fields
from dlspec.backends.torch.inits import initial, parameter, tensor_of
from dlspec.backends.torch.lower_modules import module_of
from dlspec.backends.torch.places import loop_id
from dlspec.backends.torch.plan import (
    Action,
    Chain,
    Item,
    Loop,
    Make,
    Member,
    Option,
    Part,
    Plan,
    Run,
    Slot,
    named_inputs,
)
from dlspec.backends.torch.python import (
    Attribute,
    Call,
    Const,
    Dictionary,
    Keyword,
    Name,
    Py,
    Sequence,
    Subscript,
    Unary,
    call,
    method,
)
from dlspec.backends.torch.registry import FUNCTIONS, Lower, Ref, Size, torch_error
from dlspec.backends.torch.sizes import from_text
from dlspec.backends.torch.symbols import Arg
from dlspec.backends.torch.template import Unreachable
from dlspec.backends.torch.tree import Element, Enter, Key, Module, Region, Step, Tree, is_function, origin
from dlspec.diagnostics import Diagnostic, DlspecError
from dlspec.ir.dims import Expr
from dlspec.ir.graph import Node, Scope, Value
from dlspec.ir.types import DType
from dlspec.ops import combine, constant, dropout
from dlspec.syntax import ast


def store_of(member: Module | Node | None) -> str:
    """The dictionary of ``nn.Module`` in which a member is kept whose name is taken by an attribute."""
    if isinstance(member, Node) and isinstance(member.op, constant.Param):
        return "_parameters" if member.op.kind == "param" else "_buffers"
    return "_modules"


class Planner:
    """Makes the plan of one module."""

    keeps_constants = True

    def __init__(self, module: Module, tree: Tree, author: Author, helpers: set[str]) -> None:
        self.tree = tree
        self.author = author
        self.helpers = helpers
        self.plan = Plan(module, tree, author)
        self._slots: dict[Value, Slot] = {}
        self._hidden: set[Node] = set()
        self._constants: dict[Node, str] = {}
        self._made = Fields(author, module, self.plan.hinges, lambda value: None)
        self._forward = Fields(author, module, self.plan.hinges, self._at_hand, self._open_size)

    def make(self) -> Plan:
        module, plan = self.plan.module, self.plan
        elements = self.tree.elements(module.scope)
        self._arguments(module)
        if module.chain:
            plan.chain = Chain(self._parts(elements), module.chain == "named")
            self._inner_inits(module, Name("self"), ())
            return plan
        self._members(module, conditions=self._conditions(elements))
        self._steps(elements, ())
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
                self._track(value)

    def root_inputs(self) -> list[Value]:
        """The tensors that flow into a root."""
        return self.plan.module.graph.inputs

    def _bind(self, value: Value, slot: Slot) -> None:
        self._slots[value] = slot
        self.plan.types[slot] = value.type
        self.plan.values[slot] = value

    def _hints(self, values: list[Value], scope: Scope) -> tuple[str, ...]:
        """The names that the author gave to what a step in a scope makes; none unless all have one."""
        found = [self._bound(value, scope) for value in values]
        return tuple(name for name in found if name) if all(found) else ()

    def _bound(self, value: Value, scope: Scope) -> str:
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
        return Ref(self._slots[known]) if known in self._slots else None

    def _open_size(self, dim: Expr) -> Py:
        """A size that is known when the forward runs: of a tensor at hand, or computed of such. Raises `Unreachable`."""
        known: dict[str, Py] = {}
        for value, slot in self._slots.items():
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

    # Members

    def access(self, owner: Module, label: str, base: Py | None = None) -> Py:
        """How a member is reached from this module's class."""
        path: list[tuple[Module, str]] = [(owner, label)]
        while path[0][0] is not self.plan.module:
            inner = path[0][0]
            assert inner.parent is not None
            path.insert(0, (inner.parent, inner.label))
        made = Name("self") if base is None else base
        for where, part in path:
            if where.hides(part):
                made = Subscript(Attribute(made, store_of(where.members.get(part))), (Const(part),))
            elif not part.isdigit():
                made = Attribute(made, part)
            elif where.chain or (where.inline and where.numbered):
                made = Subscript(made, (Const(int(part)),))
            else:
                made = Subscript(made, (Const(part),))
        return made

    def _conditions(
        self, elements: list[Element], inside: tuple[Key, ...] = ()
    ) -> dict[Node | Module, tuple[Key, ...]]:
        """In which `if`s of the text each node and module stands."""
        found: dict[Node | Module, tuple[Key, ...]] = {}
        for element in elements:
            if isinstance(element, Region):
                deeper = inside
                if element.kind == "if":
                    deeper = (*inside, element.key)
                    self._condition(element)
                for part in element.parts:
                    found |= self._conditions(part, deeper)
            else:
                found.setdefault(element.node if isinstance(element, Step) else element.module, inside)
        return found

    def _condition(self, region: Region) -> None:
        (scope,) = region.scopes
        written, chosen = scope.origin.written["condition"], scope.origin.chosen
        made = None
        with suppress(Unwritten):
            made = self.author.expression(written, chosen, self.plan.module, scope)
            made = made if chosen else Unary("not", made)
        self.plan.conditions[region.key] = made

    def _members(self, module: Module, conditions: dict[Node | Module, tuple[Key, ...]]) -> None:
        for label, member in module.members.items():
            if label == "training":
                raise self._refused(module, label)
            inside = conditions.get(member, ())
            if isinstance(member, Module) and member.inline and not member.members:
                continue  # it has no weights, and what it does is written out
            if isinstance(member, Module):
                self.plan.members.append(Member(label, self._submodule(member), "module", inside))
                self._inner_inits(member, self.access(module, label), inside)
            elif isinstance(member.op, constant.Param):
                value, rest = parameter(member.op, self.access(module, label))
                self.plan.members.append(Member(label, self._made(value, member), member.op.kind, inside))
                self.plan.inits += [(self._made(statement, member), inside) for statement in rest]
            else:
                self.plan.members.append(Member(label, self._layer(member), "module", inside))
                self.plan.inits += self._inits(member, self.access(module, label), inside)

    def _inits(self, node: Node, member: Py, inside: tuple[Key, ...]) -> list[tuple[Py, tuple[Key, ...]]]:
        return [(self._made(statement, node), inside) for statement in initial(node, member)]

    def _submodule(self, module: Module) -> Py:
        if module.inline:
            return self._container(module)
        if module.chain and module.scope.kind == "level":
            return Chain(self._parts(self.tree.elements(module.scope)), module.chain == "named")
        return Make(module)

    def _container(self, module: Module) -> Py:
        items = {
            label: self._submodule(member) if isinstance(member, Module) else self._layer(member)
            for label, member in module.members.items()
        }
        refused = next((label for label in items if names.hidden(label)), None)
        if refused is not None:
            raise self._refused(module, refused)
        if module.numbered:
            return call("nn.ModuleList", Sequence(tuple(items.values())))
        return call("nn.ModuleDict", Dictionary(tuple(items), tuple(items.values())))

    def _refused(self, module: Module, label: str) -> DlspecError:
        hint = "nn.Module has an attribute of this name that is no layer: choose another label"
        member = module.members[label]
        span = member.span if isinstance(member, Node) else member.scope.span
        return DlspecError([Diagnostic("DL0501", f"`{label}` cannot name a layer in PyTorch", span, hint=hint)])

    def _inner_inits(self, module: Module, base: Py, inside: tuple[Key, ...]) -> None:
        if not (module.inline or module.chain):
            return
        places = self._places(module) if module.chain == "numbered" else {}
        for label, member in module.members.items():
            place, hinges = places.get(label, (int(label) if module.numbered else label, set[str]()))
            reached = Subscript(base, (Const(place),)) if label.isdigit() else Attribute(base, label)
            before = len(self.plan.inits)
            if not isinstance(member, Module):
                self.plan.inits += self._inits(member, reached, inside)
            elif member.inline or member.scope.kind == "level":
                self._inner_inits(member, reached, inside)
            if len(self.plan.inits) > before:
                self.plan.hinges |= hinges

    def _places(self, module: Module) -> dict[str, tuple[int, set[str]]]:
        """Where the members of a chain are, counted from the end behind a loop, and the settings that this hangs on."""
        found: list[tuple[str, set[str]]] = []
        loops: list[set[str]] = []

        def walk(elements: list[Element], inside: set[str]) -> None:
            for element in elements:
                match element:
                    case Step():
                        found.append((self.tree.labels[element.node][1], inside))
                    case Enter():
                        found.append((element.module.label, inside))
                    case Region():
                        hinges = self._loop_hinges(element) if element.kind == "loop" else set[str]()
                        loops.extend([hinges] if hinges else [])
                        for part in element.parts:
                            walk(part, inside | hinges)

        walk(self.tree.elements(module.scope), set())
        every = set[str]().union(*loops)
        last = max((place for place, (_, inside) in enumerate(found) if inside), default=-1)
        return {
            label: (place - len(found), set()) if loops and place > last else (place, every)
            for place, (label, _) in enumerate(found)
        }

    def _layer(self, node: Node) -> Py:
        make = module_of(node)
        made = make(node.op, node) if make else None
        if made is None:
            raise torch_error(f"{type(node.op).__name__} cannot be a layer with weights in PyTorch", node)
        if node.op.inplace and isinstance(made, Call):
            in_place = Keyword("inplace", Const(self.tree.inplace(node)), False)
            made = Call(made.function, made.args, (*made.keywords, in_place))
        return self._made(made, node)

    def _parts(self, elements: list[Element]) -> tuple[Part, ...]:
        parts: list[Part] = []
        for element in elements:
            match element:
                case Step():
                    parts.append(Item(element.key, self.tree.labels[element.node][1], self._layer(element.node)))
                case Enter():
                    parts.append(Item(element.key, element.module.label, self._submodule(element.module)))
                case Region(kind="loop"):
                    parts.append(self._loop(element))
                case Region():
                    self._condition(element)
                    parts.append(Option(element.key, self._parts(element.parts[0])))
        return tuple(parts)

    def _loop(self, region: Region) -> Loop:
        turns = tuple(self._parts(part) for part in region.parts)
        targets, iterable = self._looped(region)
        loop = region.scopes[0].parent if region.scopes else None
        known = ("", 0, 0) if loop is None else loop_id(loop)
        hinges = frozenset(self._loop_hinges(region))
        return Loop(region.key, known, turns, targets, iterable, hinges, self._evenly(region))

    def _evenly(self, region: Region) -> bool:
        inside = (scope.twin or scope for turn in region.scopes[:1] for scope in turn.scopes())
        return all(self.author.evenly(label) for scope in inside for label in scope.labels)

    def _looped(self, region: Region, at_hand: AtHand | None = None) -> tuple[tuple[str, ...], Py | None]:
        """The variables of a loop and what it runs over; None where that cannot be written."""
        loop = region.scopes[0].parent if region.scopes else None
        if loop is None:
            return (), None
        step = loop.origin.step
        targets = tuple(target.name for target in step.targets) if isinstance(step, ast.For) else ()
        iterable = None
        with suppress(Unwritten):
            made = self.author.looped(loop, self.plan.module, at_hand)
            iterable = made if len(evaluate(made)) == len(region.parts) else None
        return tuple(map(names.variable, targets)), iterable

    def _loop_hinges(self, region: Region) -> set[str]:
        """The settings that say how often a loop runs."""
        loop = region.scopes[0].parent if region.scopes else None
        written = loop.origin.written.values() if loop else ()
        return {name for each in written for name in self.author.settings(each)}

    # Steps

    def _steps(self, elements: list[Element], conditions: tuple[Key, ...]) -> None:
        for element in elements if self.keeps_constants else ():
            op = element.node.op if isinstance(element, Step) else None
            if isinstance(element, Step) and isinstance(op, combine.Const) and isinstance(op.value, tuple):
                self._keep(element.node, op, conditions)
        for element in elements:
            match element:
                case Region(kind="if"):
                    self._steps(element.parts[0], (*conditions, element.key))
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
        for part in region.parts:
            begin = len(self.plan.actions)
            self._steps(part, conditions)
            bounds.append((begin, len(self.plan.actions)))
        targets, iterable = self._looped(region)
        hinges, inner = frozenset(self._loop_hinges(region)), tuple(self.plan.loops)
        loop = region.scopes[0].parent if region.scopes else None
        known = ("", 0, 0) if loop is None else loop_id(loop)
        evenly = self._evenly(region)
        around.append(Run(region.key, known, tuple(bounds), targets, iterable, running, hinges, evenly, inner))
        self.plan.loops = around

    def _enter(self, element: Enter, conditions: tuple[Key, ...]) -> None:
        module, scope = element.module, element.scope
        assert module.parent is not None
        flows = (self.expression(value) for value, _ in named_inputs(scope, self.tree))
        value = call(self.access(module.parent, module.label), *flows)
        outputs = self.tree.outputs(scope)
        training = bool(outputs) and all(v.producer is not None and v.producer.training for v in outputs)
        hints = self._hints(outputs, scope.parent or scope)
        self._act(element.key, value, outputs, conditions, training, False, False, hints)
        for output in outputs if module.chain else ():
            self._track(output, conditions, training)

    def _act(
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

    def _track(self, value: Value, conditions: tuple[Key, ...] = (), training: bool = False) -> None:
        """A tensor that something is differentiated by, from here on in a form that allows it."""
        if value in self.tree.tracked:
            self.helpers.add("tracked")
            key = (value.span.source.name, value.span.start, value.span.end, f"tracked {value.name}", 0)
            tracked = call("tracked", self.expression(value))
            hint = self._hints([value], value.producer.scope) if value.producer else (names.variable(value.name),)
            self._act(key, tracked, [value], conditions, training, False, False, hint)

    def _step(self, step: Step, conditions: tuple[Key, ...]) -> None:
        node = step.node
        if isinstance(node.op, combine.Const | constant.Size | constant.Param | dropout.Identity):
            self._hidden.add(node)
            return
        value = self.lowered(node)
        light = node.op.light
        augment = isinstance(node.op, combine.Add) and len(node.inputs) == 2 and self._augments(node)
        hints = self._hints(list(node.outputs), node.scope)
        self._act(step.key, value, list(node.outputs), conditions, node.training, light, augment, hints)
        for output in node.outputs:
            self._track(output, conditions, node.training)

    def _keep(self, node: Node, op: combine.Const, conditions: tuple[Key, ...]) -> None:
        """A tensor that is written in the spec is a buffer that no state dict has."""
        taken = {
            *self.plan.inputs,
            *(member.label for member in self.plan.members),
            *self.plan.module.members,
            *names.RESERVED,
        }
        label = self._constants[node] = names.unique(self._bound(node.outputs[0], node.scope) or "constant", taken)
        made = self._made(tensor_of(Arg(op.value, "value"), op.dtype), node)
        self.plan.members.append(Member(label, made, "constant", conditions))

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
            made = self._forward(function(lower, node.op, given), node)
        return method(made, "to", Attribute(xs[0], "dtype")) if widened else made

    def _member(self, node: Node) -> Py | None:
        return (
            self.access(*self.tree.labels[node])
            if self.tree.is_member(node) and (node.weights or not is_function(node))
            else None
        )

    def _like(self) -> tuple[Py | None, DType | None]:
        """What has the device and the element type of the network: a tensor at hand, else a weight."""
        at_hand = [value for value, slot in self._slots.items() if slot[1] == 0]
        floats = [value for value in at_hand if value.type.dtype.is_float]
        if floats:
            return Ref(self._slots[floats[0]]), floats[0].type.dtype
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
        return (Ref(self._slots[at_hand[0]]), at_hand[0].type.dtype) if at_hand else (None, None)

    def _number(self, value: Value) -> Py | None:
        node = value.producer
        if node is None or node not in self._hidden:
            return None
        if isinstance(node.op, combine.Const) and not isinstance(node.op.value, tuple):
            return Arg(node.op.value, "value", origin=node)
        return Size(node.op.value, "value", origin=node) if isinstance(node.op, constant.Size) else None

    def expression(self, value: Value) -> Py:
        """A tensor as an expression: a reference, or what stands for it."""
        if value in self._slots:
            return Ref(self._slots[value])
        node = value.producer
        if node is None or node not in self._hidden:
            raise AssertionError(f"{value} is not known in {self.plan.module}")
        if isinstance(node.op, dropout.Identity):
            return self.expression(node.inputs[0])
        if node in self._constants:
            return Name(f"self.{self._constants[node]}")
        return self.lowered(node)
