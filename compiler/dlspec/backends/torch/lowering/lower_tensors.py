"""Operators as expressions: windows, shapes, pieces of tensors and resampling."""

from __future__ import annotations

from typing import Any

from dlspec.backends.torch.lowering.lower_modules import (
    flat_pads,
    padded_before,
    padding_of,
    pool_keywords,
    resampling,
    whole,
    window_of,
)
from dlspec.backends.torch.lowering.registry import Lower, lowers
from dlspec.backends.torch.python.expressions import (
    Attribute,
    Call,
    Const,
    Keyword,
    Name,
    Py,
    Sequence,
    Slice,
    Subscript,
    call,
    method,
)
from dlspec.backends.torch.python.symbols import Arg
from dlspec.ir.dims import Dim
from dlspec.ir.fields import Sizes
from dlspec.ir.op import Needs, Op
from dlspec.ops import conv, norm, pad, pooling, positions, rearrange, resize, shape, slicing

# Windows ---------------------------------------------------------------------------------------------------------------


def padded(e: Lower, x: Py, pairs: tuple[tuple[Any, Any], ...], mode: str = "constant", value: float = 0.0) -> Py:
    sides = Sequence(tuple(e.size(side) for side in flat_pads(pairs)), "(")
    return call("F.pad", x, sides, mode=(Const(mode), "constant"), value=(Const(value), 0.0))


@lowers(conv.Conv)
def convolve(e: Lower, op: conv.Conv, xs: list[Py]) -> Py:
    assert e.member is not None
    return call(e.member, filled(e, xs[0]))


def filled(e: Lower, x: Py, value: float = 0.0) -> Py:
    """What a window slides over, with the padding that ``torch.nn`` has no argument for."""
    op: Any = e.node.op
    if not padded_before(e.node):
        return x
    window = window_of(e.node)
    mode = "constant" if getattr(op, "padding_mode", "zeros") == "zeros" else op.padding_mode
    if op.padding != "same":
        return padded(e, x, window.pads, mode, value)
    kernel = Arg(op.kernel_size, "kernel_size") if hasattr(op, "kernel_size") else Const(window.kernel)
    stride = kernel if op.stride is None else Arg(op.stride, "stride")
    return call(
        e.helper("pad_same"),
        x,
        kernel,
        stride,
        dilation=(Arg(getattr(op, "dilation", 1), "dilation"), 1),
        mode=(Const(mode), "constant"),
        value=(Const(value), 0.0),
    )


def _windowed(e: Lower, op: Any, name: str, xs: list[Py], skip: tuple[str, ...] = ()) -> Py:
    fields = [field for field in op.fields if field.name not in skip]
    required = tuple(Arg(getattr(op, field.name), field.name) for field in fields if field.required)
    rest = tuple(
        Keyword(field.name, Arg(getattr(op, field.name), field.name), field.converted_default)
        for field in fields
        if not field.required
    )
    return Call(Name(name), (*xs, *required), rest)


@lowers(conv.ConvFunction)
def conv_function(e: Lower, op: conv.ConvFunction, xs: list[Py]) -> Py:
    keywords: dict[str, Any] = {"bias": xs[2]} if len(xs) > 2 else {}
    keywords |= {"stride": (Arg(op.stride, "stride"), 1), "padding": (padding_of(e.node), 0)}
    keywords |= {"dilation": (Arg(op.dilation, "dilation"), 1), "groups": (Arg(op.groups, "groups"), 1)}
    return call(f"F.conv{e.axes}d", filled(e, xs[0]), xs[1], **keywords)


@lowers(conv.ConvTransposeFunction)
def conv_transpose_function(e: Lower, op: conv.ConvTransposeFunction, xs: list[Py]) -> Py:
    made = _windowed(e, op, f"F.conv_transpose{e.axes}d", xs[:2])
    assert isinstance(made, Call)
    bias = (Keyword("bias", xs[2]),) if len(xs) > 2 else ()
    return Call(made.function, made.args, bias + made.keywords)


@lowers(norm.BatchNorm, norm.InstanceNorm, norm.GroupNorm)
def normalise(e: Lower, op: norm.BatchNorm | norm.InstanceNorm | norm.GroupNorm, xs: list[Py]) -> Py:
    if e.member is not None:
        return call(e.member, xs[0])
    eps = {"eps": (Arg(op.eps, "eps"), 1e-5)}
    match op:
        case norm.BatchNorm():
            return call("F.batch_norm", xs[0], Const(None), Const(None), training=Const(True), **eps)
        case norm.InstanceNorm():
            return call("F.instance_norm", xs[0], **eps)
        case norm.GroupNorm():
            return call("F.group_norm", xs[0], Arg(op.num_groups, "num_groups"), **eps)


