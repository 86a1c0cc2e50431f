"""Normalisation."""

from __future__ import annotations

from dlspec.ir.dims import Dim, product
from dlspec.ir.fields import Ints
from dlspec.ir.init import ONES, ZEROS, Init
from dlspec.ir.op import Needs, Op, OpError, Types, Weight, constant_channels, require_rank
from dlspec.ir.types import DType, TensorType, format_shape
from dlspec.ops.rules import require_float
from dlspec.ops.window import SPATIAL_RANKS, require_bound

# What statistics cost per element: one for the mean, one to subtract it, two for the variance, one to scale.
_STATISTICS = 5


def _check_eps(eps: float) -> None:
    if eps < 0:
        raise OpError(f"`eps` must not be negative, and is {eps:g}", code="DL0208")


def _affine(
    shape: tuple[int, ...], op: BatchNorm | InstanceNorm | GroupNorm | LayerNorm, dtype: DType
) -> tuple[Weight, ...]:
    weight = Weight("weight", shape, op.weight_init or ONES, dtype=dtype)
    return (weight, Weight("bias", shape, op.bias_init or ZEROS, dtype=dtype)) if op.bias else (weight,)


def _statistics_type(x: TensorType) -> DType:
    """Running statistics of half precision are float32, with the weights beside them: variances leave its range."""
    return DType.FLOAT32 if x.dtype.is_half else x.dtype


def _running(channels: int, dtype: DType) -> tuple[Weight, Weight, Weight]:
    return (
        Weight("running_mean", (channels,), ZEROS, "buffer", dtype),
        Weight("running_var", (channels,), ONES, "buffer", dtype),
        Weight("num_batches_tracked", (), ZEROS, "buffer", DType.INT64),
    )


class BatchNorm(Op):
    """Normalises each channel by statistics over the batch and space: [N, C] or [N, C, *sizes], the shape stays.

    At inference by the running statistics: y = (x - running_mean) / sqrt(running_var + eps) * weight + bias; with
    track_running_stats=false by those of the batch there too. A momentum of none averages all batches.
    Buffers: running_mean, running_var and the scalar num_batches_tracked. Of half precision all its weights are
    float32. FLOPs: two per element (a scale and a shift);
    from the batch's statistics 5, one more for the weight and one for the bias.

    ONNX: BatchNormalization. Ioffe and Szegedy, 2015, "Batch Normalization: Accelerating Deep Network Training by
    Reducing Internal Covariate Shift".
    """

    wide = True
    keeps_shape = True
    pinned = (("BatchNorm1d", 1), ("BatchNorm2d", 2), ("BatchNorm3d", 3))
    flat = True
    torch = "BatchNorm{n}d"
    left_out = (("num_features", 0),)
    overwritable = True
    light = True
    gives = "logits"
    torch_sizes = (0,)

    eps: float = 1e-5
    momentum: float | None = 0.1
    affine: bool = True
    track_running_stats: bool = True
    bias: bool = True
    weight_init: Init | None = None
    bias_init: Init | None = None

    def check(self) -> None:
        _check_eps(self.eps)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        require_rank(x, (2, 3, 4, 5), "BatchNorm")
        require_float(x, "BatchNorm")
        if self.affine or self.track_running_stats:
            constant_channels(x, "BatchNorm")
        if not self.track_running_stats:
            message = f"BatchNorm by the batch's statistics needs more than one element of each channel, not {x}"
            need.at_least(product((x.shape[0], *x.spatial)), 2, message, code="DL0201")
        return x

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        (x,) = inputs
        owned: tuple[Weight, ...] = ()
        if self.affine:
            owned = _affine((constant_channels(x, "BatchNorm"),), self, _statistics_type(x))
        if self.track_running_stats:
            owned += _running(constant_channels(x, "BatchNorm"), _statistics_type(x))
        return owned

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        affine = 1 + self.bias if self.affine else 0
        per_element = 2 if self.track_running_stats else _STATISTICS + affine
        return per_element * outputs[0].elements


