"""Affine maps of the last axis."""

from __future__ import annotations

from math import sqrt

from dlspec.ir.dims import Dim, terms
from dlspec.ir.init import Init, fan_in_uniform, uniform
from dlspec.ir.op import Needs, Op, OpError, Types, Weight, require_rank
from dlspec.ir.types import TensorType
from dlspec.ops.rules import require_float, same_dtype
from dlspec.ops.window import require_bound


def _features(x: TensorType, name: str) -> int:
    require_float(x, name)
    require_rank(x, range(1, 17), name)
    features = x.shape[-1]
    if not isinstance(features, int):
        hint = "give the last axis a number, or bring the channels there with Permute"
        if len(terms(features)) > 1 or not str(features).isidentifier():
            hint = "write numbers for sizes in the signature, or pool the sizes away first: `AdaptiveAvgPool(1) -> Flatten`"
        raise OpError(f"{name} needs a known number of features on the last axis, not {features}", hint, "DL0205")
    return features


class Linear(Op):
    """Affine map of the last axis: [..., features] becomes [..., out_features].

    The last axis must be a known number; there may be any axes before it. Weights are drawn from U(-b, b),
    b = 1 / sqrt(features). MACs: one per output element and input feature. FLOPs: two per MAC, one per bias added.

    ONNX: Gemm, or MatMul and Add where there are more axes.
    """

    torch = "Linear"
    overwritable = True
    gives = "logits"
    out_size = "out_features"
    left_out = (("in_features", 0),)
    torch_sizes = (0, 1)

    out_features: int
    bias: bool = True
    weight_init: Init | None = None
    bias_init: Init | None = None

    def check(self) -> None:
        require_bound(self.out_features, 1, "out_features")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        _features(x, "Linear")
        return x.with_shape(*x.shape[:-1], self.out_features)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        (x,) = inputs
        features = _features(x, "Linear")
        init = fan_in_uniform(features)
        weight = Weight("weight", (self.out_features, features), self.weight_init or init, dtype=x.dtype)
        if not self.bias:
            return (weight,)
        return (weight, Weight("bias", (self.out_features,), self.bias_init or init, dtype=x.dtype))

    def macs(self, inputs: Types, outputs: Types) -> Dim:
        return outputs[0].elements * inputs[0].shape[-1]

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 2 * self.macs(inputs, outputs) + (outputs[0].elements if self.bias else 0)


class LinearFunction(Op):
    """Affine map of the last axis with a given weight [out, features] and an optional bias [out].

    MACs and FLOPs are those of Linear.

    ONNX: Gemm, or MatMul and Add where there are more axes.
    """

    tensors = ("x", "weight", "bias?")
    layer = False
    function = "linear"
    torch_function = "F.linear"
    overwritable = True
    gives = "logits"

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, weight, *rest = inputs
        require_float(x, "linear")
        require_rank(x, range(1, 17), "linear")
        same_dtype(inputs, "linear")
        if weight.rank != 2:
            raise OpError(f"linear: the weight must be [out, features], not {weight}", code="DL0202")
        out, features = weight.shape
        message = f"linear: the weight {weight} is for {features} features, and the last axis of the input {x} differs"
        need.equal(features, x.shape[-1], message)
        for bias in rest:
            if bias.rank != 1:
                raise OpError(f"linear: the bias must have one axis, not {bias}", code="DL0202")
            need.equal(bias.shape[0], out, f"linear: the bias {bias} must have one value for each of {out} outputs")
        return x.with_shape(*x.shape[:-1], out)

    def macs(self, inputs: Types, outputs: Types) -> Dim:
        return outputs[0].elements * inputs[0].shape[-1]

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 2 * self.macs(inputs, outputs) + (outputs[0].elements if len(inputs) > 2 else 0)


class Bilinear(Op):
    """Bilinear map of two inputs: y[k] = x1 W[k] x2 + bias[k] on the last axes.

    [..., A] and [..., B], with equal leading axes, become [..., out_features]. Weights are drawn from U(-b, b),
    b = 1 / sqrt(A). MACs: per output element A * B for x1 W and B for the product with x2. FLOPs: two per MAC, one per
    bias added.
    """

    tensors = ("x1", "x2")
    torch = "Bilinear"
    gives = "logits"
    out_size = "out_features"
    left_out = (("in1_features", 0), ("in2_features", 1))
    torch_sizes = (0, 1, 2)

    out_features: int
    bias: bool = True
    weight_init: Init | None = None
    bias_init: Init | None = None

    def check(self) -> None:
        require_bound(self.out_features, 1, "out_features")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x1, x2 = inputs
        for x in inputs:
            _features(x, "Bilinear")
        same_dtype(inputs, "Bilinear")
        message = f"Bilinear: {x1} and {x2} must have the same axes before the last"
        if x1.rank != x2.rank:
            raise OpError(message, code="DL0202")
        leading = [need.equal(a, b, message) for a, b in zip(x1.shape[:-1], x2.shape[:-1], strict=True)]
        return x1.with_shape(*leading, self.out_features)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        first, second = (_features(x, "Bilinear") for x in inputs)
        bound = 1 / sqrt(first)
        init, dtype = uniform(-bound, bound), inputs[0].dtype
        weight = Weight("weight", (self.out_features, first, second), self.weight_init or init, dtype=dtype)
        if not self.bias:
            return (weight,)
        return (weight, Weight("bias", (self.out_features,), self.bias_init or init, dtype=dtype))

    def macs(self, inputs: Types, outputs: Types) -> Dim:
        first, second = (_features(x, "Bilinear") for x in inputs)
        return outputs[0].elements * (first * second + second)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 2 * self.macs(inputs, outputs) + (outputs[0].elements if self.bias else 0)


OPERATORS: tuple[type[Op], ...] = (Linear, LinearFunction, Bilinear)