@lowers(norm.LayerNorm, norm.RMSNorm)
def normalise_trailing(e: Lower, op: norm.LayerNorm | norm.RMSNorm, xs: list[Py]) -> Py:
    if e.member is not None:
        return call(e.member, xs[0])
    given = 1 if not isinstance(op.normalized_shape, tuple) else len(op.normalized_shape)
    trailing = Subscript(Attribute(xs[0], "shape"), (Slice(Const(-given), None),))
    name = "F.layer_norm" if isinstance(op, norm.LayerNorm) else "F.rms_norm"
    return call(name, xs[0], trailing, eps=(Arg(op.eps, "eps"), 1e-5 if isinstance(op, norm.LayerNorm) else None))


@lowers(norm.LocalResponseNorm)
def local_response_norm(e: Lower, op: norm.LocalResponseNorm, xs: list[Py]) -> Py:
    return _windowed(e, op, "F.local_response_norm", xs)


_POOLS: dict[type[Op], str] = {pooling.MaxPool: "max_pool", pooling.AvgPool: "avg_pool"}


@lowers(*_POOLS)
def pool(e: Lower, op: pooling.MaxPool | pooling.AvgPool, xs: list[Py]) -> Py:
    kernel = Arg(op.kernel_size, "kernel_size")
    if isinstance(op, pooling.AvgPool) and padded_before(e.node) and op.divisor_override is None:
        stride = kernel if op.stride is None else Arg(op.stride, "stride")
        e.helper("pad_same")
        return call(e.helper("avg_pool_same"), xs[0], kernel, stride)
    x = filled(e, xs[0], float("-inf") if isinstance(op, pooling.MaxPool) else 0.0)
    keywords = tuple(k for k in pool_keywords(e.node) if e.axes > 1 or k.name != "divisor_override")
    return Call(Name(f"F.{_POOLS[type(op)]}{e.axes}d"), (x, kernel), keywords)


@lowers(pooling.LPPool)
def lp_pool(e: Lower, op: pooling.LPPool, xs: list[Py]) -> Py:
    keywords: dict[str, Any] = {
        "stride": (Arg(op.stride, "stride"), None),
        "ceil_mode": (Arg(op.ceil_mode, "ceil_mode"), False),
    }
    return call(
        f"F.lp_pool{e.axes}d",
        xs[0],
        Arg(whole(op.norm_type), "norm_type"),
        Arg(op.kernel_size, "kernel_size"),
        **keywords,
    )


_ADAPTIVE: dict[type[Op], str] = {
    pooling.AdaptiveAvgPool: "adaptive_avg_pool",
    pooling.AdaptiveMaxPool: "adaptive_max_pool",
    pooling.GlobalAvgPool: "adaptive_avg_pool",
    pooling.GlobalMaxPool: "adaptive_max_pool",
}


def _sizes(e: Lower, sizes: Sizes, field: str) -> Py:
    return Sequence(e.sizes(sizes, field), "(") if isinstance(sizes, tuple) else e.size(sizes, field)


@lowers(*_ADAPTIVE)
def adaptive(e: Lower, op: Any, xs: list[Py]) -> Py:
    sizes: Any = getattr(op, "output_size", 1)
    made = _sizes(e, sizes, "output_size")
    return call(f"F.{_ADAPTIVE[type(op)]}{e.axes}d", xs[0], made)


@lowers(resize.Upsample, resize.Resize)
def resample(e: Lower, op: resize.Upsample | resize.Resize, xs: list[Py]) -> Py:
    made = Const(None) if op.size is None else _sizes(e, op.size, "size")
    return call("F.interpolate", xs[0], **resampling(op, e.node, made))


@lowers(pad.Pad)
def pads(e: Lower, op: pad.Pad, xs: list[Py]) -> Py:
    pairs = op.pairs(e.node.inputs[0].type)
    if all(isinstance(side, int) for pair in pairs for side in pair):
        return padded(e, xs[0], pairs, op.mode, op.value)
    sides = [(e.size(a, "padding", (axis, 0)), e.size(b, "padding", (axis, 1))) for axis, (a, b) in enumerate(pairs)]
    return call("F.pad", xs[0], Sequence(flat_pads(tuple(sides)), "("), value=(Const(op.value), 0.0))