class InstanceNorm(Op):
    """Normalises each channel of each sample by statistics over space: [N, C, *sizes], the shape stays.

    With track_running_stats=true at inference by the running statistics, as BatchNorm. Without, space must have more
    than one element. FLOPs: 5 per element, one more for the weight and one for the bias; 2 by running statistics.

    ONNX: InstanceNormalization, or BatchNormalization by running statistics. Ulyanov et al., 2016, "Instance
    Normalization: The Missing Ingredient for Fast Stylization".
    """

    wide = True
    keeps_shape = True
    pinned = (("InstanceNorm1d", 1), ("InstanceNorm2d", 2), ("InstanceNorm3d", 3))
    torch = "InstanceNorm{n}d"
    left_out = (("num_features", 0),)
    overwritable = True
    light = True
    gives = "logits"
    torch_sizes = (0,)

    eps: float = 1e-5
    momentum: float | None = 0.1
    affine: bool = False
    track_running_stats: bool = False
    bias: bool = True
    weight_init: Init | None = None
    bias_init: Init | None = None

    def check(self) -> None:
        _check_eps(self.eps)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        require_rank(x, SPATIAL_RANKS, "InstanceNorm")
        require_float(x, "InstanceNorm")
        if self.affine or self.track_running_stats:
            constant_channels(x, "InstanceNorm")
        if not self.track_running_stats:
            message = f"InstanceNorm needs more than one element in space, and the input is {format_shape(x.shape)}"
            need.at_least(product(x.spatial), 2, message, code="DL0201")
        return x

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        (x,) = inputs
        owned: tuple[Weight, ...] = ()
        if self.affine:
            owned = _affine((constant_channels(x, "InstanceNorm"),), self, _statistics_type(x))
        if self.track_running_stats:
            owned += _running(constant_channels(x, "InstanceNorm"), _statistics_type(x))
        return owned

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        affine = 1 + self.bias if self.affine else 0
        per_element = 2 if self.track_running_stats else _STATISTICS + affine
        return per_element * outputs[0].elements


