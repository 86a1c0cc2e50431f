"""The syntax tree of a spec. Every node carries the span of text it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from dlspec.source import Source, Span


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    span: Span


# Expressions ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Name(Node):
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Constant(Node):
    """A number, `true`, `false` or `none`."""

    value: int | float | bool | None


@dataclass(frozen=True, slots=True, eq=False)
class String(Node):
    """A string; `"layer{i + 1}"` has the parts `"layer"` and an expression. `{{` and `}}` stand for braces."""

    parts: tuple[str | Expression, ...]


@dataclass(frozen=True, slots=True, eq=False)
class List(Node):
    """`[a, b]`; as a step of a chain, a shape to check."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Comprehension(Node):
    """`[item for a, b in iterable if condition]`."""

    item: Expression
    targets: tuple[Name, ...]
    iterable: Expression
    condition: Expression | None


@dataclass(frozen=True, slots=True, eq=False)
class Unary(Node):
    """`-a`, `not a`."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Binary(Node):
    """`+ - * / // % ** == != < <= > >= and or`, and `in`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Argument(Node):
    """An argument of a call, positional where `name` is None."""

    name: Name | None
    value: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Call(Node):
    """`f(a, b=c)`. `branches` is None without trailing braces; `Add { a | b }` has no arguments and two branches."""

    function: Expression
    arguments: tuple[Argument, ...]
    branches: tuple[Body, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Slice(Node):
    """`start:stop:step` between brackets, every part optional."""

    start: Expression | None
    stop: Expression | None
    step: Expression | None


@dataclass(frozen=True, slots=True, eq=False)
class Index(Node):
    """`base[i]`, `x[:, 0]`."""

    base: Expression
    items: tuple[Expression | Slice, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Attribute(Node):
    """`x.channels`, `ResNet50.params`."""

    base: Expression
    name: Name


@dataclass(frozen=True, slots=True, eq=False)
class Braces(Node):
    """`{ ... }`, an anonymous layer whose input is `x`; `{ a | b }` gives several tensors."""

    branches: tuple[Body, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Repeat(Node):
    """`repeat count { body }`."""

    count: Expression
    body: Body


@dataclass(frozen=True, slots=True, eq=False)
class For(Node):
    """`for a, b in iterable { body }`."""

    targets: tuple[Name, ...]
    iterable: Expression
    body: Body


@dataclass(frozen=True, slots=True, eq=False)
class If(Node):
    """`if condition { then } else { otherwise }`; an `else if` is a body with one `If` in it."""

    condition: Expression
    then: Body
    otherwise: Body | None


@dataclass(frozen=True, slots=True, eq=False)
class Labelled(Node):
    """`label: layer`."""

    label: Name | String
    layer: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Tap(Node):
    """`step as name`, inside a chain."""

    step: Expression
    name: Name


@dataclass(frozen=True, slots=True, eq=False)
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
    | Labelled
    | Tap
    | Chain
)


# Statements ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Bind(Node):
    """`a = value`, `a, b = value`."""

    targets: tuple[Name, ...]
    value: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Shared(Node):
    """`shared f = layer`."""

    name: Name
    layer: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Param(Node):
    """`param g: float[C, 1, 1] = 1.0`; `buffer` instead of `param` for a tensor that is kept but not trained."""

    kind: Literal["param", "buffer"]
    name: Name
    type: Type
    initial: Expression | None


@dataclass(frozen=True, slots=True, eq=False)
class Default(Node):
    """`default BatchNorm(eps=1e-3)`."""

    layer: Name
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Expect(Node):
    """`expect condition, "message"`."""

    condition: Expression
    message: Expression | None


@dataclass(frozen=True, slots=True, eq=False)
class Evaluate(Node):
    """An expression standing alone. The last one of a body is its result."""

    value: Expression


Statement: TypeAlias = Bind | Shared | Param | Default | Expect | Evaluate


@dataclass(frozen=True, slots=True, eq=False)
class Body(Node):
    statements: tuple[Statement, ...]


# Declarations --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Axis(Node):
    """One dimension of a tensor type: `3`, `N`, `H = 224`."""

    size: Expression
    default: Expression | None


@dataclass(frozen=True, slots=True, eq=False)
class Type(Node):
    """`int`, `layer`, or with axes `float[N, 3, H = 224, W = 224]`. `axes` is None where no brackets stand."""

    name: str
    axes: tuple[Axis, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Parameter(Node):
    name: Name
    type: Type | None
    default: Expression | None


@dataclass(frozen=True, slots=True, eq=False)
class Output(Node):
    """A name after the arrow of a network; `training` for one that exists in training only."""

    name: Name
    training: bool


@dataclass(frozen=True, slots=True, eq=False)
class Imported(Node):
    """`Name` or `Name as Other` of an import."""

    name: Name
    alias: Name | None


@dataclass(frozen=True, slots=True, eq=False)
class Import(Node):
    """`from std.resnet import Bottleneck`, `from .blocks import Up`. `level` counts the leading dots."""

    level: int
    path: tuple[str, ...]
    names: tuple[Imported, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Block(Node):
    """`doc` is the comment directly above, without its `#`."""

    name: Name
    parameters: tuple[Parameter, ...]
    body: Body
    doc: str


@dataclass(frozen=True, slots=True, eq=False)
class Network(Node):
    name: Name
    parameters: tuple[Parameter, ...]
    outputs: tuple[Output, ...]
    where: tuple[Expression, ...]
    body: Body
    doc: str


@dataclass(frozen=True, slots=True, eq=False)
class Data(Node):
    """`data image: float[N, 784]` in a `train`."""

    name: Name
    type: Type


@dataclass(frozen=True, slots=True, eq=False)
class Update(Node):
    """`minimize expression over networks using Optimizer(...) times k`."""

    direction: str
    objective: Expression
    over: tuple[Name, ...]
    optimizer: Expression
    times: Expression | None


@dataclass(frozen=True, slots=True, eq=False)
class Train(Node):
    name: Name
    parameters: tuple[Parameter, ...]
    statements: tuple[Statement | Data | Update, ...]
    doc: str


Declaration: TypeAlias = Import | Block | Network | Train | Expect | Default | Bind


@dataclass(frozen=True, slots=True, eq=False)
class File(Node):
    declarations: tuple[Declaration, ...]
    source: Source
    doc: str