@lowers(pad.PadTo)
def pad_to(e: Lower, op: pad.PadTo, xs: list[Py]) -> Py:
    sizes: Any = op.size if isinstance(op.size, tuple) else (op.size,) * e.axes
    return call(e.helper("pad_to"), xs[0], Sequence(e.sizes(sizes, "size"), "("), value=(Arg(op.value, "value"), 0.0))


# Shapes ----------------------------------------------------------------------------------------------------------------


@lowers(shape.Flatten)
def flatten(e: Lower, op: shape.Flatten, xs: list[Py]) -> Py:
    if op.end_dim == -1:
        return call("torch.flatten", xs[0], Arg(op.start_dim, "start_dim"))
    return call("torch.flatten", xs[0], Arg(op.start_dim, "start_dim"), Arg(op.end_dim, "end_dim"))


@lowers(shape.Reshape)
def reshape(e: Lower, op: shape.Reshape, xs: list[Py]) -> Py:
    if not op.shape:
        return method(xs[0], "reshape", Const(()))
    return method(xs[0], "reshape", *e.sizes(op.shape, "shape"))


@lowers(shape.Unflatten)
def unflatten(e: Lower, op: shape.Unflatten, xs: list[Py]) -> Py:
    return method(
        xs[0], "unflatten", Arg(op.dim, "dim"), Sequence(e.sizes(op.unflattened_size, "unflattened_size"), "(")
    )


@lowers(rearrange.Rearrange)
def rearranged(e: Lower, op: rearrange.Rearrange, xs: list[Py]) -> Py:
    """Axis by axis, from the last: so only the lengths that were given are written, and no product of sizes."""
    plan, given = op.plan(Needs(), tuple(value.type for value in e.node.inputs)), dict(op.lengths)
    x = call("torch.stack", Sequence(tuple(xs))) if plan.stacked else xs[0]
    for axis, parts in reversed(list(enumerate(plan.before))):
        names = [plan.names[part] for part in parts]
        if not names:
            x = method(x, "squeeze", Const(axis))
        elif len(names) > 1:
            sizes = (e.size(given[name], name) if name in given else Const(-1) for name in names)
            x = method(x, "unflatten", Const(axis), Sequence(tuple(sizes), "("))
    moved = [axis for axis, other in enumerate(plan.order) if axis != other]
    if len(moved) == 2:
        x = method(x, "transpose", *map(Const, moved))
    elif moved:
        x = method(x, "permute", *map(Const, plan.order))
    end = len(plan.order)
    for parts in reversed(plan.after):
        begin = end - len(parts)
        if not parts:
            x = method(x, "unsqueeze", Const(begin))
        elif len(parts) > 1:
            x = method(x, "flatten", Const(begin), Const(end - 1))
        end = begin
    return x


@lowers(shape.Squeeze)
def squeeze(e: Lower, op: shape.Squeeze, xs: list[Py]) -> Py:
    return method(xs[0], "squeeze", Arg(op.dim, "dim"))


@lowers(shape.Unsqueeze)
def unsqueeze(e: Lower, op: shape.Unsqueeze, xs: list[Py]) -> Py:
    return method(xs[0], "unsqueeze", Arg(op.dim, "dim"))


@lowers(shape.Expand)
def expand(e: Lower, op: shape.Expand, xs: list[Py]) -> Py:
    return method(xs[0], "expand", *e.sizes(op.shape, "shape")) if op.shape else xs[0]


@lowers(shape.Permute)
def permute(e: Lower, op: shape.Permute, xs: list[Py]) -> Py:
    return method(xs[0], "permute", Const(op.order(e.node.inputs[0].type.rank)))


@lowers(shape.Transpose)
def transpose(e: Lower, op: shape.Transpose, xs: list[Py]) -> Py:
    return method(xs[0], "transpose", Arg(op.dim0, "dim0"), Arg(op.dim1, "dim1"))


@lowers(shape.PixelShuffle)
def pixel_shuffle(e: Lower, op: shape.PixelShuffle, xs: list[Py]) -> Py:
    return call("F.pixel_shuffle", xs[0], Arg(op.upscale_factor, "upscale_factor"))


@lowers(shape.PixelUnshuffle)
def pixel_unshuffle(e: Lower, op: shape.PixelUnshuffle, xs: list[Py]) -> Py:
    return call("F.pixel_unshuffle", xs[0], Arg(op.downscale_factor, "downscale_factor"))


@lowers(shape.ChannelShuffle)
def channel_shuffle(e: Lower, op: shape.ChannelShuffle, xs: list[Py]) -> Py:
    return call("F.channel_shuffle", xs[0], Arg(op.groups, "groups"))


