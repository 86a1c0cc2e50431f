"""Adds nodes to a graph: infers their types, names them and their weights, and keeps the tree of scopes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, NoReturn, TypeAlias

from dlspec.diagnostics import Note
from dlspec.elaborate.blame import declared
from dlspec.elaborate.known import Inferred, Known, infer
from dlspec.elaborate.values import Failure
from dlspec.ir.condition import Condition
from dlspec.ir.conditions import Conditions
from dlspec.ir.dims import Dim
from dlspec.ir.graph import Derived, Graph
from dlspec.ir.node import Node, Parameter, Value, again
from dlspec.ir.op import Op, OpError, Requirement, Types, Weight, as_text
from dlspec.ir.program import COMPILER, Names, Origin, Template
from dlspec.ir.scope import Scope, ScopeKind
from dlspec.ir.types import TensorType
from dlspec.limits import NODE, SCOPE, Exceeded, budget
from dlspec.ops.constant import Tied
from dlspec.source import Span
from dlspec.syntax import ast

Given: TypeAlias = Callable[[tuple[Weight, ...]], dict[str, Parameter]]
"""Which of the weights that a layer would make it is given, by name."""

_KINDS = 4
"""Layers of other kinds that stand around a block: braces, a shared layer, a branch."""


class Level:
    """Where paths are counted: the labels taken and the next position, as ``nn.Sequential`` counts.

    ``named`` counts the labels that are no positions, ``again`` has those taken twice by one step. ``fresh``: no other
    level has the same path. ``inner`` are those inside that labels with dots have entered, and may enter again.
    """

    __slots__ = ("again", "fresh", "inner", "labels", "named", "path", "position")

    def __init__(self, path: str, fresh: bool = True) -> None:
        self.path = path
        self.fresh = fresh
        self.position = 0
        self.named = 0
        self.again: set[str] = set()
        self.labels: dict[str, Span] = {}
        self.inner: dict[str, Level] = {}


class _Opened:
    """A region of a builder, which at its end goes back to where it was when this was made.

    Not by `contextmanager`, whose generators cost more than all else that is done for a region.
    """

    __slots__ = ("_around", "_builder")

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._around = builder.scope, builder.level, builder.sharing, builder.depth

    def __enter__(self) -> Scope:
        return self._builder.scope

    def __exit__(self, *error: object) -> None:
        builder = self._builder
        builder.scope, builder.level, builder.sharing, builder.depth = self._around


class Builder:
    """Builds one graph. ``scope`` is the region that is being built, ``level`` the innermost one that opens a level.

    ``depth`` is how many declarations are nested there, ``deepest`` how many were at most since it was set; ``nested``
    counts layers of all kinds. ``shares`` and ``scopes`` count the uses of shared layers and the scopes. All that is done is
    counted in the ``budget``. ``by_itself`` is how a node came to be for which nothing else is said.
    """

    def __init__(self, graph: Graph, conditions: Conditions, known: Known | None = None) -> None:
        self.graph = graph
        self.conditions = conditions
        self.known = known or Known()
        self.scope = graph.root
        self.level = Level("")
        self.sharing = False
        self.by_itself = COMPILER
        self.depth: int = 0
        self.deepest = 0
        self.nested = 0
        self.budget = budget()
        self.shares = 0
        self.demands = 0
        self.scopes = 0
        self._names: dict[str, int] = {}
        self._inferred: dict[tuple[Op, Types], Inferred] = {}
        self._held: set[tuple[str, Dim, Dim]] = set()

    # Names

    def label(self, label: str | None, span: Span) -> str:
        """The last part of a layer's path: its label, or its position in the level."""
        position = self.level.position
        self.level.position += 1
        if label is not None:
            self.reserve(label, span)
            return label
        self._take(str(position), span)
        return str(position)

    def reserve(self, name: str, span: Span) -> None:
        """Takes a name in the level. Raises `Failure` where it is taken."""
        self.level.named += 1
        self._take(name, span)

    def _take(self, name: str, span: Span) -> None:
        taken = self.level.labels.get(name)
        if taken is None:
            self.level.labels[name] = span
            return
        self.level.again.add(name)
        if taken is not span and not self.sharing:
            raise Failure(
                "DL0307",
                f"two things would be called `{join(self.level.path, name)}`",
                span,
                notes=(Note(taken, "the first one is here"),),
                hint='give each its own label; in a loop write one with the index, as in "conv{i}": Conv(64, 3)',
            )

    @contextmanager
    def entered(self, labels: list[str], step: ast.Labelled | ast.Param) -> Generator[None]:
        """The levels of a label with dots, but for its last part. Raises `Failure` where another step has such a name."""
        with ExitStack() as stack:
            for label in labels:
                around = self.level
                around.named += 1
                if label not in around.inner:
                    self.label(label, step.span)
                origin = Origin(step, "scope", labelled=True)
                stack.enter_context(self.region("level", step.span, label=label, origin=origin))
                self.level = around.inner.setdefault(label, self.level)
            yield

    def unique(self, name: str) -> str:
        """The name, with a number behind it where another node has it."""
        count = self._names.get(name, 0) + 1
        self._names[name] = count
        if count == 1:
            return name
        return self.unique(again(name, count))

    def free(self, positions: int) -> bool:
        """Whether the next so many positions of the level are no labels."""
        level = self.level
        return all(str(level.position + index) not in level.labels for index in range(positions))

    def moved(self, positions: range) -> Callable[[str], str]:
        """Takes as many positions as these of the level. The result gives the path there of what stands right in it."""
        level = self.level
        offset, start = level.position - positions.start, len(join(level.path, ""))
        for position in positions:
            self.label(None, level.labels[str(position)])

        def moved(path: str) -> str:
            last = path[start:]
            return join(level.path, str(int(last) + offset)) if last.isdigit() else path

        return moved

    def spend(self, steps: int, span: Span) -> None:
        """Counts steps that are about to be done. Raises `Failure` where there are not so many left."""
        if steps <= self.budget.steps:
            self.budget.steps -= steps
            return
        try:
            self.budget.spend(steps)
        except Exceeded as error:
            raise too_much(error, span) from None

    def need(self, steps: int, span: Span) -> None:
        """Raises `Failure` where so many steps are not left."""
        if not self.budget.afford(steps):
            self.spend(steps, span)

    def enter(self, span: Span) -> None:
        """Goes into a layer, until one is taken from `nested`. Raises `Failure` where layers are inside each other deeper
        than is allowed."""
        limit = _KINDS * self.budget.limits.depth
        self.spend(2, span)
        if self.nested >= limit:
            self.too_deep(f"layers are inside each other {limit:,} levels deep", span)
        self.nested += 1

    def too_deep(self, message: str, span: Span) -> NoReturn:
        hint = "a block that uses itself needs an `if` that stops it; --max-depth allows more"
        raise Failure("DL0402", message, span, label="never ends", hint=hint, fatal=True)

    def region(
        self,
        kind: ScopeKind,
        span: Span,
        *,
        label: str = "",
        path: str | None = None,
        sharing: bool = False,
        declaration: str = "",
        definition: Span | None = None,
        arguments: dict[str, Any] | None = None,
        origin: Origin = COMPILER,
        template: Template | None = None,
        names: Names | None = None,
    ) -> AbstractContextManager[Scope]:
        """Begins a scope around what is built until the end of the `with` that this is given to. With ``path``, the weights
        are those of another place (`shared`)."""
        opened, scope, level = _Opened(self), self.scope, self.level
        if declaration:
            self.depth += 1
        if self.depth > self.budget.limits.depth:
            self.depth -= 1
            self.too_deep(f"`{declaration}` is inside itself {self.budget.limits.depth} levels deep", span)
        self.deepest = max(self.deepest, self.depth)
        self.scopes += 1
        self.spend(4 * SCOPE if declaration else SCOPE, span)
        inner = Scope(kind, scope, span, label, declaration, definition, arguments, sharing, path, origin, template)
        inner.names = names
        self.scope = inner
        self.sharing = self.sharing or sharing
        if inner.opens:
            self.level = Level(inner.path, level.fresh and label not in level.again)
        return opened

    def at_home(self, names: Names, scope: Scope) -> None:
        """Says that the parameters of an instance are among these names."""
        names.scope = scope
        scope.names = names
        self.graph.names.append(names)

    # Nodes

    def add(
        self,
        op: Op,
        inputs: tuple[Value, ...],
        span: Span,
        name: str,
        origin: Origin = COMPILER,
        given: Given | None = None,
    ) -> tuple[Value, ...]:
        """A node for the operator. ``name`` is its full path; the paths of its weights begin with it, but for those that
        are ``given``, which it has in common with others.

        Raises `Failure` where the operator does not accept the inputs or what it is given.
        """
        try:
            types, weights = self._infer(op, inputs, span)
        except Failure as failure:
            failure.at(type(op).__name__, inputs)
            raise
        self.spend(NODE, span)
        known = {} if given is None else given(weights)
        parameters = tuple(
            [known.get(weight.name) or self._parameter(join(name, weight.name), weight, span) for weight in weights]
        )
        if known:
            self.graph.aliases |= {join(name, own): weight.path for own, weight in known.items()}
        node = Node(op, inputs, parameters, self.scope, self.unique(name), span, types, origin)
        self.graph.nodes.append(node)
        return node.outputs

    def function(
        self, op: Op, inputs: tuple[Value, ...], span: Span, origin: Origin | None = None
    ) -> tuple[Value, ...]:
        """A node for a function of tensors: it takes no position and is named after the function. Without an ``origin`` it
        is made ``by_itself``."""
        name = type(op).function or type(op).__name__.lower()
        return self.add(op, inputs, span, join(self.level.path, name), origin or self.by_itself)

    def declare(self, op: Op, name: str, span: Span, origin: Origin) -> Value:
        """A node for a weight declared by `param` or `buffer`: its path is the level's with its own name."""
        path = join(self.level.path, name)
        self.reserve(name, span)
        types, (weight,) = self._infer(op, (), span)
        self.spend(NODE, span)
        node = Node(op, (), (self._parameter(path, weight, span),), self.scope, self.unique(path), span, types, origin)
        self.graph.nodes.append(node)
        return node.outputs[0]

    def tied(self, weight: Parameter, span: Span, origin: Origin, scope: Scope | None = None) -> Value:
        """A node for a weight that a layer has, as a tensor; in a ``scope`` of its own it is none of the graph."""
        self.shares += 1
        self.spend(NODE, span)
        op = Tied(weight.path.rpartition(".")[2], weight.shape, kind=weight.kind, dtype=weight.dtype)
        types = (TensorType(weight.dtype, weight.shape),)
        if scope is not None:
            node = Node(op, (), (weight,), scope, weight.path, span, types, origin)
            (value,), node.outputs = node.outputs, ()  # nothing leads back to it, so that it goes with who has it
            scope.children.clear()
            return value
        node = Node(op, (), (weight,), self.scope, self.unique(weight.path), span, types, origin)
        self.graph.nodes.append(node)
        return node.outputs[0]

    def _parameter(self, path: str, weight: Weight, span: Span) -> Parameter:
        known = self.graph.parameters.get(path)
        if known is None:
            parameter = Parameter(path, weight.shape, weight.dtype, weight.kind, weight.init, span)
            self.graph.parameters[path] = parameter
            return parameter
        if not self.sharing:
            raise Failure("DL0307", f"two weights would be called `{path}`", span, notes=(Note(known.span, "here"),))
        if known.shape != weight.shape:
            raise Failure(
                "DL0201",
                f"`{path}` is shared, but its shape would be {list(weight.shape)} here and is {list(known.shape)}",
                span,
                notes=(Note(known.span, f"made here with shape {list(known.shape)}"),),
                hint="what flows into a shared layer must have the same channels at every use",
            )
        return known

    # Types and sizes

    def types(self, op: Op, inputs: tuple[Value, ...], span: Span) -> Types:
        """What the operator would give, without a node. Raises as `add`."""
        return self._infer(op, inputs, span)[0]

    def _infer(self, op: Op, inputs: tuple[Value, ...], span: Span) -> Inferred:
        types = tuple([value.type for value in inputs])
        key = (op, types)
        inferred = self._inferred.get(key)
        if inferred is None:
            known = self.known.inferred.get(key)
            try:
                if known is None:
                    known = self.known.inferred[key] = infer(op, types)
            except OpError as error:
                raise refused(error, inputs, span) from None
            inferred, requirements = known
            self.demands += len(requirements)
            for requirement in requirements:
                if requirement.demand not in self._held:
                    self.require(requirement, inputs, span)
            if not requirements:
                self._inferred[key] = inferred
        return inferred

    def require(self, requirement: Requirement, inputs: tuple[Value, ...], span: Span) -> None:
        """Settles a demand on sizes: known to hold, derived as a precondition, or a `Failure`."""
        if requirement.demand in self._held:
            return
        match requirement.relation:
            case "==":
                outcome = self.conditions.require_equal(requirement.left, requirement.right)
            case ">=":
                outcome = self.conditions.require_at_least(requirement.left, as_int(requirement.right))
            case "%":
                outcome = self.conditions.require_divisible(requirement.left, as_int(requirement.right))
        reason = outcome.reason
        if outcome.derived:
            broken = broken_default(outcome.conditions, self.graph)
            if broken:  # nobody has it from here, so that the next step that needs it says so too
                self.conditions.forget()
            reason = f"it needs {broken[0]}, and the default is {broken[1]}" if broken else ""
            self.graph.derived += [Derived(condition, span, inputs) for condition in outcome.conditions]
        if reason:
            raise Failure(
                requirement.code,
                f"{as_text(requirement.message)}: {reason}",
                span,
                hint=requirement.hint,
                notes=tuple(origin(value) for value in inputs),
            )
        self._held.add(requirement.demand)


