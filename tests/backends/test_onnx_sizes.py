"""Sizes that the model computes when it runs, against `evaluate`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pytest
from handmade import Net
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.registry import lowers
from dlspec.backends.onnx.write import to_bytes, to_model_proto
from dlspec.backends.runtime import Session
from dlspec.diagnostics import DlspecError
from dlspec.ir.atoms import FloorDiv
from dlspec.ir.computed import smax, smin
from dlspec.ir.dims import Dim, DimError, Expr, lower_bound, symbol, terms
from dlspec.ir.evaluation import evaluate
from dlspec.ir.fields import Shape
from dlspec.ir.node import Node
from dlspec.ir.op import Needs, Op, Types
from dlspec.ir.types import DType, TensorType
from dlspec.ops.constant import Size

N, H, W, K = symbol("N"), symbol("H"), symbol("W"), symbol("K")
SIZES = [{"N": 1, "H": 1, "W": 1}, {"N": 2, "H": 7, "W": 10}, {"N": 5, "H": 6, "W": 3}, {"N": 3, "H": 224, "W": 161}]


class Sizes(Op):
    """The sizes themselves, as one tensor."""

    tensors: ClassVar[tuple[str, ...]] = ("*xs",)

    sizes: Shape

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return TensorType(DType.INT64, (len(self.sizes),))


@lowers(Sizes)
def lower_sizes(e: Emitter, op: Sizes, node: Node, xs: list[str], ws: list[str]) -> str:
    return e.op("Identity", [e.shape(op.sizes)])


def net_of(inputs: Mapping[str, tuple[Dim, ...]], dims: list[Dim]) -> Net:
    net = Net(inputs)
    net.output("all", net.add("all", Sizes(tuple(dims)), *net.inputs.values()))
    for index, dim in enumerate(dims):
        net.output(f"y{index}", net.add(f"size{index}", Size(dim, DType.INT64)))
    return net


def check(inputs: Mapping[str, tuple[Dim, ...]], dims: list[Dim], sizes: list[dict[str, int]], opset: int = 22) -> None:
    """All of ``dims`` at all of ``sizes``, as they are and as a shape."""
    session = Session(to_bytes(build(net_of(inputs, dims).graph, opset=opset)))
    for env in sizes:
        arrays = {
            name: np.zeros([evaluate(dim, env) for dim in shape], np.float32) for name, shape in inputs.items()
        }  # fmt: skip
        outputs = session.run(arrays)
        expected = [evaluate(dim, env) for dim in dims]
        assert outputs["all"].tolist() == expected, env
        assert [int(outputs[f"y{index}"]) for index in range(len(dims))] == expected, env


WRITTEN: list[Dim] = [
    5, N, H, W, H + 1, H - 9, 3 - W, N - H - W, -N, 2 * H * W - 3 * N + 4, H**3, H // 2, (H - 1) // 2 + 1, (H - 9) // 4,
    (3 - W) // 7, (H - W) // 3, H // W, (H - W) // N, (N - 5) // (H + W), (H + W) % 3, (H - W) % 5, (W - 9) % (H + 1),
    smax(H, W), smin(H, W - 3, 6), smax(H // 2, 3) * 2, ((H + 1) // 2 - W // 3) // 4, 7 * ((H + 5) // 6) * (W // 2),
]  # fmt: skip


@pytest.mark.parametrize("opset", [13, 22])
def test_arithmetic(opset: int) -> None:
    check({"x": (N, H), "y": (W, 2)}, WRITTEN, SIZES, opset)


def test_the_table_has_floors_of_both_signs() -> None:
    floors = [
        atom for dim in WRITTEN for _, monomial in terms(dim) for atom, _ in monomial if isinstance(atom, FloorDiv)
    ]
    signs = Counter(
        (lower_bound(floor.numerator) or 0) >= 0 and lower_bound(floor.numerator) is not None for floor in floors
    )
    assert signs[True] >= 3
    assert signs[False] >= 3


LEAVES = st.one_of(st.integers(-9, 20), st.sampled_from([N, H, W]))


def combine(children: st.SearchStrategy[Dim]) -> st.SearchStrategy[Dim]:
    pair = st.tuples(children, children)
    return st.one_of(
        pair.map(lambda ab: ab[0] + ab[1]),
        pair.map(lambda ab: ab[0] - ab[1]),
        pair.map(lambda ab: ab[0] * ab[1]),
        pair.map(lambda ab: smax(*ab)),
        pair.map(lambda ab: smin(*ab)),
        st.tuples(children, st.sampled_from([-3, 2, 3, 7, N, H + 2])).map(lambda ab: ab[0] // ab[1]),
        st.tuples(children, st.sampled_from([2, 5, W])).map(lambda ab: ab[0] % ab[1]),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.lists(st.recursive(LEAVES, combine, max_leaves=8), min_size=3, max_size=8))
def test_random_expressions(dims: list[Dim]) -> None:
    try:
        small = all(abs(evaluate(dim, env)) < 1 << 62 for dim in dims for env in SIZES)
    except DimError:
        return
    if small:
        check({"x": (N, H, W)}, dims, SIZES)


def test_shared_expressions_are_computed_once() -> None:
    half = (H - 1) // 2 + 1
    net = net_of({"x": (N, H, W)}, [half, half * W, N, H, half + 1, half * W])
    counts = Counter(node.op_type for node in to_model_proto(net.graph).graph.node)
    assert counts["Shape"] == 3
    assert counts["Div"] == 1
    assert counts["Mul"] == 1


def test_known_sizes_are_constants() -> None:
    proto = to_model_proto(net_of({"x": (2, 3)}, [4, 5]).graph)
    assert {node.op_type for node in proto.graph.node} == {"Identity"}


SOLVED: list[tuple[dict[str, tuple[Dim, ...]], list[dict[str, int]]]] = [
    ({"x": (N, 2 * K)}, [{"N": 3, "K": 1}, {"N": 1, "K": 9}]),
    ({"x": (N, 3 * K + 4)}, [{"N": 3, "K": 1}, {"N": 1, "K": 9}]),
    ({"x": (2 * K + H, 1), "y": (1, H)}, [{"H": 3, "K": 1}, {"H": 1, "K": 9}]),
    ({"x": (12 - K, H)}, [{"H": 3, "K": 1}, {"H": 1, "K": 9}]),
    ({"x": (H // 2 + K, H)}, [{"H": 3, "K": 1}, {"H": 1, "K": 9}]),
]


@pytest.mark.parametrize(("inputs", "sizes"), SOLVED, ids=[str(row[0]) for row in SOLVED])
def test_symbols_that_are_on_no_axis_alone(inputs: dict[str, tuple[Dim, ...]], sizes: list[dict[str, int]]) -> None:
    check(inputs, [K, K * K + 1], sizes)


@pytest.mark.parametrize("axis", [K * K, K // 2, K + H, smax(K, 3), K * H])
def test_symbols_that_cannot_be_read(axis: Expr) -> None:
    with pytest.raises(DlspecError, match=r"the size K cannot be read") as caught:
        build(net_of({"x": (N, axis)}, [K]).graph)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.hint == "give an input an axis that is this size alone"
