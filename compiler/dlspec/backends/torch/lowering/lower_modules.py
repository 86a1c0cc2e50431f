"""Operators as ``nn.Module``s: constructors of layers, for members and for `nn.Sequential`."""

from __future__ import annotations

from typing import Any

from dlspec.backends.torch.lowering.registry import MODULES, ModuleOf, makes
from dlspec.backends.torch.python.expressions import Call, Const, Keyword, Name, Py, Sequence, call
from dlspec.backends.torch.python.symbols import Arg, Dimension
from dlspec.ir.node import Node
from dlspec.ir.op import Op
from dlspec.ir.types import DType
from dlspec.ops import (
    activation,
    conv,
    dropout,
    embedding,
    linear,
    local,
    norm,
    pad,
    pooling,
    recurrent,
    resize,
    shape,
    softmax,
)
from dlspec.ops.window import Window

# Fields that are not arguments of the module: they say how weights begin.
_INITS = ("weight_init", "bias_init")


def module_of(node: Node) -> ModuleOf | None:
    """The module lowering of a node's operator."""
    own = MODULES.get(type(node.op))
    if own is not None:
        return own
    return _one_to_one if type(node.op).torch else None


def dtype_of(node: Node) -> dict[str, Py]:
    """The keyword that says that weights are not float32."""
    dtypes = {weight.dtype for weight in node.weights if weight.dtype.is_float}
    return {} if dtypes <= {DType.FLOAT32} else {"dtype": Name(f"torch.{dtypes.pop().label}")}


def class_name(op: Op, node: Node) -> str:
    assert op.torch
    return "nn." + op.torch.format(n=max(node.inputs[0].type.rank - 2, 1))


def rest(op: Op, node: Node, *skip: str) -> tuple[Keyword, ...]:
    """The other fields as keywords, left out where they are at their defaults."""
    made = tuple(
        Keyword(field.name, Arg(getattr(op, field.name), field.name), field.converted_default)
        for field in op.fields
        if field.name not in (*skip, *_INITS)
    )
    return made + tuple(Keyword(key, value) for key, value in dtype_of(node).items())


def _one_to_one(op: Op, node: Node) -> Py:
    required = [field.name for field in op.fields if field.required]
    args = tuple(Arg(getattr(op, field), field) for field in required)
    return Call(Name(class_name(op, node)), args, rest(op, node, *required))


def _channels(node: Node) -> Const | None:
    """The channel axis, or a vector's only one; None where it is symbolic."""
    x = node.inputs[0].type
    channels = x.shape[1] if x.rank > 1 else x.shape[0]
    return Dimension(channels, 0, min(1, x.rank - 1)) if isinstance(channels, int) else None


def _features(node: Node, position: int) -> Dimension:
    """The last axis of an input."""
    x = node.inputs[position].type
    return Dimension(x.shape[-1], position, x.rank - 1)


def window_of(node: Node) -> Window:
    """The window that a convolution or a pool slides."""
    op: Any = node.op
    types = tuple(value.type for value in node.inputs)
    return op.window(*types[:2]) if isinstance(op, conv.ConvFunction) else op.window(types[0])


def padded_before(node: Node) -> bool:
    """Whether ``torch.nn`` has no argument for the padding: it follows from the size, or differs before and after."""
    op: Any = node.op
    window, convolves = window_of(node), isinstance(op, conv.Conv | conv.ConvFunction)
    has_one = isinstance(op.padding, int) or convolves == (op.padding == "same")
    return window.fitted or (not has_one and any(before != after for before, after in window.pads))


def padding_of(node: Node) -> Py:
    """The argument ``padding`` of what slides a window over the input, or over the padded input."""
    op: Any = node.op
    window = window_of(node)
    if padded_before(node) or op.padding == "valid" or (op.padding == "same" and max(window.stride) > 1):
        return Const(0)
    if isinstance(op.padding, int) or (isinstance(op, conv.Conv | conv.ConvFunction) and op.padding == "same"):
        return Arg(op.padding, "padding")
    sides: Any = tuple(before for before, _ in window.pads)
    if sides == op.padding:
        return Arg(sides, "padding")
    return Const(sides[0] if len(set(sides)) == 1 else sides)