def too_much(error: Exceeded, span: Span) -> Failure:
    """The error of what is more than a limit allows. Nothing after it is looked at."""
    return Failure(error.code, error.message, span, hint=error.hint, fatal=True)


def refused(error: OpError, inputs: tuple[Value, ...], span: Span) -> Failure:
    """What an operator does not take; where it needs a number for a size that a signature leaves open, it is said there."""
    source = declared(inputs[0]) if error.code == "DL0205" and inputs else None
    if source is not None and source.span.source is span.source:
        note = Note(span, "needed here")
        return Failure(error.code, error.message, source.span, hint=error.hint, notes=(note,))
    return Failure(error.code, error.message, span, hint=error.hint, notes=tuple(origin(value) for value in inputs))


def broken_default(conditions: Iterable[Condition], graph: Graph) -> tuple[Condition, str] | None:
    """A condition that the default sizes of the signature break, with those sizes as text."""
    sizes = {name: size for name, size in graph.symbols.items() if size is not None and name not in graph.sizes}
    for condition in conditions:
        if condition.symbols <= sizes.keys() and not condition.holds(sizes):
            return condition, ", ".join(f"{name} = {sizes[name]}" for name in sorted(condition.symbols))
    return None


def origin(value: Value) -> Note:
    """The step that gave a tensor its shape: back from it through steps that changed nothing."""
    producer = value.producer
    while producer and len(producer.inputs) == 1 and producer.inputs[0].type == value.type:
        value = producer.inputs[0]
        producer = value.producer
    return Note(value.span, f"{value.type} comes from here")


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def as_int(size: Dim) -> int:
    assert isinstance(size, int)
    return size
