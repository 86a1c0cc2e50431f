"""Normalisation, as at inference."""

from __future__ import annotations

from dlspec.ops import norm as ops
from dlspec.ops.algebra import Term
from dlspec.passes.derivatives.registry import Cotangents, derives
from dlspec.passes.derivatives.step import Step, along, reshaped


def _by_statistics(x: Term, g: Term, axes: tuple[int, ...], eps: float) -> Term:
    """Through ``(x - mean) / sqrt(var + eps)`` over some axes."""
    scale = (x.call("var", dim=axes, correction=0, keepdim=True) + eps).call("rsqrt")
    normal = (x - _mean(x, axes)) * scale
    return scale * (g - _mean(g, axes) - normal * _mean(g * normal, axes))


def _mean(x: Term, axes: tuple[int, ...]) -> Term:
    return x.call("mean", dim=axes, keepdim=True)


@derives(ops.BatchNorm)
def batch_norm(s: Step, op: ops.BatchNorm) -> Cotangents:
    return (_by_channel(s, op, (0, *range(2, s.x.type.rank))),)


@derives(ops.InstanceNorm)
def instance_norm(s: Step, op: ops.InstanceNorm) -> Cotangents:
    return (_by_channel(s, op, tuple(range(2, s.x.type.rank))),)


def _by_channel(s: Step, op: ops.BatchNorm | ops.InstanceNorm, axes: tuple[int, ...]) -> Term:
    rank = s.x.type.rank
    g = s.g * along(s.weight(0), 1, rank) if op.affine else s.g
    if not op.track_running_stats:
        return _by_statistics(s.x, g, axes, op.eps)
    variance = s.weight(1 + op.affine + (op.affine and op.bias))  # behind weight, bias and running_mean
    return g * along((variance + op.eps).call("rsqrt"), 1, rank)


@derives(ops.GroupNorm)
def group_norm(s: Step, op: ops.GroupNorm) -> Cotangents:
    g = s.g * along(s.weight(0), 1, s.x.type.rank) if op.affine else s.g
    batch = s.x.type.shape[0]
    x, g = (reshaped(part, (batch, op.num_groups, -1)) for part in (s.x, g))
    return (reshaped(_by_statistics(x, g, (2,), op.eps), s.x.type.shape),)


def _trailing(s: Step, op: ops.LayerNorm | ops.RMSNorm) -> tuple[int, ...]:
    given = op.normalized_shape
    axes = len(given) if isinstance(given, tuple) else 1
    return tuple(range(s.x.type.rank - axes, s.x.type.rank))


@derives(ops.LayerNorm)
def layer_norm(s: Step, op: ops.LayerNorm) -> Cotangents:
    g = s.g * s.weight(0) if op.elementwise_affine else s.g
    return (_by_statistics(s.x, g, _trailing(s, op), op.eps),)


@derives(ops.RMSNorm)
def rms_norm(s: Step, op: ops.RMSNorm) -> Cotangents:
    axes = _trailing(s, op)
    g = s.g * s.weight(0) if op.elementwise_affine else s.g
    eps = _EPSILON.get(s.x.type.dtype.label, _EPSILON["float32"]) if op.eps is None else op.eps
    scale = (_mean(s.x * s.x, axes) + eps).call("rsqrt")
    normal = s.x * scale
    return (scale * (g - normal * _mean(g * normal, axes)),)


_EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52}
