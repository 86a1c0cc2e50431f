"""Elements at positions that tensors hold."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.lower_slicing import cut, indexed
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.node import Node
from dlspec.ir.op import Needs
from dlspec.ir.types import DType, TensorType
from dlspec.ops import positions as ops
from dlspec.ops.rules import broadcast, one_axis


@lowers(ops.IndexSelect)
def index_select(e: Emitter, op: ops.IndexSelect, node: Node, xs: list[str], ws: list[str]) -> str:
    return e.op("Gather", xs, axis=op.dim % node.inputs[0].type.rank)


@lowers(ops.Gather)
def gather(e: Emitter, op: ops.Gather, node: Node, xs: list[str], ws: list[str]) -> str:
    return e.op("GatherElements", xs, axis=op.dim % node.inputs[0].type.rank)


@lowers(ops.TakeAlongDim)
def take_along_dim(e: Emitter, op: ops.TakeAlongDim, node: Node, xs: list[str], ws: list[str]) -> str:
    types = [value.type for value in node.inputs]
    if op.dim is None:
        return e.op("GatherElements", [e.op("Reshape", [x, e.constant([-1])]) for x in xs], axis=0)
    shapes = op.shapes(Needs(), *types)
    wide = [
        x if type_.shape == shape else e.op("Expand", [x, e.shape(shape)])
        for x, type_, shape in zip(xs, types, shapes, strict=True)
    ]
    return e.op("GatherElements", wide, axis=op.dim % types[0].rank)


@lowers(ops.Narrow)
def narrow(e: Emitter, op: ops.Narrow, node: Node, xs: list[str], ws: list[str]) -> str:
    """Gather, and not Slice, which would give less where the end is outside."""
    x, start = (value.type for value in node.inputs)
    begin = xs[1] if start.dtype is DType.INT64 else e.cast(xs[1], "int64")
    places = e.op("Add", [begin, e.op("Range", [e.constant(0), e.dim(op.length), e.constant(1)])])
    return e.op("Gather", [xs[0], places], axis=op.dim % x.rank)


@lowers(ops.IndexTensors)
def index_tensors(e: Emitter, op: ops.IndexTensors, node: Node, xs: list[str], ws: list[str]) -> str:
    """Of one tensor a Gather. Of several a GatherND of the axes that they choose from, which come first for it."""
    types = tuple([value.type for value in node.inputs])
    x, *indices = types
    axes, place = op.axes(x.rank), op.place(types)
    whole = indexed(e, xs[0], op.plain.places(x.rank))
    if len(axes) == 1:
        return e.op("Gather", [whole, xs[1]], axis=axes[0])
    (wide,) = (type_.rank for type_ in [node.outputs[0].type])
    common = broadcast(Needs(), tuple(indices), "an index")
    rank = wide - len(common) + len(axes)
    others = [axis for axis in range(rank) if axis not in axes]
    ahead = [*axes, *others]
    if ahead != list(range(rank)):
        whole = e.op("Transpose", [whole], perm=ahead)
    columns = [_column(e, index, type_, common) for index, type_ in zip(xs[1:], indices, strict=True)]
    made = e.op("GatherND", [whole, e.op("Concat", columns, axis=-1)])
    if not place:
        return made
    front = len(common)
    return e.op("Transpose", [made], perm=[*range(front, front + place), *range(front), *range(front + place, wide)])


def _column(e: Emitter, index: str, type_: TensorType, common: tuple[object, ...]) -> str:
    """Positions on one axis, in the common shape, as a last axis of size 1."""
    index = index if type_.dtype is DType.INT64 else e.cast(index, "int64")
    if type_.shape != common:
        index = e.op("Expand", [index, e.shape(common)])  # type: ignore[arg-type]
    return e.op("Unsqueeze", [index, e.constant([-1])])


def _elements(e: Emitter, op: ops.Scattering, node: Node, src: str) -> str:
    """The elements that are written, one for each position: PyTorch allows for more."""
    index, own = node.inputs[1].type, node.inputs[2].type
    if not own.rank:
        return e.op("Expand", [src, e.shape(index.shape)])
    sizes = enumerate(zip(own.shape, index.shape, strict=True))
    pieces = [(axis, 0, size, 1) for axis, (have, size) in sizes if have != size]
    return cut(e, src, pieces) if pieces else src


@lowers(ops.Scatter)
def scatter(e: Emitter, op: ops.Scatter, node: Node, xs: list[str], ws: list[str]) -> str:
    x, index, src = xs
    return e.op("ScatterElements", [x, index, _elements(e, op, node, src)], axis=op.dim % node.inputs[0].type.rank)


@lowers(ops.ScatterAdd)
def scatter_add(e: Emitter, op: ops.ScatterAdd, node: Node, xs: list[str], ws: list[str]) -> str:
    e.require_opset(16, "`scatter_add`")
    x, index, src = xs
    axis = op.dim % node.inputs[0].type.rank
    return e.op("ScatterElements", [x, index, _elements(e, op, node, src)], axis=axis, reduction="add")


_REDUCTIONS = {"sum": "add", "mean": "add", "prod": "mul", "amax": "max", "amin": "min"}
_NEUTRAL = {"sum": 0, "mean": 0, "prod": 1}


@lowers(ops.ScatterReduce)
def scatter_reduce(e: Emitter, op: ops.ScatterReduce, node: Node, xs: list[str], ws: list[str]) -> str:
    x, index, src = xs
    type_ = node.inputs[0].type
    axis = one_axis(op.dim, type_.rank, "`scatter_reduce`")
    e.require_opset(18 if op.reduce in ("amax", "amin") else 16, f"`scatter_reduce` by {op.reduce}")
    src = _elements(e, op, node, src)
    start = x
    if not op.include_self and op.reduce in ("amax", "amin"):
        start = e.op("ScatterElements", [x, index, src], axis=axis)  # any of those that are reduced
    elif not op.include_self:
        ones = e.op("Expand", [e.scalar(_NEUTRAL[op.reduce], type_.dtype), e.shape(node.inputs[1].type.shape)])
        start = e.op("ScatterElements", [x, index, ones], axis=axis)
    made = e.op("ScatterElements", [start, index, src], axis=axis, reduction=_REDUCTIONS[op.reduce])
    if op.reduce != "mean":
        return made
    one = e.scalar(1, type_.dtype)
    counts = e.op("Expand", [e.scalar(int(op.include_self), type_.dtype), e.shape(type_.shape)])
    ones = e.op("Expand", [one, e.shape(node.inputs[1].type.shape)])
    counts = e.op("ScatterElements", [counts, index, ones], axis=axis, reduction="add")
    return e.op("Div", [made, e.op("Max", [counts, one])])


@lowers(ops.MaskedFill)
def masked_fill(e: Emitter, op: ops.MaskedFill, node: Node, xs: list[str], ws: list[str]) -> str:
    x, mask = xs
    if node.inputs[0].type.dtype is DType.BOOL:  # ONNX Runtime has no Where of them
        return e.op("Or", [x, mask]) if op.value else e.op("And", [x, e.op("Not", [mask])])
    return e.op("Where", [mask, e.scalar(op.value, node.inputs[0].type.dtype), x])
