"""Steps of chains, drawn so that a tensor may flow into them."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from random import Random

from pieces import Block, Chain, Choice, Fixed, Join, Layer, Loop, Repeat, Step, Typing, Untyped, Use

from dlspec.ir.op import Op
from dlspec.ir.types import DType, TensorType
from dlspec.ops import activation, combine, dropout

sys.path.append(str(Path(__file__).parent.parent / "ops"))
from harness import Case, tables

WIDTHS = ("out_channels", "out_features", "embedding_dim")


@cache
def cases() -> dict[type[Op], list[Case]]:
    found: dict[type[Op], list[Case]] = defaultdict(list)
    for _, case in tables("CASES"):
        found[type(case.op)].append(case)
    return dict(found)


@cache
def simple_layers() -> list[type[Op]]:
    """Those that one tensor flows into."""
    return [op for op in cases() if op.layer and len([t for t in op.tensors if not t.endswith("?")]) == 1
            and not op.tensors[0].startswith("*")]  # fmt: skip


class Steps:
    """Draws steps. ``entered`` is what flows into the body around, where it is called `x`; ``params`` are those of the block
    that is drawn, None in a network."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        self.one = self.draw.choice
        self.count = 0
        self.entered: TensorType | None = None
        self.settings: dict[str, int] = {}
        self.blocks: list[Block] = []
        self.operators: set[type[Op]] = set()
        self.typing = Typing({"N": 2}, "N")

    def chance(self, share: float) -> bool:
        return self.draw.random() < share

    def name(self, stem: str) -> str:
        self.count += 1
        return f"{stem}_{self.count}"

    def steps(self, x: TensorType, length: int, depth: int, params: dict[str, int] | None = None,
              *, top: bool = False) -> tuple[Chain, TensorType]:  # fmt: skip
        made: list[Step] = []
        around, self.entered = self.entered, None if top else x
        try:
            for _ in range(length):
                step, x = self.step(x, depth, params)
                made.append(step)
        finally:
            self.entered = around
        return Chain(made), x

    def step(self, x: TensorType, depth: int, params: dict[str, int] | None) -> tuple[Step, TensorType]:
        kinds: list[Callable[[TensorType, int, dict[str, int] | None], Step]] = [self.layer] * 8 + [self.fixed]
        if depth:
            kinds += [self.repeat, self.loop, self.choice, self.join, self.join]
            if params is None:
                kinds += [self.use, self.use]
        for _ in range(8):
            known = self.typing.conditions
            made = len(self.blocks)
            try:
                step = self.one(kinds)(x, depth - 1, params)
                return step, step.run(self.typing, x)
            except Untyped:
                self.typing.conditions = known
                del self.blocks[made:]
        step = Fixed("Identity")
        return step, x

    def layer(self, x: TensorType, depth: int, params: dict[str, int] | None) -> Layer:
        for _ in range(12):
            kind = self.one(simple_layers())
            op = self.varied(self.one(cases()[kind]).op)
            if op.classes((x,)) is not None or op.takes is not None:
                continue  # of numbers that have to be made first: by `function`
            known = self.typing.conditions
            try:
                self.typing.apply(op, (x,))
            except Untyped:
                continue
            finally:
                self.typing.conditions = known
            self.operators.add(kind)
            names = {each: text for each in WIDTHS if (text := self.named(op, each, params))}
            pinned = [name for name, axes in op.pinned if axes + 2 == x.rank]
            return Layer(op, pinned[0] if pinned and self.chance(0.3) else "", names)
        raise Untyped("no layer")

    def varied(self, op: Op) -> Op:
        for each in WIDTHS:
            if hasattr(op, each) and self.chance(0.5):
                try:
                    return op.changed(**{each: self.one([2, 3, 4, 6, 8])})
                except Exception:  # groups, for one
                    return op
        return op

    def named(self, op: Op, each: str, params: dict[str, int] | None) -> str:
        """A name for the value of an argument: a parameter of the block, or a setting of the network."""
        if not hasattr(op, each) or not self.chance(0.5):
            return ""
        value, place = getattr(op, each), self.settings if params is None else params
        known = [name for name, other in place.items() if other == value]
        if known:
            return known[0]
        if value % 2 == 0 and self.chance(0.3):
            name = self.name("n")
            place[name] = value // 2
            return f"2 * {name}"
        name = self.name("n")
        place[name] = value
        return name

    def fixed(self, x: TensorType, depth: int, params: dict[str, int] | None) -> Fixed:
        if x.dtype is DType.BOOL:
            return Fixed(self.one(["{ logical_not(x) }", "{ logical_xor(x, logical_not(x)) }"]), x.dtype)
        if x.dtype.is_integer:
            return Fixed(self.one(["{ x + 1 }", "{ x * 2 }", "{ x // 2 }", "{ x % 3 }", "{ -x }"]), x.dtype)
        return Fixed(self.one([
            "{ x * 0.5 + 1 }", "{ x / 2 - x }", "{ x * sigmoid(x) }", "{ -x }", "{ x ** 2 }", "{ x - mean(x) }",
            "{ clamp(x, -1, 2) }", "{ x + x.rank }", "{ where(x > 0, x, 0.25) }", "{ 1 - tanh(x) }",
        ]), x.dtype)  # fmt: skip

    def repeat(self, x: TensorType, depth: int, params: dict[str, int] | None) -> Repeat:
        body, _ = self.steps(x, self.draw.randint(1, 2), depth, params)
        return Repeat(self.draw.randint(1, 4), body)

    def loop(self, x: TensorType, depth: int, params: dict[str, int] | None) -> Loop:
        layer = self.layer(x, depth, params)
        own = [each for each in WIDTHS if hasattr(layer.op, each)]
        if not own:
            raise Untyped("nothing to vary")
        variable, values = self.name("i"), [self.one([2, 4, 6, 8]) for _ in range(self.draw.randint(1, 3))]
        try:
            turns = [Chain([Layer(layer.op.changed(**{own[0]: value}), "", {own[0]: variable})]) for value in values]
        except Exception:
            raise Untyped("not for each value") from None
        if self.chance(0.5):
            after = Layer(activation.Tanh() if x.dtype.is_float else dropout.Identity())
            turns = [Chain([*turn.steps, after]) for turn in turns]
        return Loop(variable, values, turns)

    def choice(self, x: TensorType, depth: int, params: dict[str, int] | None) -> Choice:
        seen = x.shape[1] if x.rank > 1 else None
        known: list[tuple[str, Callable[[TensorType], bool]]] = [
            ("not false", lambda _: True), ("1 > 2", lambda _: False), ("len([1, 2]) == 2", lambda _: True),
        ]  # fmt: skip
        if x is self.entered:
            known += [(f"x.rank {sign} {x.rank}", partial(_compared, sign, x.rank, None)) for sign in ("==", ">", "<=")]
            if isinstance(seen, int):
                known += [
                    (f"x.channels {sign} {seen}", partial(_compared, sign, seen, 1)) for sign in ("==", ">", "!=")
                ]
        condition, taken = self.one(known)
        then, _ = self.steps(x, 1, depth, params)
        other = self.steps(x, 1, depth, params)[0] if self.chance(0.6) else None
        return Choice(condition, taken, then, other)

    def join(self, x: TensorType, depth: int, params: dict[str, int] | None) -> Join:
        op = self.one([combine.Add(), combine.Mul(), combine.Max(), combine.Min(), combine.Concat(),
                       combine.Concat(self.draw.randrange(max(x.rank, 1))), combine.Stack(), combine.Stack(-1)])  # fmt: skip
        branches = [self.steps(x, self.draw.randint(1, 2), depth, params)[0] for _ in range(self.one([1, 1, 2]))]
        if params is None and isinstance(op, combine.Add) and len(branches) == 1 and self.chance(0.5):
            if not any(block.name == "Residual_0" for block in self.blocks):
                body = Chain([Fixed("Add { body_0 | Identity }")])
                self.blocks.append(Block("Residual_0", {"body_0": 0}, body))
            joined = Join(op, [*branches, Chain([Fixed("Identity")])], "Residual_0")
        else:
            joined = Join(op, [*branches, Chain([Fixed("Identity")])])
        self.operators.add(type(op))
        return joined

    def use(self, x: TensorType, depth: int, params: dict[str, int] | None) -> Use:
        known = [block for block in self.blocks if block.name != "Residual_0"]
        if known and self.chance(0.4):
            return Use(self.one(known))
        own: dict[str, int] = {}
        body, _ = self.steps(x, self.draw.randint(1, 3), depth, own)
        block = Block(self.name("Block"), own, body, frozenset(name for name in own if self.chance(0.4)))
        self.blocks.append(block)
        return Use(block)


def _compared(sign: str, number: int, axis: int | None, x: TensorType) -> bool:
    size = x.rank if axis is None else x.shape[axis] if x.rank > axis else None
    if not isinstance(size, int):
        raise Untyped("an open size")
    return {"==": size == number, "!=": size != number, ">": size > number, "<=": size <= number}[sign]
