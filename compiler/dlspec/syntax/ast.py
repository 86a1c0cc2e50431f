"""The syntax tree of a spec. Every node carries the span of text it came from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, ClassVar, Literal, Self, TypeAlias, dataclass_transform

from dlspec.source import Source, Span


@dataclass_transform(frozen_default=True, eq_default=False)
class Record:
    """What its subclasses declare as fields, its constructor takes in that order.

    Not a dataclass: compiling code for 40 classes would cost each start of the command line 20 ms.
    """

    fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.fields = (*cls.fields, *cls.__annotations__)

    def __init__(self, *values: Any) -> None:
        if len(values) != len(self.fields):
            raise TypeError(f"{type(self).__name__} takes {', '.join(self.fields)}")
        self.__dict__.update(zip(self.fields, values, strict=True))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in self.fields if n != 'span')})"

    def replace(self, **changes: Any) -> Self:
        """The same node with some fields changed."""
        return type(self)(*(changes.get(name, getattr(self, name)) for name in self.fields))


class Node(Record):
    """Base of all nodes."""

    span: Span


# Expressions ---------------------------------------------------------------------------------------------------------


class Name(Node):
    name: str


class Pattern(Node):
    """`[a, b]` or `(a, b)` among names that take lists apart: names for what is in a list in the list."""

    items: tuple[Target, ...]


Target: TypeAlias = Name | Pattern


def names_of(targets: tuple[Target, ...]) -> Iterator[Name]:
    """The names that take a list apart, in order."""
    return (name for name, _ in paths_of(targets))


def paths_of(targets: tuple[Target, ...]) -> Iterator[tuple[Name, tuple[int, ...]]]:
    """The same, with the places at which each finds what it takes, in lists in each other: none where one takes all."""
    match targets:
        case (Name() as name,):
            yield name, ()
        case (Pattern(items=items),):
            yield from _places(items)
        case _:
            yield from _places(targets)


def _places(targets: tuple[Target, ...]) -> Iterator[tuple[Name, tuple[int, ...]]]:
    for place, target in enumerate(targets):
        if isinstance(target, Name):
            yield target, (place,)
        else:
            yield from ((name, (place, *path)) for name, path in _places(target.items))


class Constant(Node):
    """A number, `true`, `false` or `none`."""

    value: int | float | bool | None


class String(Node):
    """A string; `"layer{i + 1}"` has the parts `"layer"` and an expression. `{{` and `}}` stand for braces."""

    parts: tuple[str | Expression, ...]


class List(Node):
    """`[a, b]`; as a step of a chain, a shape to check."""

    items: tuple[Expression, ...]


class Clause(Node):
    """`for a, [b, c] in iterable if condition if condition`, in a comprehension."""

    targets: tuple[Target, ...]
    iterable: Expression
    conditions: tuple[Expression, ...]


class Comprehension(Node):
    """`[item for a in b if c for d in e]`."""

    item: Expression
    clauses: tuple[Clause, ...]


class Unary(Node):
    """`-a`, `not a`."""

    operator: str
    operand: Expression


class Binary(Node):
    """`+ - * / // % ** == != < <= > >= and or`, and `in`."""

    operator: str
    left: Expression
    right: Expression


class Argument(Node):
    """An argument of a call, positional where `name` is None."""

    name: Name | None
    value: Expression


class Call(Node):
    """`f(a, b=c)`. `branches` is None without trailing braces; `Add { a | b }` has no arguments and two branches."""

    function: Expression
    arguments: tuple[Argument, ...]
    branches: tuple[Body, ...] | None


class Slice(Node):
    """`start:stop:step` between brackets, every part optional."""

    start: Expression | None
    stop: Expression | None
    step: Expression | None


class Rest(Node):
    """`...` between brackets: all axes that are not named."""


class Index(Node):
    """`base[i]`, `x[:, 0]`."""

    base: Expression
    items: tuple[Expression | Slice | Rest, ...]


class Attribute(Node):
    """`x.channels`, `ResNet50.params`."""

    base: Expression
    name: Name


class Braces(Node):
    """`{ ... }`, an anonymous layer whose input is `x`; `{ a | b }` gives several tensors."""

    branches: tuple[Body, ...]


class Repeat(Node):
    """`repeat count { body }`."""

    count: Expression
    body: Body


class For(Node):
    """`for a, [b, c] in iterable { body }`."""

    targets: tuple[Target, ...]
    iterable: Expression
    body: Body


class If(Node):
    """`if condition { then } else { otherwise }`; an `else if` is a body with one `If` in it."""

    condition: Expression
    then: Body
    otherwise: Body | None


class Scan(Node):
    """`scan a, b in x, y along axis backwards with h = start { body }`: the body for each place of the axis, with slices of
    the inputs and with states that it binds again. Without inputs it is a step of a chain, and takes what flows."""

    targets: tuple[Name, ...]
    inputs: tuple[Expression, ...]
    axis: Expression
    backwards: bool
    states: tuple[State, ...]
    body: Body


class State(Node):
    """`h = start`, in a `scan`."""

    name: Name
    start: Expression


class Labelled(Node):
    """`label: layer`."""

    label: Name | String
    layer: Expression


class Tap(Node):
    """`step as name`, inside a chain."""

    step: Expression
    name: Name


class Chain(Node):
    """`a -> b -> c`, two steps or more."""

    steps: tuple[Expression, ...]


Expression: TypeAlias = (
    Name
    | Constant
    | String
    | List
    | Comprehension
    | Unary
    | Binary
    | Call
    | Index
    | Attribute
    | Braces
    | Repeat
    | For
    | If
    | Scan
    | Labelled
    | Tap
    | Chain
)


# Statements ----------------------------------------------------------------------------------------------------------


class Bind(Node):
    """`a = value`, `[a, b], c = value`."""

    targets: tuple[Target, ...]
    value: Expression


class Shared(Node):
    """`shared f = layer`."""

    name: Name
    layer: Expression


class Param(Node):
    """`param g: float[C, 1, 1] = 1.0`; `buffer` instead of `param` for a tensor that is kept but not trained. `label` is
    its name in the state dict, where that is another."""

    kind: Literal["param", "buffer"]
    name: Name
    label: String | None
    type: Type
    initial: Expression | None


class Default(Node):
    """`default BatchNorm(eps=1e-3)`."""

    layer: Name
    arguments: tuple[Argument, ...]


class Expect(Node):
    """`expect condition, "message"`."""

    condition: Expression
    message: Expression | None


class Evaluate(Node):
    """An expression standing alone. The last one of a body is its result."""

    value: Expression


class Unfinished(Evaluate):
    """One before a statement that could not be read, and may have been its beginning."""


class Unreadable(Node):
    """A statement or declaration that is no dlspec. `names` are those that it seems to bind or declare."""

    names: tuple[Name, ...]

    @property
    def words(self) -> list[str]:
        """All words in it, any of which may be one more."""
        return re.findall(r"[A-Za-z_]\w*", self.span.text)


Statement: TypeAlias = Bind | Shared | Param | Default | Expect | Evaluate | Unreadable


class Body(Node):
    statements: tuple[Statement, ...]


# Declarations --------------------------------------------------------------------------------------------------------


class Axis(Node):
    """One dimension of a tensor type: `3`, `N`, `H = 224`."""

    size: Expression
    default: Expression | None


class Type(Node):
    """`int`, `layer`, or with axes `float[N, 3, H = 224, W = 224]`. `axes` is None where no brackets stand."""

    name: str
    axes: tuple[Axis, ...] | None


class Parameter(Node):
    name: Name
    type: Type | None
    default: Expression | None


class Output(Node):
    """A name after the arrow of a network; `training` for one that exists in training only."""

    name: Name
    training: bool


class Imported(Node):
    """`Name` or `Name as Other` of an import."""

    name: Name
    alias: Name | None


class Import(Node):
    """`from std.resnet import Bottleneck`, `from .blocks import Up`. `level` counts the leading dots."""

    level: int
    path: tuple[str, ...]
    names: tuple[Imported, ...]


class Block(Node):
    """`kind` is the word that declares it, `block` or `part`. `doc` is the comment directly above, without its `#`."""

    kind: str
    name: Name
    parameters: tuple[Parameter, ...]
    body: Body
    doc: str


class Network(Node):
    name: Name
    parameters: tuple[Parameter, ...]
    outputs: tuple[Output, ...]
    where: tuple[Expression, ...]
    body: Body
    doc: str


class Variant(Node):
    """`network ResNet101 = ResNet(Bottleneck, [3, 4, 23, 3])`: a network that is another with other defaults."""

    name: Name
    value: Name | Call
    doc: str

    @property
    def base(self) -> Name:
        """The network that it is a variant of."""
        base = self.value.function if isinstance(self.value, Call) else self.value
        assert isinstance(base, Name)
        return base


class Data(Node):
    """`data image: float[N, 784]` in a `train`; `-> RandomCrop(28, padding=2)` after it changes each batch."""

    name: Name
    type: Type
    augmentations: tuple[Expression, ...]


class Pair(Node):
    """`data (image: float[N, 3, 9, 9], mask: int[N, 9, 9]) -> RandomHorizontalFlip`: data that is changed by one draw."""

    given: tuple[Data, ...]
    augmentations: tuple[Expression, ...]


class Update(Node):
    """`minimize expression over networks using Optimizer(...) times k`. A network is a name, a part of one `f.head`, and a
    call where arguments of the optimizer are other for it."""

    direction: str
    objective: Expression
    over: tuple[Expression, ...]
    optimizer: Expression
    times: Expression | None


class Train(Node):
    name: Name
    parameters: tuple[Parameter, ...]
    statements: tuple[Statement | Data | Pair | Update, ...]
    doc: str


def data_of(train: Train) -> Iterator[Data]:
    """All data of a `train`, in order."""
    for statement in train.statements:
        yield from (
            (statement,) if isinstance(statement, Data) else statement.given if isinstance(statement, Pair) else ()
        )


Declaration: TypeAlias = Import | Block | Network | Variant | Train | Expect | Default | Bind | Unreadable


class File(Node):
    declarations: tuple[Declaration, ...]
    source: Source
    doc: str


@cache
def child_fields(kind: type[Node]) -> tuple[str, ...]:
    """The fields of a node in which others may stand."""
    plain = {"span", "name", "doc", "kind", "operator", "targets", "value" if kind is Constant else ""}
    return tuple(name for name in kind.fields if name not in plain)


def walk(node: Node) -> Iterator[Node]:
    """The node and those in it, each before what it holds. Without recursion."""
    todo: list[object] = [node]
    while todo:
        found = todo.pop()
        if found.__class__ is tuple:
            todo.extend(reversed(found))  # type: ignore[reportArgumentType]
        elif isinstance(found, Node):
            yield found
            held = found.__dict__
            todo += [held[name] for name in reversed(child_fields(found.__class__))]
