"""Windows as columns, and images sampled by grids, as expressions."""

from __future__ import annotations

from typing import Any

from dlspec.backends.torch.lowering.registry import Lower, lowers
from dlspec.backends.torch.python.expressions import Call, Keyword, Name, Py, Sequence, call
from dlspec.backends.torch.python.symbols import Arg
from dlspec.ops import grid, patches


def _options(op: patches.Patches) -> tuple[Keyword, ...]:
    defaults = {"dilation": 1, "padding": 0, "stride": 1}
    return tuple(Keyword(name, Arg(op.window[name], name), default) for name, default in defaults.items())


@lowers(patches.Unfold)
def unfold(e: Lower, op: patches.Unfold, xs: list[Py]) -> Py:
    return Call(Name("F.unfold"), (xs[0], Arg(op.kernel_size, "kernel_size")), _options(op))


@lowers(patches.Fold)
def fold(e: Lower, op: patches.Fold, xs: list[Py]) -> Py:
    size = op.output_size
    made = Sequence(e.sizes(size, "output_size"), "(") if isinstance(size, tuple) else e.size(size, "output_size")
    return Call(Name("F.fold"), (xs[0], made, Arg(op.kernel_size, "kernel_size")), _options(op))


@lowers(grid.GridSample)
def grid_sample(e: Lower, op: grid.GridSample, xs: list[Py]) -> Py:
    """PyTorch warns where nobody says what the corners are."""
    keywords: dict[str, Any] = {
        "mode": (Arg(op.mode, "mode"), "bilinear"),
        "padding_mode": (Arg(op.padding_mode, "padding_mode"), "zeros"),
        "align_corners": Arg(op.align_corners, "align_corners"),
    }
    return call("F.grid_sample", *xs, **keywords)


@lowers(grid.AffineGrid)
def affine_grid(e: Lower, op: grid.AffineGrid, xs: list[Py]) -> Py:
    corners = Arg(op.align_corners, "align_corners")
    return call("F.affine_grid", xs[0], Sequence(e.sizes(op.size, "size"), "("), align_corners=corners)
