"""Data that is images: whether some can be changed by one draw, and of what height and width a vector is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dlspec.elaborate.values import Failure
from dlspec.ir.types import TensorType
from dlspec.objectives.augmentations import Augmentation, Normalize
from dlspec.objectives.training import Data
from dlspec.syntax import ast


def check_change(change: Augmentation, type: TensorType, step: ast.Expression) -> None:
    """Raises `Failure` for data that a change is not for."""
    if isinstance(change, Normalize):
        if not type.dtype.is_float or type.rank < 2:
            message = f"`Normalize` changes numbers, float[N, ...], and this is {type}"
            raise Failure("DL0202", message, step.span)
    elif type.rank != 4 or not type.dtype.is_float:
        message = f"augmentations change images, float[N, C, H, W], and this is {type}"
        hint = "a mask is changed with its image: `data (image: ..., mask: ...) -> RandomHorizontalFlip`"
        raise Failure("DL0202", message, step.span, hint=hint)
    for count in change.channels - {type.shape[1]}:
        name = change.__class__.__name__
        message = f"`{name}` has {count} numbers for the {type.shape[1]} channels of {type}"
        raise Failure("DL0201", message, step.span)


def check_pair(node: ast.Pair, made: Sequence[Data], common: Sequence[Augmentation]) -> None:
    """Raises `Failure` for data that is no image or has another height and width, and for a change of what is not a
    place: noise on a mask is none of its numbers."""
    if len(made) == 1 or not node.augmentations:
        lacks = "one tensor is no pair" if len(made) == 1 else "nothing changes these together"
        raise Failure(
            "DL0305", f"{lacks}", node.span,
            hint="`data (image: float[N, 3, 64, 64], mask: int[N, 64, 64]) -> RandomHorizontalFlip`, or each in a line",
        )  # fmt: skip
    for data, written in zip(made, node.given, strict=True):
        own, first = data.value, made[0].value
        if own.type.rank not in (3, 4):
            message = f"images are [N, C, H, W] and masks [N, H, W], and `{own.name}` is {own.type}"
            raise Failure("DL0202", message, written.span)
        if own.type.shape[-2:] != first.type.shape[-2:]:
            message = (
                f"`{first.name}` is {first.type} and `{own.name}` is {own.type}: one draw has one height and width"
            )
            raise Failure("DL0201", message, written.span)
    for change, step in zip(common, node.augmentations, strict=False):
        if not change.moves:
            name = type(change).__name__
            message = f"`{name}` changes values, and what is common to a pair are changes of place"
            raise Failure("DL0706", message, step.span, hint=f"write it in the brackets: `image: ... -> {name}(...)`")


def pixels_of(type: ast.Type, evaluate: Callable[[ast.Expression], object]) -> tuple[int, int, int] | None:
    """Channels, height and width of `float[N, 28 * 28]` and `float[N, 3 * 32 * 32]`, or None."""
    if type.axes is None or len(type.axes) != 2:
        return None
    factors = [evaluate(factor) for factor in _factors(type.axes[1].size)]
    sizes = [factor for factor in factors if isinstance(factor, int)]
    if len(sizes) < len(factors) or len(sizes) not in (2, 3):
        return None
    channels, height, width = [1, *sizes][-3:]
    return channels, height, width


def _factors(node: ast.Expression) -> Iterator[ast.Expression]:
    if isinstance(node, ast.Binary) and node.operator == "*":
        yield from _factors(node.left)
        yield from _factors(node.right)
    else:
        yield node
