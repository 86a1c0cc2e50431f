"""Images that are sampled where a grid of coordinates says."""

from __future__ import annotations

from typing import ClassVar, Literal

from dlspec.ir.dims import Dim
from dlspec.ir.fields import Shape
from dlspec.ir.op import Needs, Op, OpError, Types, require_rank
from dlspec.ir.types import TensorType, format_shape
from dlspec.ops.rules import require_float, same_dtype

TAPS = {"nearest": 1, "bilinear": 2, "bicubic": 4}
"""Elements along an axis that make one of the output."""


class GridSample(Op):
    """The elements of an image at the places that `grid` gives, from -1 at one side to 1 at the other, interpolated.

    An image [N, C, H, W] and a grid [N, h, w, 2] of x and y give [N, C, h, w]; one [N, C, D, H, W] with a grid [N, d, h, w,
    3] of x, y and z gives [N, C, d, h, w]. With `align_corners` -1 and 1 are the middles of the outermost elements, else
    their outer edges. Outside are zeros, the nearest element of the border, or the image mirrored. "bilinear" interpolates
    on three axes too, "bicubic" on two. 2 FLOPs for each element that is looked at, as Upsample.

    ONNX: GridSample. Jaderberg et al., 2015, "Spatial Transformer Networks".
    """

    tensors: ClassVar[tuple[str, ...]] = ("x", "grid")
    layer = False
    function = "grid_sample"
    wide = True

    mode: Literal["bilinear", "nearest", "bicubic"] = "bilinear"
    padding_mode: Literal["zeros", "border", "reflection"] = "zeros"
    align_corners: bool = False

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, grid = inputs
        same_dtype(inputs, "`grid_sample`")
        require_float(x, "`grid_sample`")
        require_rank(x, (4, 5), "`grid_sample`")
        axes = x.rank - 2
        if self.mode == "bicubic" and axes == 3:
            raise OpError(f'`grid_sample` in mode "bicubic" takes images of two axes, not {x}', code="DL0202")
        if grid.rank != x.rank or grid.shape[-1] != axes:
            wanted = f"[N, {'d, ' * (axes - 2)}h, w, {axes}]"
            raise OpError(
                f"`grid_sample` of {format_shape(x.shape)} takes a grid {wanted}, not {format_shape(grid.shape)}",
                "the coordinates are the last axis",
                "DL0202",
            )
        message = f"`grid_sample` has {x.shape[0]} images and {grid.shape[0]} grids"
        return x.with_shape(need.equal(x.shape[0], grid.shape[0], message), x.shape[1], *grid.shape[1:-1])

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 2 * TAPS[self.mode] ** (inputs[0].rank - 2) * outputs[0].elements


class AffineGrid(Op):
    """The grid that samples an image of a `size` [N, C, H, W] or [N, C, D, H, W] under an affine map, for `grid_sample`.

    `theta` [N, 2, 3] or [N, 3, 4] maps coordinates of the output and a 1 to those of the input; [N, H, W, 2] or
    [N, D, H, W, 3] comes out. FLOPs: two for each number of a map and place.

    ONNX: written out. Jaderberg et al., 2015, "Spatial Transformer Networks".
    """

    tensors: ClassVar[tuple[str, ...]] = ("theta",)
    layer = False
    function = "affine_grid"
    wide = True

    size: Shape
    align_corners: bool = False

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        theta = inputs[0]
        require_float(theta, "`affine_grid`")
        axes = len(self.size) - 2
        if axes not in (2, 3):
            raise OpError(f"`affine_grid` takes a size of 4 or 5 axes, not {format_shape(self.size)}", code="DL0202")
        if theta.rank != 3 or theta.shape[1:] != (axes, axes + 1):
            raise OpError(
                f"`affine_grid` of {format_shape(self.size)} takes maps [N, {axes}, {axes + 1}], not {theta}",
                code="DL0202",
            )
        for size in self.size[1:]:
            need.at_least(size, 1, f"`affine_grid` makes no grid of a size of {size}")
        message = f"`affine_grid` has {theta.shape[0]} maps for {self.size[0]} images"
        return theta.with_shape(need.equal(self.size[0], theta.shape[0], message), *self.size[2:], axes)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 2 * (len(self.size) - 1) * outputs[0].elements


OPERATORS: tuple[type[Op], ...] = (GridSample, AffineGrid)