class GroupNorm(Op):
    """Normalises groups of channels of each sample: [N, C, *sizes] with C divisible by num_groups, the shape stays.

    FLOPs: 5 per element, one more for the weight and one for the bias.

    ONNX: GroupNormalization, written out with InstanceNormalization. Wu and He, 2018, "Group Normalization".
    """

    wide = True
    keeps_shape = True
    torch = "GroupNorm"
    left_out = (("num_channels", 1),)
    overwritable = True
    light = True
    gives = "logits"
    torch_sizes = (1,)

    num_groups: int
    eps: float = 1e-5
    affine: bool = True
    bias: bool = True
    weight_init: Init | None = None
    bias_init: Init | None = None

    def check(self) -> None:
        _check_eps(self.eps)
        require_bound(self.num_groups, 1, "num_groups")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        require_rank(x, range(2, 17), "GroupNorm")
        require_float(x, "GroupNorm")
        channels = constant_channels(x, "GroupNorm") if self.affine else x.shape[1]
        message = f"GroupNorm: {channels} channels are not divisible by {self.num_groups} groups"
        need.divisible(channels, self.num_groups, message, "choose groups that divide the channels")
        counted = product((x.shape[0], channels // self.num_groups, *x.shape[2:]))  # as torch does, with the batch
        need.at_least(counted, 2, f"GroupNorm needs more than one element of each group, not {x}", code="DL0201")
        return x

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        (x,) = inputs
        if not self.affine:
            return ()
        return _affine((constant_channels(x, "GroupNorm"),), self, x.dtype)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        affine = 1 + self.bias if self.affine else 0
        return (_STATISTICS + affine) * outputs[0].elements


def _trailing(need: Needs, x: TensorType, normalized_shape: Ints | None, name: str) -> tuple[Dim, ...]:
    """The trailing axes that are normalised; demands that they have the sizes given."""
    require_float(x, name)
    if normalized_shape is None:
        require_rank(x, range(1, 17), name)
        return x.shape[-1:]
    given = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
    axes = x.shape[-len(given) :]
    message = f"{name}: the last axes of {format_shape(x.shape)} are not the normalized_shape {list(given)}"
    if x.rank < len(given):
        raise OpError(message, code="DL0202")
    return tuple(need.equal(size, wanted, message) for size, wanted in zip(axes, given, strict=True))


def _trailing_numbers(x: TensorType, normalized_shape: Ints | None, name: str) -> tuple[int, ...]:
    """The same as numbers, which weights need."""
    if normalized_shape is not None:
        return (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
    size = x.shape[-1]
    if not isinstance(size, int):
        raise OpError(f"{name} needs a known size of the last axis, not {size}", "give it a number", "DL0205")
    return (size,)


def _check_normalized(normalized_shape: Ints | None) -> None:
    if normalized_shape == ():
        raise OpError("`normalized_shape` is an empty list", "leave it out to normalise the last axis", "DL0208")
    if normalized_shape is not None:
        require_bound(normalized_shape, 1, "normalized_shape")


class LayerNorm(Op):
    """Normalises the last axes of each sample, the shape stays.

    normalized_shape says which sizes the last axes have; without it the last axis alone is normalised.
    FLOPs: 5 per element, one more for the weight and one for the bias.

    ONNX: LayerNormalization. Ba et al., 2016, "Layer Normalization".
    """

    wide = True
    keeps_shape = True
    torch = "LayerNorm"
    overwritable = True
    light = True
    gives = "logits"
    torch_sizes = (0,)

    normalized_shape: Ints | None = None
    eps: float = 1e-5
    elementwise_affine: bool = True
    bias: bool = True
    weight_init: Init | None = None
    bias_init: Init | None = None

    def check(self) -> None:
        _check_eps(self.eps)
        _check_normalized(self.normalized_shape)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        trailing = _trailing(need, x, self.normalized_shape, "LayerNorm")
        if self.elementwise_affine:
            _trailing_numbers(x, self.normalized_shape, "LayerNorm")
        return x.with_shape(*x.shape[: -len(trailing)], *trailing)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        (x,) = inputs
        if not self.elementwise_affine:
            return ()
        shape = _trailing_numbers(x, self.normalized_shape, "LayerNorm")
        return _affine(shape, self, x.dtype)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        affine = 1 + self.bias if self.elementwise_affine else 0
        return (_STATISTICS + affine) * outputs[0].elements


class RMSNorm(Op):
    """Divides by the root of the mean square over the last axes, the shape stays.

    normalized_shape says which sizes the last axes have; without it the last axis alone is normalised. An eps of none
    is the machine epsilon of float32, or of float64 for a float64 input.
    FLOPs: 3 per element (square, sum, scale) and one more for the weight.

    ONNX: RMSNormalization from opset 23, else written out. Zhang and Sennrich, 2019, "Root Mean Square Layer Normalization".
    """

    wide = True
    keeps_shape = True
    torch = "RMSNorm"
    light = True
    gives = "logits"
    torch_sizes = (0,)

    normalized_shape: Ints | None = None
    eps: float | None = None
    elementwise_affine: bool = True
    weight_init: Init | None = None

    def check(self) -> None:
        _check_normalized(self.normalized_shape)
        if self.eps is not None:
            _check_eps(self.eps)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        trailing = _trailing(need, x, self.normalized_shape, "RMSNorm")
        if self.elementwise_affine:
            _trailing_numbers(x, self.normalized_shape, "RMSNorm")
        return x.with_shape(*x.shape[: -len(trailing)], *trailing)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        (x,) = inputs
        if not self.elementwise_affine:
            return ()
        shape = _trailing_numbers(x, self.normalized_shape, "RMSNorm")
        return (Weight("weight", shape, self.weight_init or ONES, dtype=x.dtype),)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return (3 + self.elementwise_affine) * outputs[0].elements


class LocalResponseNorm(Op):
    """Divides by a power of the energy in neighbouring channels: x / (k + alpha / size * sum of squares) ^ beta.

    [N, C, *sizes], the shape stays. The sum runs over size channels, size // 2 of them before.
    FLOPs: size + 5 per element (square, sum, scale, shift, power, divide).

    ONNX: LRN. Krizhevsky et al., 2012, "ImageNet Classification with Deep Convolutional Neural Networks".
    """

    narrow_in_torch = True
    wide = True
    keeps_shape = True
    torch = "LocalResponseNorm"

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    def check(self) -> None:
        require_bound(self.size, 1, "size")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        require_rank(x, SPATIAL_RANKS, "LocalResponseNorm")
        require_float(x, "LocalResponseNorm")
        return x

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return (self.size + 5) * outputs[0].elements


OPERATORS: tuple[type[Op], ...] = (BatchNorm, InstanceNorm, GroupNorm, LayerNorm, RMSNorm, LocalResponseNorm)
