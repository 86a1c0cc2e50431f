"""Rules that several families of operators share: axes, broadcasting, element types, sizes."""

from __future__ import annotations

from collections.abc import Mapping

from dlspec.ir.dims import Dim
from dlspec.ir.fields import Axes
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import TensorType, format_shape


class DataMovement(Op):
    """Base of operators that copy or rename elements and compute nothing."""

    layer = True
    copies = True

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 0


def equations(sizes: Mapping[int, tuple[str, Dim]]) -> tuple[str, ...]:
    """How sizes are computed, by axis: the computation and what it gives. Axes that have it in common are one line."""
    axes: dict[str, list[int]] = {}
    for axis, (text, result) in sizes.items():
        axes.setdefault(f"{text} = {result}", []).append(axis)
    return tuple(f"{'axes' if len(of) > 1 else 'axis'} {', '.join(map(str, of))}: {text}" for text, of in axes.items())


def factor(size: Dim) -> str:
    """A size as a part of a computation: in parentheses where it is more than one term."""
    return str(size) if isinstance(size, int) or " " not in str(size) else f"({size})"


def one_axis(dim: int, rank: int, name: str) -> int:
    """The axis counted from the front. Raises `OpError` where the tensor has no such axis."""
    if not -rank <= dim < rank:
        axes = f"axes {-rank} to {rank - 1}" if rank else "no axes"
        raise OpError(f"{name} has no axis {dim} to work on: the tensor has {axes}", code="DL0202")
    return dim % rank


def many_axes(dims: Axes, rank: int, name: str) -> tuple[int, ...]:
    """The axes counted from the front, in the order given. Raises `OpError` for a missing or repeated axis."""
    given = (dims,) if isinstance(dims, int) else dims
    axes = tuple(one_axis(dim, rank, name) for dim in given)
    if not axes:
        raise OpError(f"{name} is given an empty list of axes", code="DL0208")
    if len(set(axes)) < len(axes):
        raise OpError(f"{name} is given the same axis twice in {list(given)}", code="DL0208")
    return axes


def broadcast(need: Needs, inputs: Types, name: str) -> tuple[Dim, ...]:
    """The common shape by NumPy's rules: shapes are aligned at the end, and an axis of size 1 stretches.

    Symbolic sizes must be equal: that one of them might be 1 is not assumed.
    """
    rank = max(x.rank for x in inputs)
    shape: list[Dim] = []
    for axis in range(-rank, 0):
        size, owner = 1, inputs[0]
        for x in inputs:
            if x.rank < -axis or x.shape[axis] == 1:
                continue
            if size == 1:
                size, owner = x.shape[axis], x
            elif size != x.shape[axis]:
                message = (
                    f"{name} cannot join {format_shape(owner.shape)} with {format_shape(x.shape)}: "
                    f"axis {axis + rank} is {size} in one and {x.shape[axis]} in the other"
                )
                size = need.equal(size, x.shape[axis], message)
        shape.append(size)
    return tuple(shape)


def same_dtype(inputs: Types, name: str) -> None:
    """Raises `OpError` where the element types differ: nothing is converted unasked."""
    first = inputs[0].dtype
    for x in inputs[1:]:
        if x.dtype is not first:
            wanted = first if first.is_float or not x.dtype.is_float else x.dtype
            raise OpError(
                f"{name} takes tensors of one element type, not {first.label} and {x.dtype.label}",
                f'convert one of them: cast(x, "{wanted.label}")',
                "DL0207",
            )


def require_numbers(x: TensorType, name: str) -> None:
    """Raises `OpError` for a bool tensor."""
    if not (x.dtype.is_float or x.dtype.is_integer):
        raise OpError(f"{name} takes numbers, not {x}", 'convert the tensor first: cast(x, "float")', "DL0207")


def require_float(x: TensorType, name: str) -> None:
    """Raises `OpError` unless the elements are floating-point numbers."""
    if not x.dtype.is_float:
        raise OpError(
            f"{name} takes floating-point numbers, not {x}", 'convert the tensor first: cast(x, "float")', "DL0207"
        )


def require_bool(x: TensorType, name: str) -> None:
    """Raises `OpError` unless the elements are truth values."""
    if x.dtype.is_float or x.dtype.is_integer:
        raise OpError(f"{name} takes a bool tensor, not {x}", "compare first: x > 0", "DL0207")


def require_inputs(inputs: Types, least: int, name: str) -> None:
    """Raises `OpError` for a variadic operator with too few tensors."""
    if len(inputs) < least:
        raise OpError(
            f"{name} joins {least} tensors or more, not {len(inputs)}", f"give it branches: {name} {{ a | b }}"
        )


def spatial_sizes(size: Dim | tuple[Dim, ...], x: TensorType, name: str) -> tuple[Dim, ...]:
    """One size for each spatial axis. Raises `OpError` for an input without any and for a list of another length."""
    if x.rank < 3:
        raise OpError(
            f"{name} works on the axes behind batch and channels, and {format_shape(x.shape)} has none", code="DL0202"
        )
    if not isinstance(size, tuple):
        return (size,) * (x.rank - 2)
    if len(size) != x.rank - 2:
        raise OpError(
            f"{name} is given {len(size)} sizes for the {x.rank - 2} spatial axes of {format_shape(x.shape)}",
            code="DL0202",
        )
    return size
