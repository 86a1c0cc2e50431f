"""Axes by their names, in the notation of einops."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from dlspec.diagnostics import did_you_mean
from dlspec.ir.dims import Dim, Expr, floordiv, product
from dlspec.ir.fields import Lengths
from dlspec.ir.op import Needs, OpError, Types
from dlspec.ir.types import TensorType, format_shape
from dlspec.ops.rules import DataMovement, require_inputs, same_dtype

Side: TypeAlias = "tuple[str | tuple[str, ...], ...]"
"""The axes of a tensor: a name, or the names that are joined in it, none for an axis of size 1. "..." is a name here."""

_TOKEN = re.compile(r"\.\.\.|[A-Za-z_]\w*|\d+|[()]|\S")
_HINT = 'write the axes before and after: rearrange(x, "b c h w -> b (h w) c")'


class Plan(NamedTuple):
    """What is done with the inputs: reshaped to ``sizes``, permuted by ``order``, reshaped to ``joined``.

    ``names`` are those of the ``sizes``, "" for axes that stand for `...`; ``before`` and ``after`` say which of them are
    joined in each axis of the input and of the result. With ``stacked`` the inputs are stacked first, along a new first
    axis.
    """

    stacked: bool
    names: tuple[str, ...]
    sizes: tuple[Dim, ...]
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]

    @property
    def order(self) -> tuple[int, ...]:
        return tuple(name for axis in self.after for name in axis)

    @property
    def joined(self) -> tuple[Dim, ...]:
        return tuple(product(self.sizes[name] for name in axis) for axis in self.after)


class Rearrange(DataMovement):
    """Axes taken apart, joined and put in another order by their names: `rearrange(x, "b (h p) c -> b h (p c)", p=7)`.

    As ``einops.rearrange``. The left side names the axes of the input, the right side those of the result: names stand
    apart, `(h p)` is one axis with `h` outside and `p` inside, `...` any axes, `1` or `()` an axis of size 1. The length of
    a name is given by an argument of that name, a number or a size; of those in a parenthesis one may be left open, and
    its axis must be divisible by the others. A list of tensors is stacked first, and the first name is its length; a
    list of one only where the left side has a name more than the tensor has axes. No FLOPs.

    ONNX: Reshape, Transpose. Rogozhnikov, 2022, "Einops: Clear and Reliable Tensor Manipulations with Einstein-like
    Notation".
    """

    tensors = ("*xs",)
    function = "rearrange"
    more = "lengths"

    pattern: str
    lengths: Lengths = ()

    def check(self) -> None:
        left, right = self.sides
        for side, where in ((left, "before"), (right, "after")):
            names = _names(side)
            for name in names:
                if names.count(name) > 1:
                    raise self._wrong(f"has `{name}` twice {where} the arrow", "give each axis a name of its own")
        if any("..." in axis for axis in left if isinstance(axis, tuple)):
            raise self._wrong("has `...` in parentheses before the arrow", "an axis is taken apart into named ones")
        before, after = _names(left), _names(right)
        for names, others, where in ((before, after, "before"), (after, before, "after")):
            lost = next((name for name in names if name not in others), None)
            if lost is not None:
                hint = did_you_mean(lost, [name for name in others if name not in names])
                raise self._wrong(f"has `{lost}` only {where} the arrow", hint or "every axis stands on both sides")
        for name, length in self.lengths:
            if name not in before:
                hint = did_you_mean(name, before) or f"its axes are {', '.join(before)}"
                raise OpError(f'`rearrange` is given `{name}`, which is not in "{self.pattern}"', hint, "DL0303")
            if isinstance(length, int) and length < 1:
                raise OpError(f"`{name}` of `rearrange` must be at least 1, not {length}", code="DL0208")

    def _wrong(self, what: str, hint: str = _HINT) -> OpError:
        return OpError(f'`rearrange` "{self.pattern}" {what}', hint, "DL0208")

    @property
    def sides(self) -> tuple[Side, Side]:
        """The axes before and after the arrow. Raises `OpError` for what is not of the notation."""
        left, arrow, right = self.pattern.partition("->")
        if not arrow or "->" in right:
            raise self._wrong("has no `->`" if not arrow else "has `->` twice")
        return self._side(left), self._side(right)

    def _side(self, text: str) -> Side:
        axes: list[str | tuple[str, ...]] = []
        inside: list[str] | None = None
        for token in _TOKEN.findall(text):
            if token == "(":
                if inside is not None:
                    raise self._wrong("has parentheses in parentheses", "an axis is joined of names only")
                inside = []
            elif token == ")":
                if inside is None:
                    raise self._wrong("has `)` without `(`")
                axes.append(tuple(inside))
                inside = None
            elif token == "1":
                if inside is None:
                    axes.append(())
            elif token != "..." and not token.isidentifier():
                hint = "give the axis a name and its length by it: p=7" if token.isdigit() else _HINT
                raise self._wrong(f"has `{token}`", hint)
            elif inside is None:
                axes.append(token)
            else:
                inside.append(token)
        if inside is not None:
            raise self._wrong("has `(` without `)`")
        return tuple(axes)

    def plan(self, need: Needs, inputs: Types) -> Plan:
        """What is done with these inputs. Raises `OpError` where the pattern does not fit them."""
        left, right = self.sides
        given = dict(self.lengths)
        stacked, shape = self._stacked(need, inputs, left)
        rest = len(shape) - len([axis for axis in left if axis != "..."])
        if rest < 0 or (rest and "..." not in left):
            hint = "`...` stands for any axes" if rest > 0 else ""
            of = "a list of tensors " if stacked else ""
            message = f'`rearrange` "{self.pattern}" does not name the {len(shape)} axes of {of}{format_shape(shape)}'
            raise OpError(message, hint, "DL0202")
        unnamed = tuple(f"...{index}" for index in range(rest))
        sizes: dict[str, Dim] = {}
        for axis, size in zip(_spread(left, unnamed), shape, strict=True):
            names = _joined(axis)
            sizes |= dict(zip(names, self._parts(need, names, size, given, shape), strict=True))
        places = {name: place for place, name in enumerate(sizes)}
        before, after = (
            tuple(tuple(places[name] for name in _joined(axis)) for axis in _spread(side, unnamed))
            for side in (left, right)
        )
        names = tuple("" if name in unnamed else name for name in sizes)
        return Plan(stacked, names, tuple(sizes.values()), before, after)

    def _stacked(self, need: Needs, inputs: Types, left: Side) -> tuple[bool, tuple[Dim, ...]]:
        """Whether the inputs are a list that counts as an axis, and the shape with it."""
        require_inputs(inputs, 1, "`rearrange`")
        same_dtype(inputs, "`rearrange`")
        shape = inputs[0].shape
        if len(inputs) == 1 and ("..." in left or len(left) != len(shape) + 1):
            return False, shape
        for x in inputs[1:]:
            message = f"`rearrange` stacks tensors of one shape, not {format_shape(shape)} and {format_shape(x.shape)}"
            if x.rank != len(shape):
                raise OpError(message, code="DL0202")
            shape = tuple(need.equal(a, b, message) for a, b in zip(shape, x.shape, strict=True))
        return True, (len(inputs), *shape)

    def _parts(
        self, need: Needs, names: Sequence[str], size: Dim, given: dict[str, Dim], shape: tuple[Dim, ...]
    ) -> list[Dim]:
        """The lengths of the names that are joined in an axis."""
        axis = f"({' '.join(names)})" if len(names) != 1 else names[0]
        of = f'`rearrange` "{self.pattern}": `{axis}` of {format_shape(shape)}'
        known = product(given[name] for name in names if name in given)
        unknown = [name for name in names if name not in given]
        if len(unknown) > 1:
            wanted = ", ".join(f"{name}=..." for name in unknown)
            raise OpError(f"{of} needs the lengths of all but one name", f"give all but one of {wanted}", "DL0208")
        if not unknown:
            need.equal(size, known, f"{of} is {size}, not {known}")
            return [given[name] for name in names]
        if known == 1:
            return [given.get(name, size) for name in names]
        whole = floordiv(size, known)
        message = f"{of} is {size}, which is not divisible by {known}"
        if isinstance(known, Expr):
            need.equal(whole * known, size, message, code="DL0204")
        else:
            need.divisible(size, known, message)
        return [given.get(name, whole) for name in names]

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        if not inputs:
            raise OpError("`rearrange` takes a tensor, or several of one shape, and there is none", code="DL0304")
        return inputs[0].with_shape(*self.plan(need, inputs).joined)


def _joined(axis: str | tuple[str, ...]) -> tuple[str, ...]:
    return (axis,) if isinstance(axis, str) else axis


def _names(side: Side) -> list[str]:
    return [name for axis in side for name in _joined(axis)]


def _spread(side: Side, unnamed: tuple[str, ...]) -> Side:
    """With the axes that stand for `...`."""
    axes: list[str | tuple[str, ...]] = []
    for axis in side:
        if axis == "...":
            axes += unnamed
        elif isinstance(axis, str):
            axes.append(axis)
        else:
            axes.append(tuple(part for name in axis for part in (unnamed if name == "..." else (name,))))
    return tuple(axes)


OPERATORS = (Rearrange,)