@makes(conv.Conv)
def _conv(op: conv.Conv, node: Node) -> Py | None:
    channels = _channels(node)
    if channels is None:
        return None
    keywords = tuple(
        Keyword(k.name, padding_of(node), 0) if k.name == "padding" else k
        for k in rest(op, node, "out_channels", "kernel_size")
    )
    return Call(
        Name(class_name(op, node)),
        (channels, Arg(op.out_channels, "out_channels"), Arg(op.kernel_size, "kernel_size")),
        keywords,
    )


@makes(conv.ConvTranspose)
def _conv_transpose(op: conv.ConvTranspose, node: Node) -> Py | None:
    channels = _channels(node)
    if channels is None:
        return None
    args = (channels, Arg(op.out_channels, "out_channels"), Arg(op.kernel_size, "kernel_size"))
    return Call(Name(class_name(op, node)), args, rest(op, node, "out_channels", "kernel_size"))


@makes(local.LocallyConnected)
def _locally_connected(op: local.LocallyConnected, node: Node) -> Py:
    x = node.inputs[0].type
    in_size = Sequence(tuple(Dimension(size, 0, axis) for axis, size in enumerate(x.shape) if axis), "(")
    padding = Const(0) if op.padding == "valid" else Arg(op.padding, "padding")
    keywords = tuple(
        Keyword(k.name, padding, 0) if k.name == "padding" else k for k in rest(op, node, "out_channels", "kernel_size")
    )
    args = (in_size, Arg(op.out_channels, "out_channels"), Arg(op.kernel_size, "kernel_size"))
    return Call(Name("LocallyConnected"), args, keywords)


@makes(linear.Linear)
def _linear(op: linear.Linear, node: Node) -> Py:
    args = (_features(node, 0), Arg(op.out_features, "out_features"))
    return Call(Name("nn.Linear"), args, rest(op, node, "out_features"))


@makes(recurrent.RNN, recurrent.LSTM, recurrent.GRU)
def _recurrent(op: recurrent.Recurrent, node: Node) -> Py:
    args = (_features(node, 0), Arg(op.hidden_size, "hidden_size"))
    return Call(Name(f"nn.{type(op).__name__}"), args, rest(op, node, "hidden_size"))


@makes(linear.Bilinear)
def _bilinear(op: linear.Bilinear, node: Node) -> Py:
    args = (_features(node, 0), _features(node, 1), Arg(op.out_features, "out_features"))
    return Call(Name("nn.Bilinear"), args, rest(op, node, "out_features"))


@makes(norm.BatchNorm, norm.InstanceNorm)
def _channel_norm(op: Op, node: Node) -> Py | None:
    channels = _channels(node)
    return None if channels is None else Call(Name(class_name(op, node)), (channels,), rest(op, node))


@makes(norm.GroupNorm)
def _group_norm(op: norm.GroupNorm, node: Node) -> Py | None:
    channels = _channels(node)
    if channels is None:
        return None
    return Call(Name("nn.GroupNorm"), (Arg(op.num_groups, "num_groups"), channels), rest(op, node, "num_groups"))


@makes(norm.LayerNorm, norm.RMSNorm)
def _trailing_norm(op: norm.LayerNorm | norm.RMSNorm, node: Node) -> Py | None:
    made = Arg(op.normalized_shape, "normalized_shape") if op.normalized_shape else _features(node, 0)
    if not isinstance(made.value, int | tuple):
        return None
    return Call(Name(class_name(op, node)), (made,), rest(op, node, "normalized_shape"))


@makes(activation.PReLU)
def _prelu(op: activation.PReLU, node: Node) -> Py:
    return Call(Name("nn.PReLU"), (), rest(op, node))


@makes(embedding.Embedding)
def _embedding(op: embedding.Embedding, node: Node) -> Py:
    args = (Arg(op.num_embeddings, "num_embeddings"), Arg(op.embedding_dim, "embedding_dim"))
    return Call(Name("nn.Embedding"), args, rest(op, node, "num_embeddings", "embedding_dim"))


@makes(softmax.Softmax, softmax.LogSoftmax, softmax.Softmin)
def _softmax(op: softmax.Normalised, node: Node) -> Py:
    axis = op.axis(node.inputs[0].type.rank) if op.dim is None else op.dim
    return call(class_name(op, node), dim=Const(axis))


@makes(pooling.MaxPool, pooling.AvgPool)
def _pool(op: pooling.MaxPool | pooling.AvgPool, node: Node) -> Py | None:
    if padded_before(node):
        return None
    return Call(Name(class_name(op, node)), (Arg(op.kernel_size, "kernel_size"),), pool_keywords(node))


