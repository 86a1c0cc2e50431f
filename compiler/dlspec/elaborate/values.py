"""The values that exist while a spec is elaborated.

Tensors are `ir.node.Value`; constants are Python's own (int, `dims.Expr`, float, bool, str, None, list) and `Ratio`;
layers are the classes here. `POISON` stands for a value whose making already reported an error: whatever it meets
becomes POISON too, so that one mistake is reported once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeAlias, cast

from dlspec.diagnostics import Diagnostic, Note
from dlspec.ir.constants import Ratio
from dlspec.ir.dims import Expr
from dlspec.ir.fields import brief, describe, shown
from dlspec.ir.intervals import Interval
from dlspec.ir.node import Value
from dlspec.ir.op import Numbers, Op
from dlspec.ir.program import Names, Written, now
from dlspec.ir.scope import Scope
from dlspec.source import Span
from dlspec.syntax import ast


class Failure(Exception):
    """One error, on its way to the place that reports it and goes on."""

    def __init__(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        label: str = "",
        hint: str = "",
        notes: tuple[Note, ...] = (),
        fatal: bool = False,
        of: tuple[str, Written] | None = None,
    ) -> None:
        """``fatal`` ends the elaboration of the network: what follows would only repeat the error. ``of`` is an argument
        that is wrong by itself, with what is written for it."""
        super().__init__(message)
        self.of = of
        self.cause: Callable[[Diagnostic, Scope], Diagnostic] | None = None
        """Puts the error where it likely comes from, once it is told in a scope."""
        self.fatal = fatal
        self.diagnostic = Diagnostic(code, message, span, label, notes, hint)
        self.step = ""
        self.inputs: tuple[Value, ...] = ()

    def caused(self, cause: Callable[[Diagnostic, Scope], Diagnostic]) -> Failure:
        """The same with a cause."""
        self.cause = cause
        return self

    def at(self, step: str, inputs: tuple[Value, ...]) -> None:
        """Says which step failed, and what flowed into it; the first word on it stands."""
        if not self.step:
            self.step, self.inputs = step, inputs


def refuse_twice(names: Iterable[ast.Name]) -> None:
    """Raises `Failure` for a name that is given twice at one place, but for `_`."""
    given: dict[str, Span] = {}
    for name in names:
        if name.name in given and name.name != "_":
            note = Note(given[name.name], "the first one is here")
            raise Failure("DL0307", f"`{name.name}` is given twice", name.span, notes=(note,))
        given[name.name] = name.span


@dataclass(frozen=True, slots=True)
class Fault:
    """A step that could not be built: for pictures of what could. ``step`` is the operator, or the text of the step, or
    empty where nothing flowed; ``inputs`` are the tensors that flowed into it."""

    step: str
    inputs: tuple[Value, ...]
    scope: Scope
    diagnostic: Diagnostic


class Abandon(Exception):
    """Ends the elaboration of a network after a fatal error that is reported."""


_MANY = 50
"""Items of a list that a message may show."""


class _Poison:
    def __repr__(self) -> str:
        return "POISON"


POISON: Final = _Poison()
UNBOUND: Final = object()


class Env(Names):
    """The names of a body, with the ``module`` it stands in and the ``defaults`` that it sets."""

    __slots__ = ("defaults", "module")

    def __init__(
        self, parent: Env | None, names: dict[str, Any], module: Module | None = None, transparent: bool = False
    ) -> None:
        super().__init__(parent, names, transparent)
        self.module: Module | None = module or (parent.module if parent else None)
        self.defaults: list[tuple[str, tuple[ast.Argument, ...], Span]] = []

    def find(self, name: str) -> Any:
        env: Names | None = self
        while env is not None:
            if name in env.names:
                return env.names[name]
            if env.until is not None and env.parent is not None:
                seen = env.parent.seen(name, env.until)
                if seen is not None:
                    return seen[1].value
            env = env.parent
        return UNBOUND

    def at(self, time: int) -> Env:
        """These names as they were at a time."""
        env = Env(self, {}, transparent=True)
        env.until = time
        return env

    def visible(self) -> list[str]:
        names: list[str] = []
        env: Names | None = self
        while env is not None:
            names.extend(env.names)
            env = env.parent
        return names


Arguments: TypeAlias = "dict[str, tuple[Any, Written]]"
"""What a layer is given, by the names of its parameters."""


class Module:
    """A file: its declarations by name in ``env``, imports included, of which ``imports`` says what they are where. The
    ``networks`` are those that it declares, in order."""

    def __init__(self, file: ast.File) -> None:
        self.file = file
        self.env = Env(None, {}, self)
        self.imports: dict[str, tuple[Module, str]] = {}
        self.networks: dict[str, BlockLayer] = {}
        self.sound = False
        """Nothing is wrong with its declarations and what it imports, as far as that is seen without networks."""

    def forget(self) -> None:
        """Cuts what leads back in it. For the last who has it."""
        self.networks.clear()
        self.imports.clear()
        self.env.names.clear()
        self.env.history.clear()
        self.env.module = None

    @property
    def trains(self) -> dict[str, ast.Train]:
        return {d.name.name: d for d in self.file.declarations if isinstance(d, ast.Train)}

    @property
    def blocks(self) -> dict[str, ast.Block]:
        return {d.name.name: d for d in self.file.declarations if isinstance(d, ast.Block)}

    @cached_property
    def lost(self) -> frozenset[str]:
        """The words in what could not be read, some of which may have been declared or bound there."""
        return frozenset(
            word for node in ast.walk(self.file) if isinstance(node, ast.Unreadable) for word in node.words
        )


class Layer:
    """A function of tensors. ``title`` is how messages call it."""

    __slots__ = ()
    title: str = "a layer"

    def __str__(self) -> str:
        return f"the layer {self.title}" if self.title != "a layer" else self.title


@dataclass(slots=True, eq=False)
class OpLayer(Layer):
    """A built-in layer with the arguments given so far, by field or tensor name, and branches if any."""

    op: type[Op]
    pinned: int | None
    name: str
    arguments: Arguments
    span: Span
    branches: tuple[ast.Body, ...] | None = None
    env: Env | None = None
    called: bool = False

    @property
    def title(self) -> str:  # type: ignore[override]
        return f"`{self.name}`"


@dataclass(slots=True, eq=False)
class BlockLayer(Layer):
    """A block or network of a spec, with the arguments given so far by parameter name.

    The defaults of parameters see the names of the ``module``, or of ``homes`` where a variant gives them.
    """

    declaration: ast.Block | ast.Network
    module: Module
    arguments: Arguments = field(default_factory=dict[str, "tuple[Any, Written]"])
    span: Span | None = None
    called: bool = False
    homes: Mapping[str, Env] = field(default_factory=dict[str, Env])

    def replaced(self, arguments: Arguments, span: Span | None = None, called: bool = False) -> BlockLayer:
        """The same with these arguments."""
        return BlockLayer(self.declaration, self.module, arguments, span, called, self.homes)

    @property
    def title(self) -> str:  # type: ignore[override]
        return f"`{self.declaration.name.name}`"


@dataclass(slots=True, eq=False)
class Deferred(Layer):
    """An expression that becomes a tensor once something flows into it: a chain of layers, braces, a loop. It means what
    its names stood for at its ``time``."""

    expression: ast.Expression
    env: Env
    time: int = field(default_factory=now)


@dataclass(slots=True, eq=False)
class BranchLayer(Layer):
    """One branch of braces, handed to a block as a layer. It means what its names stood for at its ``time``."""

    body: ast.Body
    env: Env
    time: int = field(default_factory=now)


@dataclass(slots=True, eq=False)
class SharedLayer(Layer):
    """A layer declared by `shared`: every use has the weights at ``label`` below the path ``home``."""

    layer: Layer
    label: str
    home: str
    span: Span

    @property
    def title(self) -> str:  # type: ignore[override]
        return f"`{self.label}`"


@dataclass(slots=True, eq=False)
class Inside:
    """A layer inside a shared one, on the way to a weight of it: `f.conv` of `f.conv.weight`."""

    layer: SharedLayer
    path: str

    def __str__(self) -> str:
        return f"a layer of {self.layer.title}"


@dataclass(slots=True, eq=False)
class FrozenLayer(Layer):
    """`freeze(layer)`: a layer of a `train` whose weights stay as they are."""

    layer: Layer

    @property
    def title(self) -> str:  # type: ignore[override]
        return self.layer.title


@dataclass(slots=True, eq=False)
class AverageLayer(Layer):
    """`moving_average(network, decay=0.999)`: the network with weights that follow those of the source."""

    source: SharedLayer
    decay: float

    @property
    def title(self) -> str:  # type: ignore[override]
        return self.source.layer.title


class Distribution:
    """A distribution of tensors. What it can be asked is in `distributions`.

    ``sized`` says that its formulas have sizes of its parameters in them.
    """

    sized: bool = False

    def claims(self) -> list[tuple[Value, str, Interval | Numbers]]:
        """The tensors among its parameters that must be in an interval, or raw scores."""
        return []

    @property
    def title(self) -> str:
        return f"`{type(self).__name__}`"


class Results(list[Any]):
    """What a layer gives of which the first flows on in a chain, and all are there for several names."""


def leading(value: Any) -> Any:
    """What of a value flows on."""
    return value[0] if value.__class__ is Results else value


def as_list(value: Any) -> list[Any]:
    """The value if it is a list, else a list of it."""
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def has_tensor(value: Any) -> bool:
    """Whether there is a tensor in the value, at any depth of lists."""
    if isinstance(value, list):
        return any(has_tensor(item) for item in value)  # type: ignore[reportUnknownVariableType]
    return isinstance(value, Value)


def has_layers(value: Any) -> bool:
    """Whether the value is a layer inside a shared one, or a list, at any depth, that begins with one."""
    while isinstance(value, list) and value:
        value = value[0]  # type: ignore[reportUnknownVariableType]
    return isinstance(value, Inside)


def has_poison(value: Any) -> bool:
    """Whether a value is POISON, or a list of several in which one is."""
    return value is POISON or (isinstance(value, list) and POISON in value)


def kind_of(value: Any) -> str:
    """What a value is, for messages: with its article, and the value itself where it is short."""
    match value:
        case Value():
            return f"a tensor {value.type}"
        case Layer():
            return str(value)
        case bool() | None:
            return describe(value)
        case int() | float():
            return f"the number {shown(value)}"
        case Expr() | Ratio():
            return f"the size {value}"
        case str():
            return f"the string {brief(value)}"
        case list():
            count = len(cast("list[Any]", value))
            tensors = has_tensor(value)
            if tensors or count > _MANY:
                return f"a list of {count:,} {'tensors' if tensors else 'values'}"
            return f"the list {_beginning(show(value))}"
        case Distribution():
            return f"a distribution, {value}"
        case _:
            return str(value)


def _beginning(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]} ..."


def show(value: Any) -> str:
    """A value as it would be written in a spec; layers and tensors by a short description."""
    match value:
        case Value():
            return str(value.type)
        case Layer():
            return value.title.strip("`") if value.title != "a layer" else "{ ... }"
        case list():
            return f"[{', '.join(show(item) for item in value)}]"  # type: ignore[reportUnknownVariableType]
        case _:
            return describe(value)


def freeze(value: Any) -> Any:
    """Lists as tuples, tensors as their types: the form in which operators' fields take values."""
    if isinstance(value, list):
        return tuple(freeze(item) for item in value)  # type: ignore[reportUnknownVariableType]
    return value.type if isinstance(value, Value) else value