@lowers(shape.OneHot)
def one_hot(e: Lower, op: shape.OneHot, xs: list[Py]) -> Py:
    x = xs[0] if e.node.inputs[0].type.dtype.label == "int64" else method(xs[0], "long")
    return call("F.one_hot", x, Arg(op.num_classes, "num_classes"))


# Pieces ----------------------------------------------------------------------------------------------------------------


def _bound(e: Lower, bound: Dim | None, field: str, item: Any = None, default: int | None = None) -> Py | None:
    return None if bound is None or (isinstance(bound, int) and bound == default) else e.size(bound, field, item)


def _step(step: int) -> Py | None:
    return None if step == 1 else Const(step)


@lowers(slicing.Slice)
def slice_(e: Lower, op: slicing.Slice, xs: list[Py]) -> Py:
    axis = op.dim % e.node.inputs[0].type.rank
    cut = Slice(_bound(e, op.start, "start", default=0), _bound(e, op.end, "end"), _step(op.step))
    return Subscript(xs[0], (*(Slice(None, None) for _ in range(axis)), cut))


@lowers(slicing.Index, positions.IndexTensors)
def index(e: Lower, op: slicing.Index | positions.IndexTensors, xs: list[Py]) -> Py:
    items: list[Py] = []
    indices = iter(xs[1:])
    for place, item in enumerate(op.items):
        match item:
            case ("at", position):
                items.append(e.size(position, "items", (place, "")))
            case ("slice", start, stop, step):
                bounds = (_bound(e, start, "items", (place, "start")), _bound(e, stop, "items", (place, "stop")))
                items.append(Slice(*bounds, _step(step)))
            case ("tensor", *_):
                items.append(next(indices))
            case ("rest",):
                items.append(Const(...))
            case _:
                items.append(Const(None))
    return Subscript(xs[0], tuple(items)) if items else xs[0]


@lowers(slicing.Crop)
def crop(e: Lower, op: slicing.Crop, xs: list[Py]) -> Py:
    if op.offset is None:
        sizes: Any = op.size if isinstance(op.size, tuple) else (op.size,) * e.axes
        return call(e.helper("center_crop"), xs[0], Sequence(e.sizes(sizes, "size"), "("))
    cuts = tuple(Slice(e.size(begin), e.size(begin + size)) for begin, size in op.window(e.node.inputs[0].type))
    return Subscript(xs[0], (Slice(None, None), Slice(None, None), *cuts))


@lowers(slicing.Split)
def split(e: Lower, op: slicing.Split, xs: list[Py]) -> Py:
    if isinstance(op.sections, int):
        return _parts(e, method(xs[0], "chunk", Arg(op.sections, "sections"), dim=(Arg(op.dim, "dim"), 0)))
    return _parts(e, method(xs[0], "split", Sequence(e.sizes(op.sections, "sections")), dim=(Arg(op.dim, "dim"), 0)))


@lowers(slicing.Chunk)
def chunk(e: Lower, op: slicing.Chunk, xs: list[Py]) -> Py:
    return _parts(e, method(xs[0], "chunk", Arg(op.chunks, "chunks"), dim=(Arg(op.dim, "dim"), 0)))


def _parts(e: Lower, made: Py) -> Py:
    """One part is a tensor in a spec, and a tuple of one in PyTorch."""
    return made if len(e.node.outputs) > 1 else Subscript(made, (Const(0),))


@lowers(slicing.Flip)
def flip(e: Lower, op: slicing.Flip, xs: list[Py]) -> Py:
    return method(xs[0], "flip", Const(op.dims if isinstance(op.dims, tuple) else (op.dims,)))


@lowers(slicing.Roll)
def roll(e: Lower, op: slicing.Roll, xs: list[Py]) -> Py:
    shifts = op.shifts if isinstance(op.shifts, tuple) else (op.shifts,)
    if all(isinstance(shift, int) for shift in shifts):
        return method(xs[0], "roll", Arg(op.shifts, "shifts"), Arg(op.dims, "dims"))
    return method(
        xs[0],
        "roll",
        Sequence(e.sizes(shifts, "shifts"), "("),
        Const(op.dims if isinstance(op.dims, tuple) else (op.dims,)),
    )


@lowers(slicing.Tile)
def tile(e: Lower, op: slicing.Tile, xs: list[Py]) -> Py:
    return method(xs[0], "tile", *e.sizes(op.reps, "reps"))
