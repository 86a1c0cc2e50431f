"""What the author wrote, kept with what it became: expressions with the names in sight, and declarations with their
instances."""

from __future__ import annotations

from bisect import bisect_right
from itertools import count
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from dlspec.source import Span
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.ir.scope import Scope

Form: TypeAlias = Literal["layer", "function", "operator", "constant", "weight", "scope", "compiler"]

_clock = count(1)
_time = attrgetter("time")


def now() -> int:
    """A time later than all before."""
    return next(_clock)


class Written:
    """An expression of the text with the names that it saw. ``span`` is where to point at it: with the name it is given
    by, where it is an argument."""

    __slots__ = ("expression", "names", "span", "time")

    def __init__(self, expression: ast.Expression, names: Names, span: Span | None = None) -> None:
        self.expression = expression
        self.names = names
        self.span = expression.span if span is None else span
        self.time = next(_clock)

    def part(self, expression: ast.Expression) -> Written:
        """An expression inside, which sees the same names."""
        made = Written(expression, self.names)
        made.time = self.time
        return made

    def __repr__(self) -> str:
        return f"Written({self.span.text!r})"


def is_literal(expression: ast.Expression) -> bool:
    """Whether an expression is a number, a word, or a list of such."""
    match expression:
        case ast.List(items=items):
            return all(map(is_literal, items))
        case ast.Unary(operand=operand):
            return is_literal(operand)
        case ast.Constant():
            return True
        case ast.String(parts=parts):
            return all(isinstance(part, str) for part in parts)
        case _:
            return False


class Binding:
    """What a name stands for from a ``time`` on: the value of what is ``written``, or the part of it at a ``place`` where
    several names take a list apart."""

    __slots__ = ("place", "time", "value", "written")

    def __init__(self, time: int, value: Any, written: Written | None, place: tuple[int, ...]) -> None:
        self.time = time
        self.value = value
        self.written = written
        self.place = place


class Turn:
    """One turn of a loop or comprehension: the ``step``, what it loops over as ``written`` and as ``values``, and how many
    turns came before."""

    __slots__ = ("index", "step", "values", "written")

    def __init__(self, step: ast.Repeat | ast.For | ast.Clause, written: Written, values: Any, index: int) -> None:
        self.step = step
        self.written = written
        self.values = values
        self.index = index


class Names:
    """Names and what they stand for, around it those of ``parent``.

    ``scope`` is the instance of a block or network whose parameters are here, ``turn`` the turn of a loop whose variables
    are. A ``transparent`` one (the body of an `if`, a `for` or a `repeat`) holds only `x` and the loop's own names: other
    names bound in it belong to the names around it. ``time`` is when it began. With ``until`` it sees the names around it
    as they were then, if they were bound.
    """

    __slots__ = ("history", "names", "parent", "scope", "time", "transparent", "turn", "until")

    def __init__(self, parent: Names | None, names: dict[str, Any], transparent: bool = False) -> None:
        self.parent = parent
        self.names = names
        self.transparent = transparent
        self.history: dict[str, list[Binding]] = {}
        self.scope: Scope | None = None
        self.turn: Turn | None = None
        self.until: int | None = None
        self.time = next(_clock)

    def bind(self, name: str, value: Any, written: Written | None = None, place: tuple[int, ...] = ()) -> Names:
        """Binds a name. Returns the names to which it belongs."""
        around, binding = self, Binding(next(_clock), value, written, place)
        while around.transparent and around.parent is not None:
            if around.until is not None:
                around._keep(name, binding)
            elif name in around.names:
                break
            around = around.parent
        around._keep(name, binding)
        return around

    def _keep(self, name: str, binding: Binding) -> None:
        bindings = self.history.get(name)
        if bindings is None:
            before = [Binding(0, self.names[name], None, ())] if name in self.names else []
            bindings = self.history[name] = before
        bindings.append(binding)
        self.names[name] = binding.value

    def seen(self, name: str, time: int) -> tuple[Names, Binding] | None:
        """Where a name was found at a time, and what it stood for then. A parameter or a loop's variable has the time 0."""
        around: Names | None = self
        while around is not None:
            bindings = around.history.get(name)
            if bindings is not None:
                before = bisect_right(bindings, time, key=_time)
                if before:
                    return around, bindings[before - 1]
            elif name in around.names:
                return around, Binding(0, around.names[name], None, ())
            if around.until is not None and around.until < time and around.parent is not None:
                found = around.parent.seen(name, around.until)
                if found is not None:
                    return found
            around = around.parent
        return None

    @property
    def home(self) -> Scope | None:
        """The instance of a block or network in whose body this is; None for the names of a file."""
        around: Names | None = self
        while around is not None:
            if around.scope is not None:
                return around.scope
            around = around.parent
        return None


class Origin:
    """How a node or scope came to be.

    * ``step``: the expression that it stands for; None for what the compiler makes by itself.
    * ``form``: whether a layer, a function or an operator of the language was written, a number beside a tensor, or a
      weight that is declared; ``scope`` for a region.
    * ``written``: the author's expression of each argument by its name, given or the default of a block; of a `repeat`
      its ``count``, of a `for` its ``iterable``, of an `if` its ``condition``.
    * ``labelled``: the last part of its path is a label, not its position.
    * ``chosen``: of an `if`, whether the condition held.
    """

    __slots__ = ("chosen", "form", "labelled", "step", "written")

    def __init__(
        self,
        step: ast.Node | None,
        form: Form,
        written: dict[str, Written] | None = None,
        labelled: bool = False,
        chosen: bool = True,
    ) -> None:
        self.step = step
        self.form: Form = form
        self.written = {} if written is None else written
        self.labelled = labelled
        self.chosen = chosen


COMPILER = Origin(None, "compiler")
"""Of what no expression of the text stands for by itself."""
ASKED, SIZED = "asked", "sized"
"""The names by which what the compiler makes for a call has that call among what is written; the second where its formula
has the sizes of tensors in it."""


HOLDER, LISTED = "holder", "listed"
"""The names by which a weight of a shared layer has what it is taken of among what is written, and an operator on a list
of such weights that list."""


class Template:
    """A declaration with its instances in a graph: a block, a network or a train, or what a label names (braces, a
    loop)."""

    __slots__ = ("declaration", "instances", "name")

    def __init__(self, name: str, declaration: ast.Node) -> None:
        self.name = name
        self.declaration = declaration
        self.instances: list[Scope] = []

    @property
    def parameters(self) -> tuple[ast.Parameter, ...]:
        declared = self.declaration
        return declared.parameters if isinstance(declared, ast.Block | ast.Network | ast.Train) else ()

    @property
    def body(self) -> ast.Body | None:
        """What a block or network does, as the author wrote it."""
        return self.declaration.body if isinstance(self.declaration, ast.Block | ast.Network) else None

    @property
    def doc(self) -> str:
        declared = self.declaration
        return declared.doc if isinstance(declared, ast.Block | ast.Network | ast.Train) else ""

    @property
    def given(self) -> tuple[str, ...]:
        """The parameters that some instance is given, in their order; the others stand at their defaults everywhere."""
        given = {name for instance in self.instances for name in instance.given}
        return tuple(p.name.name for p in self.parameters if p.name.name in given)
