"""Experts, as expressions."""

from __future__ import annotations

from dlspec.backends.torch.lowering.registry import Lower, lowers
from dlspec.backends.torch.python.expressions import Py, call
from dlspec.ops.experts import RoutedLinear


@lowers(RoutedLinear)
def routed_linear(e: Lower, op: RoutedLinear, xs: list[Py]) -> Py:
    return call(e.helper("routed_linear"), *xs)
