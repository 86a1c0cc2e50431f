"""The modules of a network: what owns weights under a path, and what runs in its ``forward``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from dlspec.backends.torch.lowering.lower_modules import module_of, padded_before
from dlspec.backends.torch.plans.places import loop_id
from dlspec.backends.torch.plans.turns import turns_in
from dlspec.backends.torch.python.names import hidden, is_no_name
from dlspec.backends.torch.python.symbols import LoopId, signature
from dlspec.ir.dims import symbols
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node, Value, first_name
from dlspec.ir.program import Names
from dlspec.ir.scope import Scope
from dlspec.ir.types import DType
from dlspec.ops import constant, conv, dropout, gradient
from dlspec.source import Span

Key: TypeAlias = tuple[str, int, int, str, int]
"""A place in the text, what stands there, and the how-manieth time in its module."""


@dataclass(eq=False, slots=True)
class Step:
    """One node, run in the forward of a module."""

    key: Key
    node: Node


@dataclass(eq=False, slots=True)
class Enter:
    """A module that is called as a whole."""

    key: Key
    module: Module
    scope: Scope


@dataclass(eq=False, slots=True)
class Region:
    """The parts of a loop, one for each iteration, or the one part of an `if` or of the turn of a `scan`; ``scope`` is the
    loop, the `if` or the `scan`."""

    kind: Literal["loop", "if", "scan"]
    key: Key
    parts: list[list[Element]]
    scope: Scope


Element: TypeAlias = Step | Enter | Region


@dataclass(eq=False, slots=True)
class Module:
    """What has a path of its own. ``members`` are by label, in the order in which they first appear.

    ``methods`` are names that its class needs for itself.
    """

    path: str
    label: str
    scope: Scope
    parent: Module | None
    graph: Graph
    uses: list[Scope] = field(default_factory=list[Scope])
    members: dict[str, Module | Node] = field(default_factory=dict[str, "Module | Node"])
    inline: bool = False
    chain: Literal["", "numbered", "named"] = ""
    methods: frozenset[str] = frozenset()

    @property
    def line(self) -> Iterator[Module]:
        """This module and those around it, innermost first."""
        module: Module | None = self
        while module is not None:
            yield module
            module = module.parent

    @property
    def opens_class(self) -> bool:
        """Whether it has a class of its own: not what is written out where it is used, nor a plain sequence."""
        return not self.inline and not (self.scope.kind == "level" and self.chain != "")

    def hides(self, label: str) -> bool:
        """Whether a member of this name has to be reached through ``_modules`` and its like."""
        return hidden(label) or label in self.methods

    @property
    def declaration(self) -> Scope:
        """The block or network it stands in: itself, or that around a labelled part of one."""
        return next(scope for scope in self.scope.ancestors() if scope.kind in ("block", "network"))

    @property
    def owner(self) -> Module:
        """The module around it in whose forward it is written out, if it is."""
        return next(module for module in self.line if not module.inline)

    @property
    def numbered(self) -> bool:
        """Whether its members are 0, 1, 2 ..."""
        return list(self.members) == [str(i) for i in range(len(self.members))]

    def __repr__(self) -> str:
        return f"Module({self.path!r})"


class Tree:
    """The modules of a graph by path, who uses which tensor, which are ``tracked``: differentiated by, and which loops are
    ``idle``: without a turn in some place.

    ``kept`` are tensors that are asked for beside the outputs. ``narrow``: what is float32 in the graph is of half precision
    when it runs.
    """

    def __init__(self, graph: Graph, kept: Iterable[Value] = (), narrow: bool = False) -> None:
        self.graph = graph
        self.narrow = narrow
        self.consumers: dict[Value, list[Node | None]] = {}
        for node in graph.nodes:
            for value in node.inputs:
                self.consumers.setdefault(value, []).append(node)
        for value in (*(output.value for output in graph.outputs), *kept):
            self.consumers.setdefault(value, []).append(None)
        self.tracked = {origin(node.inputs[1]) for node in graph.nodes if isinstance(node.op, gradient.Grad)}
        self.root = Module("", "", graph.root, None, graph, [graph.root])
        self.modules: dict[str, Module] = {"": self.root}
        self.of_scope: dict[Scope, Module] = {graph.root: self.root}
        self.turns: dict[Names, tuple[Scope, int]] = {}
        self.idle: set[LoopId] = set()
        self._counterparts: dict[Scope, dict[Value, Value]] = {}
        self._inside: dict[Scope, tuple[Node, ...]] = {}
        self._inputs: dict[Scope, list[Value]] = {}
        self._sized: dict[Scope, list[Value]] = {}
        self._outputs: dict[tuple[Scope, object], list[Value]] = {}
        self.labels: dict[Node, tuple[Module, str]] = {}
        self._visit(graph.root, self.root)
        self._part_shared()

    def is_half(self, value: Value) -> bool:
        return value.type.dtype.is_half or (self.narrow and value.type.dtype is DType.FLOAT32)

    def widened(self, node: Node) -> bool:
        """Whether it gets its inputs in float32, for PyTorch would compute in half precision what does not fit into it."""
        return node.op.narrow_in_torch and self.is_half(node.inputs[0])

    def _visit(self, scope: Scope, module: Module) -> None:
        turn = 0
        for child in scope.children:
            if isinstance(child, Node):
                self._own(child)
            elif not child.opens:
                if child.kind in ("repeat", "for") and not child.children:
                    self.idle.add(loop_id(child))
                if child.kind == "iteration" and child.names is not None:
                    self.turns.setdefault(child.names, (child, turn))
                    turn += 1
                self._visit(child, module)
            elif self.nodes_in(child):
                known = self.modules.get(child.path)
                if known is None:
                    home, _, label = child.path.rpartition(".")
                    owner = self.modules[home]
                    known = Module(child.path, label, child, owner, self.graph)
                    self.modules[child.path] = owner.members[label] = known
                known.uses.append(child)
                self.of_scope[child] = known
                self._visit(child, known)

    def _own(self, node: Node) -> None:
        if isinstance(node.op, constant.Tied):
            found = self.holder(node.weights[0].path)
            if found is not None:
                self.labels[node] = found[:2]
            return
        path = node.weights[0].path if isinstance(node.op, constant.Param) else first_name(node.name)
        home, _, label = path.rpartition(".")
        owner = self.modules.get(home)
        if owner is None:
            return
        self.labels[node] = (owner, label)
        make = module_of(node)
        named = not label.isdigit() and not is_function(node) and not isinstance(node.op, dropout.Identity)
        if node.weights or (named and make is not None and make(node.op, node) is not None):
            owner.members.setdefault(label, node)

    def holder(self, path: str) -> tuple[Module, str, str] | None:
        """Where a weight is: the label of a layer in a module, and what the layer calls it; nothing for one that a spec
        declares, whose label is its own."""
        module, parts = self.root, path.split(".")
        for place, label in enumerate(parts, 1):
            member = module.members.get(label)
            if not isinstance(member, Module):
                return None if member is None else (module, label, ".".join(parts[place:]))
            module = member
        return None

    def _part_shared(self) -> None:
        """A shared layer without weights is no member where its uses are not one module of PyTorch: on other ranks it is
        of another class."""
        uses: dict[tuple[int, str], list[Node]] = {}
        for node, (owner, label) in self.labels.items():
            if isinstance(owner.members.get(label), Node) and not node.weights:
                uses.setdefault((id(owner), label), []).append(node)
        for nodes in uses.values():
            owner, label = self.labels[nodes[0]]
            made = [make(node.op, node) if (make := module_of(node)) else None for node in nodes]
            if len(nodes) > 1 and len({repr(None if one is None else signature(one)) for one in made}) > 1:
                del owner.members[label]

    def around(self, *modules: Module) -> Module | None:
        """The innermost module with a class that all of these are in, or are."""
        shared = [[*reversed(list(module.line))] for module in modules]
        common = [levels[0] for levels in zip(*shared, strict=False) if len(set(map(id, levels))) == 1]
        return next((module for module in reversed(common) if module.opens_class), None)

    def is_member(self, node: Node) -> bool:
        """Whether the node is a call of a member (or a weight) rather than of a function."""
        owner, label = self.labels.get(node, (None, ""))
        return owner is not None and isinstance(owner.members.get(label), Node)

    def elements(self, scope: Scope, counts: dict[tuple[str, int, int, str], int] | None = None) -> list[Element]:
        """What runs in a scope; modules that are written out stand with what runs in them."""
        counts = {} if counts is None else counts
        made: list[Element] = []
        for child in scope.children:
            if isinstance(child, Node):
                made.append(Step(_key(child.span, type(child.op).__name__, counts), child))
            elif child in self.of_scope and not self.of_scope[child].inline:
                made.append(Enter(_key(child.span, child.declaration, counts), self.of_scope[child], child))
            elif child.kind in ("repeat", "for"):
                key = _key(child.span, child.kind, counts)
                made.append(Region("loop", key, [self.elements(part, counts) for part in turns_in(child)], child))
            elif child.kind == "if":
                key = _key(child.span, "if" if child.origin.chosen else "else", counts)
                made.append(Region("if", key, [self.elements(child, counts)], child))
            elif child.kind == "scan":
                key = _key(child.span, "scan", counts)
                made.append(Region("scan", key, [self.elements(child, counts)], child))
            else:
                made += self.elements(child, counts)
        return made

    def now(self, thing: Any) -> Any:
        """A scope or tensor of the graph that this one was made of, as it is here."""
        return self.graph.former.get(thing, thing) if isinstance(thing, Scope | Value) else thing

    def counterparts(self, scope: Scope) -> dict[Value, Value]:
        """The tensors of a scope that repeats another, by those of the other: names in it mean those."""
        if scope.twin is None:
            return {}
        known = self._counterparts.get(scope)
        if known is None:
            one, other = self.nodes_in(scope.twin), self.nodes_in(scope)
            pairs = zip(one, other, strict=True) if len(one) == len(other) else ()
            known = {old: new for a, b in pairs for old, new in zip(a.outputs, b.outputs, strict=False)}
            known |= zip(self.inputs(scope.twin), self.inputs(scope), strict=False)
            self._counterparts[scope] = known
        return known

    def home(self, names: Names) -> Scope | None:
        """The instance in whose body names are."""
        return self.now(names.home)

    def nodes_in(self, scope: Scope) -> tuple[Node, ...]:
        """The nodes of a scope and of those inside it, in the order of running."""
        known = self._inside.get(scope)
        if known is None:
            found: list[Node] = []
            for child in scope.children:
                if isinstance(child, Node):
                    found.append(child)
                else:
                    found += self.nodes_in(child)
            known = self._inside[scope] = tuple(found)
        return known

    def inputs(self, scope: Scope) -> list[Value]:
        """Tensors that flow into a scope from outside, in the order in which they are used. What flows into a block is
        the last where only a size of it is used."""
        known = self._inputs.get(scope)
        if known is None:
            known = self._inputs[scope] = self._flowing_in(scope)
        return known

    def sized(self, scope: Scope) -> list[Value]:
        """The tensors of which a scope may ask a size: those that flow in, and others that it has names for, where only a
        size is used. A level has those of the block around it too."""
        known = self._sized.get(scope)
        if known is None:
            known = list(self.inputs(scope))
            for around in scope.ancestors():
                own = [around.flow, *around.arguments.values()] if around.kind in ("level", "block") else []
                known += (value for value in own if isinstance(value, Value) and value not in known)
                if around.kind in ("block", "network"):
                    break
            self._sized[scope] = known
        return known

    def _flowing_in(self, scope: Scope) -> list[Value]:
        nodes = self.nodes_in(scope)
        inside = set(nodes)
        values = [value for node in nodes for value in node.inputs if value.producer not in inside]
        if scope.flow is not None and scope.flow not in values:
            missing = {s for node in inside for value in node.outputs for s in value.type.symbols}
            missing |= {s for node in inside if isinstance(node.op, constant.Size) for s in symbols(node.op.value)}
            missing -= {s for value in values for s in value.type.symbols}
            values += [] if missing.isdisjoint(scope.flow.type.symbols) else [scope.flow]
        return list(dict.fromkeys(values))

    def outputs(self, scope: Scope) -> list[Value]:
        """Tensors made in a scope that are used outside, the last where none is. A network gives all its outputs, a
        shared module what any of its uses is asked for."""
        module = self.of_scope.get(scope)
        key = (scope, module is not None and (module.inline, len(module.uses)))
        known = self._outputs.get(key)
        if known is None:
            known = self._outputs[key] = self._flowing_out(scope)
        return known

    def _flowing_out(self, scope: Scope) -> list[Value]:
        nodes = self.nodes_in(scope)
        if scope.outputs and {value.producer for value in scope.outputs} <= set(nodes):
            return list(dict.fromkeys(scope.outputs))
        module = self.of_scope.get(scope)
        if module is None or module.inline or len(module.uses) == 1:
            return [value for _, value in self._used_outside(scope)] or [node.outputs[0] for node in nodes[-1:]]
        asked = {place for use in module.uses for place, _ in self._used_outside(use)}
        return [
            value
            for position, node in enumerate(nodes)
            for index, value in enumerate(node.outputs)
            if (position, index) in asked
        ] or [node.outputs[0] for node in nodes[-1:]]

    def _used_outside(self, scope: Scope) -> Iterator[tuple[tuple[int, int], Value]]:
        nodes = self.nodes_in(scope)
        inside = set(nodes)
        for position, node in enumerate(nodes):
            for index, value in enumerate(node.outputs):
                if any(user is None or user not in inside for user in self.consumers.get(value, ())):
                    yield (position, index), value

    def overwritable(self, value: Value) -> bool:
        """Whether nothing but its one user needs the tensor: no one else reads it, and autograd keeps it not."""
        while len(self.consumers.get(value, ())) == 1 and value.producer is not None:
            (user,) = self.consumers[value]
            if user is not None and user.scope.inside is not value.producer.scope.inside:
                return False  # the next turn reads it too
            if not isinstance(value.producer.op, dropout.Identity):
                return value.producer.op.overwritable
            value = value.producer.inputs[0]
        return False

    def inplace(self, node: Node) -> bool:
        return node.op.inplace and self.overwritable(node.inputs[0])


def origin(value: Value) -> Value:
    """The tensor that is passed on unchanged."""
    while value.producer is not None and isinstance(value.producer.op, dropout.Identity):
        value = value.producer.inputs[0]
    return value


def _key(span: Span, what: str, counts: dict[tuple[str, int, int, str], int]) -> Key:
    place = (span.source.name, span.start, span.end, what)
    counts[place] = counts.get(place, -1) + 1
    return (*place, counts[place])


def is_function(node: Node) -> bool:
    """Whether the node is written as a function or operator of tensors, not as a layer."""
    return node.origin.form != "layer"


# Chains ----------------------------------------------------------------------------------------------------------------


def flat(elements: list[Element]) -> Iterator[Step | Enter]:
    """The elements without the regions around them."""
    for element in elements:
        if isinstance(element, Region):
            for part in element.parts:
                yield from flat(part)
        else:
            yield element


def chain_kind(tree: Tree, module: Module) -> Literal["", "numbered", "named"]:
    """Whether a module is a plain chain of members: by their numbers, by name, or not."""
    if len(module.uses) > 1 and len({len(tree.inputs(use)) for use in module.uses}) > 1:
        return ""
    scope = module.scope
    elements = tree.elements(scope)
    inputs, outputs = tree.inputs(scope), tree.outputs(scope)
    if len(inputs) != 1 or len(outputs) != 1:
        return ""
    if module.parent is None:
        graph = module.graph
        if graph.inputs != inputs or [output.value for output in graph.outputs] != outputs:
            return ""  # an input that nothing uses, a tensor with two names, an input that goes straight out
    labels: list[str] = []
    flow = inputs[0]
    nodes = set(tree.nodes_in(scope))
    users = [user for user in tree.consumers.get(flow, ()) if user in nodes]
    for element in flat(elements):
        if isinstance(element, Step):
            node = element.node
            owner, label = tree.labels.get(node, (None, ""))
            make = module_of(node)
            if owner is not module or make is None or node.training or (is_function(node) and not node.weights):
                return ""
            if make(node.op, node) is None or _needs_more(node) or tree.widened(node):
                return ""
            takes, gives = list(node.inputs), list(node.outputs)
        else:
            if element.module.parent is not module or len(element.module.uses) > 1:
                return ""
            label = element.module.label
            takes, gives = tree.inputs(element.scope), tree.outputs(element.scope)
        if takes != [flow] or len(gives) != 1 or label in labels or (hidden(label) and not is_no_name(label)):
            return ""
        if (flow is not inputs[0] and _used_outside(tree, flow, element)) or flow is outputs[0]:
            return ""
        labels.append(label)
        flow = gives[0]
    entries = [e for e in flat(elements) if _takes(tree, e, inputs[0])]
    if flow is not outputs[0] or not labels or len(entries) != 1 or not users:
        return ""
    if labels == [str(i) for i in range(len(labels))]:
        return "numbered"
    looped = len(elements) == 1 and isinstance(elements[0], Region) and elements[0].kind == "loop"
    return "named" if module.scope.kind == "level" or (looped and module.parent is not None) else ""


def _takes(tree: Tree, element: Step | Enter, value: Value) -> bool:
    return value in (element.node.inputs if isinstance(element, Step) else tree.inputs(element.scope))


def _used_outside(tree: Tree, value: Value, element: Step | Enter) -> bool:
    inside = {element.node} if isinstance(element, Step) else set(tree.nodes_in(element.scope))
    return any(user is None or user not in inside for user in tree.consumers.get(value, ()))


def _needs_more(node: Node) -> bool:
    """Whether the module alone does not do what the node does."""
    if isinstance(node.op, conv.Conv):
        return padded_before(node)
    return len(node.inputs) != 1 or isinstance(node.op, constant.Param)
