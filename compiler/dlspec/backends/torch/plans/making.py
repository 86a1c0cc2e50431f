"""Makes the plan of what the constructor of a module does: its members, and the loops and conditions around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from dlspec.backends.torch.lowering.helpers import HELPERS
from dlspec.backends.torch.lowering.inits import initial, parameter
from dlspec.backends.torch.lowering.lower_modules import module_of
from dlspec.backends.torch.lowering.registry import torch_error
from dlspec.backends.torch.plans.author import AtHand, Author
from dlspec.backends.torch.plans.fields import Fields
from dlspec.backends.torch.plans.labels import Labels
from dlspec.backends.torch.plans.numbering import Numbering
from dlspec.backends.torch.plans.places import evenly, loop_id
from dlspec.backends.torch.plans.plan import (
    Chain,
    Item,
    Loop,
    Make,
    Member,
    Option,
    Part,
    Plan,
)
from dlspec.backends.torch.plans.tree import Element, Enter, Key, Module, Region, Step, Tree
from dlspec.backends.torch.plans.turns import may_differ, turns_in
from dlspec.backends.torch.python import names
from dlspec.backends.torch.python.evaluate import Unwritten, evaluate
from dlspec.backends.torch.python.expressions import (
    Assign,
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
    walk,
)
from dlspec.backends.torch.python.symbols import own_member
from dlspec.backends.torch.python.targets import targets_of
from dlspec.diagnostics import Diagnostic, DlspecError
from dlspec.ir.node import Node
from dlspec.ops import constant
from dlspec.syntax import ast


def store_of(member: Module | Node | None) -> str:
    """The dictionary of ``nn.Module`` in which a member is kept whose name is taken by an attribute."""
    if isinstance(member, Node) and isinstance(member.op, constant.Param):
        return "_parameters" if member.op.kind == "param" else "_buffers"
    return "_modules"


class Making:
    """The members of one module."""

    def __init__(self, module: Module, tree: Tree, author: Author, helpers: set[str]) -> None:
        self.tree = tree
        self.author = author
        self.helpers = helpers
        self.plan = Plan(module, tree, author)
        self._made = Fields(author, module, self.plan.hinges, lambda value: None)
        self._labels = Labels(author, module, self.plan.hinges)
        self.numbers: dict[Module, dict[str, Py]] = {}

    def access(self, owner: Module, label: str, base: Py | None = None) -> Py:
        """How a member is reached from this module's class."""
        path: list[tuple[Module, str]] = [(owner, label)]
        while path[0][0] is not self.plan.module:
            inner = path[0][0]
            assert inner.parent is not None
            path.insert(0, (inner.parent, inner.label))
        made = Name("self") if base is None else base
        if base is None and path[0][1] in self.plan.module.members and not self.plan.module.chain:
            name = self._name(*path[0])
            if not isinstance(name, Const):
                made = own_member(name, path.pop(0)[1].isdigit())
        for where, part in path:
            made = self.part(made, where, part)
        return made

    def part(self, base: Py, where: Module | Node | None, label: str) -> Py:
        """A member of a module that is at hand, or a weight of a layer."""
        if not isinstance(where, Module):
            return Attribute(base, label)
        if where.hides(label):
            return Subscript(Attribute(base, store_of(where.members.get(label))), (Const(label),))
        if not label.isdigit():
            return Attribute(base, label)
        if where in self.numbers:
            return Subscript(base, (self.numbers[where][label],))
        return Subscript(base, (Const(int(label) if where.chain or (where.inline and where.numbered) else label),))

    def _name(self, owner: Module, label: str) -> Py:
        """The label of a member as an expression."""
        member = owner.members[label]
        return self._labels.name(label, member.scope if isinstance(member, Module) else member)

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
        scope = region.scope
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
            name = self._name(module, label)
            if isinstance(member, Module):
                self.plan.members.append(Member(label, name, self._submodule(member), "module", inside))
                self._inner_inits(member, self.access(module, label), inside)
            elif isinstance(member.op, constant.Param):
                value, rest = parameter(member.op, self.access(module, label))
                self.plan.members.append(Member(label, name, self._made(value, member), member.op.kind, inside))
                self.plan.inits += [(self._made(statement, member), inside) for statement in rest]
            else:
                self.plan.members.append(Member(label, name, self._layer(member), "module", inside))
                self.plan.inits += self._inits(member, self.access(module, label), inside)

    def weight(self, member: Py, path: str) -> Py:
        """A weight, of the member that holds it."""
        found = self.tree.holder(path)
        for part in found[2].split(".") if found is not None and found[2] else ():
            member = Attribute(member, part)
        return member

    def _ties(self) -> None:
        """Gives layers the weights of others, in the innermost class that holds both."""
        for alias, path in self.tree.graph.aliases.items():
            own, source = self.tree.holder(alias), self.tree.holder(path)
            if own is None or source is None or self.tree.around(own[0], source[0]) is not self.plan.module:
                continue
            target, value = (self.weight(self.access(*each[:2]), name) for each, name in ((own, alias), (source, path)))
            self.plan.inits.append((Assign(target, value), ()))

    def _inits(self, node: Node, member: Py, inside: tuple[Key, ...]) -> list[tuple[Py, tuple[Key, ...]]]:
        return [(self._made(statement, node), inside) for statement in initial(node, member)]

    def _submodule(self, module: Module) -> Py:
        if module.inline:
            return self._container(module)
        if module.chain and module.scope.kind == "level":
            return Chain(self._parts(self.tree.elements(module.scope)), module.chain == "named")
        return Make(module)

    def _container(self, module: Module) -> Py:
        if module.numbered:
            for within in (module, module.owner):
                listed = self._listed(elements := self.tree.elements(within.scope), module)
                if [*_members_in(listed)] == [*module.members]:
                    self._say_places(module, elements)
                    return Chain(listed, False, listed=True)
        self._fix(module)
        if any(
            isinstance(member, Node) and isinstance(member.op, constant.Param) for member in module.members.values()
        ):
            self._fill(module)
            return call("nn.Module")
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

    def _say_places(self, members: Module, elements: list[Element]) -> None:
        """Says the numbers in a list as its labels do, or that they are numbers."""
        try:
            self.numbers[members] = Numbering(self.author, self.plan.module, members).of(elements)
            self.plan.numbered.add(members.label)
        except Unwritten:
            self._fix(members)

    def _fix(self, members: Module) -> None:
        for label, member in members.members.items():
            self._labels.fix(label, member.scope if isinstance(member, Module) else member)

    def _listed(self, elements: list[Element], module: Module) -> tuple[Part, ...]:
        """The members of a list among what runs, with the loops that make them."""
        parts: list[Part] = []
        for element in elements:
            match element:
                case Step():
                    _, label = self.tree.labels.get(element.node, (None, ""))
                    if module.members.get(label) is element.node:
                        parts.append(Item(element.key, Const(label), self._layer(element.node)))
                case Enter():
                    if module.members.get(element.module.label) is element.module:
                        parts.append(Item(element.key, Const(element.module.label), self._submodule(element.module)))
                case Region(kind="loop"):
                    turns = tuple(self._listed(part, module) for part in element.parts)
                    if any(turns):
                        parts.append(self._loop(element, turns))
                case Region():
                    pass  # not every class has what is made there
        return tuple(parts)

    def _fill(self, module: Module) -> None:
        """Puts the members into a module that has weights of its own, once it is made."""
        for label, member in module.members.items():
            if label.isdigit() or names.hidden(label):
                raise self._refused(module, label)
            place = self.access(module, label)
            assert isinstance(place, Attribute)
            if isinstance(member, Module):
                before = len(self.plan.inits)  # what is put into it comes after it
                statement = method(place.base, "add_module", Const(label), self._submodule(member))
                self.plan.inits.insert(before, (statement, ()))
                continue
            if isinstance(member.op, constant.Param):
                value, rest = parameter(member.op, place)
                kind = "register_parameter" if member.op.kind == "param" else "register_buffer"
                statement = method(place.base, kind, Const(label), self._made(value, member))
                self.plan.inits.append((statement, ()))
                self.plan.inits += [(self._made(each, member), ()) for each in rest]
                continue
            statement = method(place.base, "add_module", Const(label), self._layer(member))
            self.plan.inits.append((statement, ()))

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
            if names.is_no_name(label):
                reached = Subscript(Attribute(base, "_modules"), (Const(label),))
            before = len(self.plan.inits)
            if not isinstance(member, Module):
                self.plan.inits += self._inits(member, reached, inside)
            elif member.inline or member.scope.kind == "level":
                self._inner_inits(member, reached, inside)
            if len(self.plan.inits) > before:
                self.plan.hinges |= hinges | self._labels.behind(label, member)

    def _places(self, module: Module) -> dict[str, tuple[int, set[str]]]:
        """Where the members of a chain are, counted from the end behind a loop, and the settings that this hangs on."""
        found: list[tuple[str, set[str]]] = []
        loops: list[frozenset[str]] = []

        def walk(elements: list[Element], inside: set[str]) -> None:
            for element in elements:
                match element:
                    case Step():
                        found.append((self.tree.labels[element.node][1], inside))
                    case Enter():
                        found.append((element.module.label, inside))
                    case Region():
                        loop = element.kind == "loop"
                        hinges = self.author.settings.of_region(element.scope) if loop else frozenset[str]()
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
        self.helpers.update(inner.text for inner in walk(made) if isinstance(inner, Name) and inner.text in HELPERS)
        return self._made(made, node)

    def _parts(self, elements: list[Element]) -> tuple[Part, ...]:
        parts: list[Part] = []
        for element in elements:
            match element:
                case Step():
                    name = self._labels.name(self.tree.labels[element.node][1], element.node)
                    parts.append(Item(element.key, name, self._layer(element.node)))
                case Enter():
                    name = self._labels.name(element.module.label, element.scope)
                    parts.append(Item(element.key, name, self._submodule(element.module)))
                case Region(kind="loop"):
                    parts.append(self._loop(element))
                case Region():
                    self._condition(element)
                    parts.append(Option(element.key, self._parts(element.parts[0])))
        return tuple(parts)

    def _loop(self, region: Region, turns: tuple[tuple[Part, ...], ...] | None = None) -> Loop:
        if turns is None:
            turns = tuple(self._parts(part) for part in region.parts)
        targets, iterable = self._looped(region)
        hinges = self.author.settings.of_region(region.scope)
        return Loop(
            region.key,
            loop_id(region.scope),
            turns,
            targets,
            iterable,
            hinges,
            may_differ(region.scope),
        )

    def _evenly(self, region: Region) -> bool:
        inside = (scope.twin or scope for turn in turns_in(region.scope)[:1] for scope in turn.scopes())
        return all(evenly(label) for scope in inside for label in scope.labels.values())

    def _looped(self, region: Region, at_hand: AtHand | None = None) -> tuple[tuple[str, ...], Py | None]:
        """The variables of a loop and what it runs over; None where that cannot be written."""
        step = region.scope.origin.step
        targets = targets_of(step.targets) if isinstance(step, ast.For | ast.Clause) else ()
        iterable = None
        with suppress(Unwritten):
            made = self.author.looped(region.scope, self.plan.module, at_hand)
            iterable = made if len(evaluate(made)) == len(region.parts) else None
        return targets, iterable


def _members_in(parts: Iterable[Part]) -> Iterator[str]:
    """The labels of what parts make, in their order."""
    for part in parts:
        if isinstance(part, Item):
            assert isinstance(part.name, Const)
            yield part.name.value
        elif isinstance(part, Loop):
            for turn in part.iterations:
                yield from _members_in(turn)
