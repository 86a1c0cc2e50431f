"""Regions of the graph: what the author wrote around its nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from dlspec.ir.node import Node, Value
from dlspec.ir.program import COMPILER, Names, Origin, Template, Written
from dlspec.source import Span

if TYPE_CHECKING:
    from dlspec.ir.body import Body

ScopeKind: TypeAlias = Literal[
    "network", "block", "level", "repeat", "for", "iteration", "if", "branches", "branch", "part", "scan"
]

_NONE: Mapping[str, Written] = {}


def within(path: str, part: str) -> bool:
    """Whether a path is that of a part, or below it."""
    return path.startswith(part) and path[len(part) : len(part) + 1] in ("", ".")


class Scope:
    """A region of the graph as the spec wrote it.

    ``network``, ``block`` and ``level`` (a label on braces or on a repeat) open a level: they are part of paths, by
    ``label``. The other kinds are transparent: they only remember the structure for pictures and generated source.

    * ``template``: the block, network or labelled step that it is an instance of; None for the other kinds.
    * ``declaration``: the name of the block or network, else an empty string. ``definition`` is where it stands.
    * ``arguments``: the values it was called with, defaults filled in. ``given`` names those that are not defaults.
    * ``origin``: the step that it is, with the author's expressions of its arguments; ``names``: those of its body.
    * ``bound``: the tensors that its body gives names to, each with the first. ``labels``: what labels that are computed
      in it were written as.
    * ``span``: where it was called.
    * ``children``: the nodes and scopes directly inside, in the order in which they run.
    * ``shared``: a use of a layer declared by `shared`; several such scopes have one path, that of the declaration.
    * ``inputs``: of a network inside another, the tensors that flow in by its names for them. ``outputs``: all that such a
      network gives, and a block that gives a list. ``flow``: the tensor that flows into a block, labelled braces or a turn
      of a loop.
    * ``carried``: of a turn, each tensor that a word of its body stood for before it, with the one that this word stands
      for behind it: None where it is no tensor, or where that cannot be said. `x` is such a word.
    * ``body``: of a `scan`, what its node does in each turn. ``inside`` is the innermost scope that has one, this one or one
      around it.
    * ``twin``: the scope that this one repeats, elaborated from the same with the same types: all in it is the same but
      paths, and what only training needs. ``names``, and the origins and layers of what is in it, are the twin's.
    """

    __slots__ = (
        "arguments", "body", "bound", "carried", "children", "declaration", "definition", "flow", "given", "inputs",
        "inside", "kind", "label", "labels", "names", "opens", "origin", "outputs", "parent", "path", "shared", "span",
        "template", "twin",
    )  # fmt: skip

    def __init__(
        self,
        kind: ScopeKind,
        parent: Scope | None,
        span: Span,
        label: str = "",
        declaration: str = "",
        definition: Span | None = None,
        arguments: dict[str, Any] | None = None,
        shared: bool = False,
        path: str | None = None,
        origin: Origin = COMPILER,
        template: Template | None = None,
    ) -> None:
        self.kind: ScopeKind = kind
        self.parent = parent
        self.span = span
        self.label = label
        self.declaration = declaration
        self.definition = definition
        self.arguments = {} if arguments is None else arguments
        self.given: tuple[str, ...] = ()
        self.origin = origin
        self.template = template
        self.names: Names | None = None
        self.bound: dict[Value, str] = {}
        self.labels: Mapping[str, Written] = _NONE
        self.shared = shared
        self.inputs: dict[str, Value] = {}
        self.flow: Value | None = None
        self.carried: tuple[tuple[Value, Value | None], ...] = ()
        self.twin: Scope | None = None
        self.outputs: tuple[Value, ...] = ()
        self.children: list[Node | Scope] = []
        self.opens = kind in ("network", "block", "level")
        self.body: Body | None = None
        self.inside: Scope | None = self if kind == "scan" else parent.inside if parent else None
        above = parent.path if parent else ""
        self.path: str = path if path is not None else f"{above}.{label}" if above and label else above or label
        if template is not None:
            template.instances.append(self)
        if parent:
            parent.children.append(self)

    @property
    def folds(self) -> bool:
        """Whether it is a level of what is shown: what opens one is, but for those that only the dots in a label enter."""
        return self.opens and (self.kind != "level" or self.template is not None)

    def ancestors(self) -> Iterator[Scope]:
        """This scope and those around it, innermost first."""
        scope: Scope | None = self
        while scope:
            yield scope
            scope = scope.parent

    def walk(self) -> Iterator[Node | Scope]:
        """All nodes and scopes inside, in the order in which they run; a scope comes before what is inside it."""
        stack: list[Node | Scope] = self.children[::-1]
        while stack:
            part = stack.pop()
            yield part
            if isinstance(part, Scope):
                stack += part.children[::-1]

    def nodes(self) -> Iterator[Node]:
        return (part for part in self.walk() if isinstance(part, Node))

    def scopes(self) -> Iterator[Scope]:
        """This scope and all inside it, each before those inside it."""
        stack = [self]
        while stack:
            scope = stack.pop()
            yield scope
            stack += [part for part in reversed(scope.children) if isinstance(part, Scope)]

    def tensors(self) -> Iterator[Value]:
        """Those of the graph that are said to be given to it, to flow in, to have names in it and to come of it."""
        yield from tensors_in([*self.arguments.values(), *self.inputs.values(), *self.bound, *self.outputs])
        if self.flow is not None:
            yield self.flow
        for before, behind in self.carried:
            yield before
            if behind is not None:
                yield behind

    def copied(self, parent: Scope | None, path: str | None = None, template: Template | None = None) -> Scope:
        """One like it elsewhere, without what is inside, at another path if one is given; of the same template unless
        another is given. `refer` does the tensors."""
        path = self.path if path is None else path
        made = Scope(
            self.kind, parent, self.span, self.label, self.declaration, self.definition, None, self.shared, path,
            self.origin, self.template if template is None else template,
        )  # fmt: skip
        made.given, made.names, made.labels = self.given, self.names, self.labels
        return made

    def refer(self, scope: Scope, copy_of: Callable[[Value], Value | None]) -> None:
        """Says of tensors what another scope says, which this one is a copy of; what has no copy is left out."""
        self.arguments = {
            name: _with_copies(value, copy_of)
            for name, value in scope.arguments.items()
            if None not in map(copy_of, tensors_in(value))
        }
        self.inputs = {name: copy for name, value in scope.inputs.items() if (copy := copy_of(value)) is not None}
        outputs = [copy for value in scope.outputs if (copy := copy_of(value)) is not None]
        self.outputs = tuple(outputs) if len(outputs) == len(scope.outputs) else ()
        self.flow = None if scope.flow is None else copy_of(scope.flow)
        self.carried = tuple(
            (copy, behind and copy_of(behind))
            for before, behind in scope.carried
            if (copy := copy_of(before)) is not None
        )
        self.bound = {copy: name for value, name in scope.bound.items() if (copy := copy_of(value)) is not None}

    def __repr__(self) -> str:
        return f"Scope({self.kind}, {self.path!r})"


def tensors_in(argument: Any) -> list[Value]:
    """The tensors in an argument, which may be lists of them."""
    if isinstance(argument, list):
        return [value for item in cast("list[Any]", argument) for value in tensors_in(item)]
    return [argument] if isinstance(argument, Value) else []


def _with_copies(argument: Any, copy_of: Callable[[Value], Value | None]) -> Any:
    if isinstance(argument, list):
        return [_with_copies(item, copy_of) for item in cast("list[Any]", argument)]
    return copy_of(argument) if isinstance(argument, Value) else argument