def pool_keywords(node: Node) -> tuple[Keyword, ...]:
    """What a pool is given beside its kernel."""
    own: dict[str, Py] = {"padding": padding_of(node)}
    if isinstance(node.op, pooling.AvgPool) and node.op.padding == "same" and not padded_before(node):
        own["count_include_pad"] = Const(False)
    return tuple(Keyword(k.name, own.get(k.name, k.value), k.default) for k in rest(node.op, node, "kernel_size"))


@makes(pooling.AdaptiveAvgPool, pooling.AdaptiveMaxPool)
def _adaptive(op: pooling.AdaptiveAvgPool | pooling.AdaptiveMaxPool, node: Node) -> Py | None:
    sizes = op.output_size if isinstance(op.output_size, tuple) else (op.output_size,)
    if not all(isinstance(size, int) for size in sizes):
        return None
    return call(class_name(op, node), Arg(op.output_size, "output_size"))


@makes(pooling.GlobalAvgPool, pooling.GlobalMaxPool)
def _global(op: Op, node: Node) -> Py:
    kind = "Avg" if isinstance(op, pooling.GlobalAvgPool) else "Max"
    return call(f"nn.Adaptive{kind}Pool{node.inputs[0].type.rank - 2}d", Const(1))


@makes(resize.Upsample)
def _upsample(op: resize.Upsample, node: Node) -> Py | None:
    sizes = op.size if isinstance(op.size, tuple) else (op.size,)
    if op.antialias or not all(isinstance(size, int | None) for size in sizes):
        return None
    return call("nn.Upsample", **resampling(op, node, Arg(op.size, "size")))


def resampling(op: resize.Upsample | resize.Resize, node: Node, size: Py) -> dict[str, Any]:
    """The keywords of ``nn.Upsample`` and ``F.interpolate``."""
    mode: str = op.mode
    if mode == "linear":
        mode = {3: "linear", 4: "bilinear", 5: "trilinear"}[node.inputs[0].type.rank]
    aligned = (
        {}
        if mode.startswith(("nearest", "area"))
        else {"align_corners": (Arg(op.align_corners, "align_corners"), False)}
    )
    smooth = {"antialias": (Arg(op.antialias, "antialias"), False)} if op.antialias else {}
    factor = op.scale_factor if isinstance(op, resize.Upsample) else None
    scale = tuple(map(whole, factor)) if isinstance(factor, tuple) else whole(factor)
    return {
        "size": (size, None),
        "scale_factor": (Const(scale), None),
        "mode": (Const(mode), "nearest"),
        **aligned,
        **smooth,
    }


def whole(number: float | None) -> float | int | None:
    """2 for 2.0: a factor as people write it."""
    return int(number) if number is not None and float(number).is_integer() else number


def flat_pads(pairs: tuple[tuple[Any, Any], ...]) -> tuple[Any, ...]:
    """Pairs of spatial axes as ``F.pad`` takes them: the last axis first."""
    return tuple(side for pair in reversed(pairs) for side in pair)


@makes(pad.Pad)
def _pad(op: pad.Pad, node: Node) -> Py | None:
    n, pads = node.inputs[0].type.rank - 2, flat_pads(op.pairs(node.inputs[0].type))
    if not all(isinstance(side, int) for side in pads):
        return None
    if op.mode == "constant":
        return call(f"nn.ConstantPad{n}d", Const(pads), Arg(op.value, "value"))
    kind = {"reflect": "Reflection", "replicate": "Replication", "circular": "Circular"}[op.mode]
    return call(f"nn.{kind}Pad{n}d", Const(pads))


@makes(dropout.ChannelDropout)
def _channel_dropout(op: dropout.ChannelDropout, node: Node) -> Py:
    return Call(Name(class_name(op, node)), (), rest(op, node))


@makes(shape.Unflatten)
def _unflatten(op: shape.Unflatten, node: Node) -> Py | None:
    if not all(isinstance(size, int) for size in op.unflattened_size):
        return None
    return call("nn.Unflatten", Arg(op.dim, "dim"), Arg(op.unflattened_size, "unflattened_size"))


@makes(shape.ChannelShuffle)
def _channel_shuffle(op: shape.ChannelShuffle, node: Node) -> Py:
    return call("nn.ChannelShuffle", Arg(op.groups, "groups"))
