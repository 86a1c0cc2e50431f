"""Integers in ONNX are exact, and begin anew where int64 ends, as in PyTorch: ONNX Runtime reduces them in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import Session
from dlspec.pipeline import elaborate, open_source
from dlspec.source import Source

Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
CASES: dict[str, Callable[[Numbers], Any]] = {
    "sum(x)": lambda x: x.sum(),
    "sum(x, dim=0)": lambda x: x.sum(0),
    "prod(x)": lambda x: x.prod(),
    "prod(x, dim=1, keepdim=true)": lambda x: x.prod(1, keepdims=True),
    "prod(x, dim=[0, 2])": lambda x: x.prod((0, 2)),
    "cumsum(x, dim=1)": lambda x: x.cumsum(1),
    "cumprod(x, dim=0)": lambda x: x.cumprod(0),
    "cumprod(x, dim=2)": lambda x: x.cumprod(2),
    "max(x)": lambda x: x.max(),
    "x * x": lambda x: x * x,
    "matmul(x, transpose(x, 1, 2))": lambda x: x @ x.swapaxes(1, 2),
}


@pytest.mark.parametrize("shape", ["2, 3, 4", "N, 3, M"])
@pytest.mark.parametrize("text", CASES)
def test_integers_are_exact(text: str, shape: str) -> None:
    graph = elaborate(open_source(Source("n.dlspec", f"network Net(x: int64[{shape}]) -> y {{ y = {text} }}")), "Net")
    session = Session(to_bytes(build(graph)))
    draw = np.random.default_rng(0)
    for least, most in ((-5, 6), (2**52, 2**61), (-(2**62), 2**62)):
        x = draw.integers(least, most, (2, 3, 4))
        np.testing.assert_array_equal(session.run({"x": x})["y"], CASES[text](x))
