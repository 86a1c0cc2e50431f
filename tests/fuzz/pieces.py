"""What random programs are made of: steps, chains, statements and blocks that know their types and can be written in several
ways that mean the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Protocol

from dlspec.ir.conditions import Conditions
from dlspec.ir.dims import Dim
from dlspec.ir.evaluation import evaluate
from dlspec.ir.fields import describe
from dlspec.ir.init import Init
from dlspec.ir.op import Needs, Op, OpError, as_text
from dlspec.ir.types import DType, TensorType

Defaults = Mapping[type[Op], Mapping[str, Any]]


class Untyped(Exception):
    """What is drawn does not fit."""


class Typing:
    """Types as the language gives them, with the preconditions that were needed so far. They have to hold for ``sizes``,
    and to leave the batch alone."""

    def __init__(self, sizes: dict[str, int], batch: str) -> None:
        self.sizes = sizes
        self.batch = batch
        self.conditions = Conditions()

    def apply(self, op: Op, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        """Raises `Untyped`, and changes nothing then."""
        needs = Needs()
        inputs = list(inputs)
        slots = [slot.rstrip("?") for slot in op.tensors]
        for slot, other in op.alike.items():  # what is left out, as elaboration fills it in
            if slots.index(slot) == len(inputs):
                inputs.append(inputs[slots.index(other)])
        try:
            result = op.infer(needs, tuple(inputs))
            weights = op.weights(tuple(inputs))
        except OpError as error:
            raise Untyped(error.message) from None
        tried = self.conditions.copy()
        for each in needs.requirements:
            match each.relation:
                case "==":
                    outcome = tried.require_equal(each.left, each.right)
                case ">=":
                    outcome = tried.require_at_least(each.left, int(each.right))  # type: ignore[arg-type]
                case "%":
                    outcome = tried.require_divisible(each.left, int(each.right))  # type: ignore[arg-type]
            fits = all(c.holds(self.sizes) and self.batch not in c.symbols for c in outcome.conditions)
            if outcome.impossible or not fits:
                raise Untyped(as_text(each.message))
        types = (result,) if isinstance(result, TensorType) else tuple(result)
        if any(not 0 < self.elements(type.elements) <= 20_000 or type.rank > 6 for type in types):
            raise Untyped("large or empty")
        if sum(_product(weight.shape) for weight in weights) > 40_000:
            raise Untyped("large weights")
        self.conditions = tried
        return types

    def one(self, op: Op, *inputs: TensorType) -> TensorType:
        types = self.apply(op, inputs)
        if len(types) > 1:
            raise Untyped("several tensors")
        return types[0]

    def elements(self, dim: Dim) -> int:
        return evaluate(dim, self.sizes)


def _product(sizes: Sequence[int]) -> int:
    count = 1
    for size in sizes:
        count *= size
    return count


# Writing ---------------------------------------------------------------------------------------------------------------


@dataclass
class Style:
    """How a program is written: the same network in each."""

    inline: bool = False
    unroll: bool = False
    identity: Random | None = None
    order: Random | None = None
    renamed: bool = False
    plain: bool = False  # inside of what was inlined or unrolled: values instead of names
    turning: frozenset[str] = frozenset()  # but for those of loops in there
    defaults: Defaults = field(default_factory=dict[type[Op], Mapping[str, Any]])

    def within(self, **changes: Any) -> Style:
        return replace(self, **changes)

    def shown(self, names: Mapping[str, str]) -> Mapping[str, str]:
        return {field: name for field, name in names.items() if not self.plain or name in self.turning}


def literal(value: Any) -> str:
    match value:
        case DType():
            return f'"{value.label}"'
        case Init(kind="constant"):
            return literal(value["val"])
        case Init():
            return f"{value.kind}({', '.join(literal(number) for _, number in value.arguments)})"
        case float():
            return repr(value)
        case tuple():
            return f"[{', '.join(map(literal, value))}]"
        case _:
            return describe(value)


def arguments(op: Op, defaults: Defaults, names: Mapping[str, str]) -> list[str]:
    """The arguments of a call: what is needed, and what is not so anyway."""
    written: list[str] = []
    known = defaults.get(type(op), {})
    for each in op.fields:
        value = getattr(op, each.name)
        if each.name == op.more:
            written += [f"{name}={literal(length)}" for name, length in value]
        elif each.name in names:
            written.append(f"{each.name}={names[each.name]}")
        elif each.required or value != known.get(each.name, each.converted_default):
            written.append(f"{each.name}={literal(value)}")
    return written


def call(name: str, op: Op, defaults: Defaults, names: Mapping[str, str], tensors: Sequence[str] = ()) -> str:
    inside = ", ".join([*tensors, *arguments(op, defaults, names)])
    return f"{name}({inside})" if inside or not name[0].isupper() else name


class Step(Protocol):
    def run(self, typing: Typing, x: TensorType) -> TensorType: ...

    def written(self, style: Style) -> str: ...


@dataclass
class Layer:
    """One operator; ``names`` stand for some of its arguments."""

    op: Op
    name: str = ""
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    label: str = ""

    def run(self, typing: Typing, x: TensorType) -> TensorType:
        if any(name == self.name and axes + 2 != x.rank for name, axes in self.op.pinned):
            raise Untyped("the name is that of another rank")
        return typing.one(self.op, x)

    def written(self, style: Style) -> str:
        text = call(self.name or type(self.op).__name__, self.op, style.defaults, style.shown(self.names))
        return f"{self.label}: {text}" if self.label else text


@dataclass
class Fixed:
    """A text that keeps the type, such as `{ x * 0.5 }`, for tensors like ``of``."""

    text: str
    of: DType | None = None

    def run(self, typing: Typing, x: TensorType) -> TensorType:
        if self.of is not None and x.dtype is not self.of:
            raise Untyped("another element type")
        return x

    def written(self, style: Style) -> str:
        return self.text


@dataclass
class Chain:
    steps: list[Step]

    def run(self, typing: Typing, x: TensorType) -> TensorType:
        for step in self.steps:
            x = step.run(typing, x)
        return x

    def written(self, style: Style) -> str:
        parts: list[str] = []
        for step in self.steps:
            if style.identity is not None and style.identity.random() < 0.3:
                parts.append("Identity")
            parts.append(step.written(style))
        return " -> ".join(parts)


@dataclass
class Repeat:
    count: int
    body: Chain

    def run(self, typing: Typing, x: TensorType) -> TensorType:
        for _ in range(self.count):
            x = self.body.run(typing, x)
        return x

    def written(self, style: Style) -> str:
        if style.unroll:
            return " -> ".join(f"{{ {self.body.written(style)} }}" for _ in range(self.count))
        return f"repeat {self.count} {{ {self.body.written(style)} }}"


@dataclass
class Loop:
    """`for w in [4, 8] { ... }`: a chain for each turn, which differ in the value of the variable."""

    variable: str
    values: Sequence[int]
    turns: list[Chain]

    def run(self, typing: Typing, x: TensorType) -> TensorType:
        for turn in self.turns:
            x = turn.run(typing, x)
        return x

    def written(self, style: Style) -> str:
        if style.unroll:
            return " -> ".join(f"{{ {turn.written(style.within(plain=True))} }}" for turn in self.turns)
        inside = style.within(turning=style.turning | {self.variable})
        return f"for {self.variable} in {list(self.values)} {{ {self.turns[0].written(inside)} }}"


@dataclass
class Choice:
    """An `if` whose condition may look at what flows in."""

    condition: str
    taken: Callable[[TensorType], bool]
    then: Chain
    otherwise: Chain | None

    def run(self, typing: Typing, x: TensorType) -> TensorType:
        chosen = self.then if self.taken(x) else self.otherwise
        return chosen.run(typing, x) if chosen else x

    def written(self, style: Style) -> str:
        other = f" else {{ {self.otherwise.written(style)} }}" if self.otherwise else ""
        return f"if {self.condition} {{ {self.then.written(style)} }}{other}"


@dataclass
class Join:
    """`Add { a | b }`, or the block of a residual with a branch for its body."""

    op: Op
    branches: list[Chain]
    block: str = ""

    def run(self, typing: Typing, x: TensorType) -> TensorType:
        return typing.one(self.op, *(branch.run(typing, x) for branch in self.branches))

    def written(self, style: Style) -> str:
        if self.block and not style.inline:
            return f"{self.block} {{ {self.branches[0].written(style)} }}"
        name = call(type(self.op).__name__, self.op, style.defaults, {})
        return f"{name} {{ {' | '.join(branch.written(style) for branch in self.branches)} }}"


@dataclass
class Block:
    """A block with parameters, which stand in its body for values."""

    name: str
    parameters: dict[str, int]
    body: Chain
    defaulted: frozenset[str] = frozenset()

    def declared(self, style: Style) -> str:
        """Defaults of the network do not reach in here."""
        body = self.body.written(style.within(defaults={}, plain=False))
        order = sorted(self.parameters, key=lambda name: name in self.defaulted)
        shown = [f"{name} = {self.parameters[name]}" if name in self.defaulted else name for name in order]
        return f"block {self.name}({', '.join(shown)}) {{\n    {body}\n}}"


@dataclass
class Use:
    block: Block
    label: str = ""

    def run(self, typing: Typing, x: TensorType) -> TensorType:
        return self.block.body.run(typing, x)

    def written(self, style: Style) -> str:
        if style.inline:
            text = f"{{ {self.block.body.written(style.within(plain=True))} }}"
        else:
            given = [f"{n}={v}" for n, v in self.block.parameters.items() if n not in self.block.defaulted]
            text = f"{self.block.name}({', '.join(given)})" if given else self.block.name
        return f"{self.label}: {text}" if self.label else text


@dataclass
class Statement:
    """A line of the network: what it ``binds``, what it ``needs``, and its text with `{chain}` for a chain in it."""

    binds: tuple[str, ...]
    needs: tuple[str, ...]
    text: str
    chain: Chain | None = None

    def written(self, style: Style) -> str:
        return self.text if self.chain is None else self.text.replace("@", self.chain.written(style), 1)


@dataclass
class Program:
    """A network `Net`, with the blocks that it uses. Names end in a number, so that they can be changed."""

    inputs: list[tuple[str, str]]
    settings: dict[str, int]
    outputs: list[str]
    training: frozenset[str]
    blocks: list[Block]
    networks: list[str]
    defaults: Defaults
    statements: list[Statement]
    operators: frozenset[type[Op]]

    def written(self, style: Style | None = None) -> str:
        style = (style or Style()).within(defaults=self.defaults)
        parts = [] if style.inline else [block.declared(style) for block in self.blocks]
        parts += self.networks
        signature = [f"{name}: {type}" for name, type in self.inputs]
        signature += [f"{name} = {value}" for name, value in self.settings.items()]
        outputs = [f"{name}: training" if name in self.training else name for name in self.outputs]
        lines = [
            f"default {op.__name__}({', '.join(f'{name}={literal(value)}' for name, value in fields.items())})"
            for op, fields in self.defaults.items()
        ]
        lines += [statement.written(style) for statement in self._ordered(style.order)]
        body = "\n".join(f"    {line}" for text in lines for line in text.split("\n"))
        text = "\n".join([*parts, f"network Net({', '.join(signature)}) -> {', '.join(outputs)} {{\n{body}\n}}\n"])
        return re.sub(r"\b([A-Za-z]+)_(\d+)\b", _other_name, text) if style.renamed else text

    def _ordered(self, draw: Random | None) -> list[Statement]:
        """Another order in which each comes after what it needs."""
        if draw is None:
            return self.statements
        left, bound, made = (
            list(self.statements),
            {name for name, _ in self.inputs} | {*self.settings},
            list[Statement](),
        )
        while left:
            ready = [each for each in left if all(name in bound for name in each.needs)]
            made.append(draw.choice(ready))
            left.remove(made[-1])
            bound.update(made[-1].binds)
        return made


def _other_name(match: re.Match[str]) -> str:
    stem, number = match.groups()
    return f"{'Q' if stem[0].isupper() else 'q'}{stem[::-1].lower()}{int(number) + 7}"
