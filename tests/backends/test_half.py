"""Half precision in both backends: what is kept wide, what is refused by name, and what `verify` allows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from catalogue import graph_of

from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import Session, make_inputs, not_finite
from dlspec.backends.torch import source
from dlspec.backends.torch.live import array_of, load_source, tensor_of
from dlspec.backends.torch.session import TorchSession
from dlspec.backends.verify import compare_half, verify
from dlspec.backends.weights import draw
from dlspec.diagnostics import DlspecError
from dlspec.ir.graph import Graph
from dlspec.ir.types import DType
from dlspec.passes.retype import converted_weights, numpy_dtype, with_dtype
from dlspec.pipeline import elaborate, open_source
from dlspec.source import Source

HALVES = (DType.FLOAT16, DType.BFLOAT16)


def graph(body: str, inputs: str = "x: float[N, 2, 4, 4]", outputs: str = "y") -> Graph:
    program = open_source(Source("net.dlspec", f"network Net({inputs}) -> {outputs} {{\n {body}\n}}"))
    return elaborate(program, "Net")


def weights_of(net: Graph, **given: Any) -> dict[str, Any]:
    return {path: draw(parameter) for path, parameter in net.parameters.items()} | {
        path.replace("__", "."): np.asarray(array, np.float32) for path, array in given.items()
    }


def in_onnx(net: Graph, weights: dict[str, Any], inputs: dict[str, Any], dtype: DType) -> dict[str, Any]:
    half = with_dtype(net, dtype)
    model = to_bytes(build(half, weights=converted_weights(weights, half)))
    return Session(model).run({name: array.astype(numpy_dtype(dtype)) for name, array in inputs.items()})


def in_torch(net: Graph, weights: dict[str, Any], inputs: dict[str, Any], dtype: DType) -> dict[str, Any]:
    return TorchSession(net, weights, dtype=dtype).run(inputs)


@pytest.mark.parametrize("run", [in_onnx, in_torch])
@pytest.mark.parametrize("dtype", HALVES)
def test_statistics_that_leave_the_range(run: Any, dtype: DType) -> None:
    """A variance of 497,160 is infinite in float16, and its root is 705."""
    net = graph("x -> BatchNorm")
    weights = weights_of(net)
    weights["0.running_var"] = np.asarray([497160, 497160], np.float32)
    (y,) = run(net, weights, {"x": np.full((1, 2, 4, 4), 700, np.float32)}, dtype).values()
    assert y.dtype == numpy_dtype(dtype)
    assert np.abs(y.astype(np.float64) - 700 / np.sqrt(497160)).max() <= 2 * dtype.roundoff


WIDE = {
    "softmax": ("flatten(x, 1) -> Softmax(1)", 1000.0),
    "logsumexp": ("logsumexp(x, [1, 2, 3])", 10.0),
    "mean of large ones": ("mean(x, [1, 2, 3])", 60000.0),
    "variance of large ones": ("sqrt(var(x * 100, [1, 2, 3]) * 1e-4)", 1.0),
    "layer norm": ("flatten(x, 1) -> LayerNorm", 3000.0),
    "group norm": ("x -> GroupNorm(1)", 3000.0),
    "instance norm": ("x -> InstanceNorm", 3000.0),
    "rms norm": ("flatten(x, 1) -> RMSNorm", 3000.0),
    "powers of large ones": ("x -> LPPool(4.0, 2)", 300.0),
    "powers of small ones": ("x -> LPPool(4.0, 2)", 0.01),
}


@pytest.mark.parametrize("run", [in_onnx, in_torch])
@pytest.mark.parametrize(("body", "size"), WIDE.values(), ids=WIDE)
def test_sums_stay_wide(run: Any, body: str, size: float) -> None:
    net = graph(body)
    inputs = {"x": np.random.default_rng(0).uniform(0.5, 1, (2, 2, 4, 4)).astype(np.float16).astype(np.float32) * size}
    inputs["x"] = inputs["x"].astype(np.float16).astype(np.float32)
    exact = TorchSession(net).run(inputs)["y"]
    found = run(net, weights_of(net), inputs, DType.FLOAT16)["y"].astype(np.float64)
    assert np.isfinite(found).all()
    assert np.abs(found - exact).max() <= 8 * DType.FLOAT16.roundoff * np.abs(exact).max()


UNHELD = [
    (
        "x -> Conv(2, 1)",
        {"0__weight": np.full((2, 2, 1, 1), 1e5)},
        DType.FLOAT16,
        "`0.weight` has a largest number of 100000",
    ),
    ("x -> Conv(2, 1)", {"0__weight": np.full((2, 2, 1, 1), 1e-6)}, DType.FLOAT16, "less than float16 holds with all"),
    ("x -> Conv(2, 1)", {"0__weight": np.full((2, 2, 1, 1), 1e-9)}, DType.FLOAT16, "becomes 0 in float16"),
    ("x -> Conv(2, 1)", {"0__weight": np.full((2, 2, 1, 1), 3.4e38)}, DType.BFLOAT16, "larger than bfloat16 holds"),
    ("x / (mean(x) + 1e-10)", {}, DType.FLOAT16, "1e-10 becomes 0 in float16"),
    ("where(x > 0, x, -1e9)", {}, DType.FLOAT16, "-1e+09 is larger than float16 holds"),
]


@pytest.mark.parametrize("run", [in_onnx, in_torch])
@pytest.mark.parametrize(("body", "weights", "dtype", "message"), UNHELD)
def test_what_does_not_fit_is_refused_by_name(
    run: Any, body: str, weights: dict[str, Any], dtype: DType, message: str
) -> None:
    net = graph(body)
    with pytest.raises(DlspecError) as caught:
        run(net, weights_of(net, **weights), make_inputs(net, {"N": 1}), dtype)
    (found,) = caught.value.diagnostics
    assert found.code == "DL0209"
    assert message in found.message


@pytest.mark.parametrize("run", [in_onnx, in_torch])
def test_what_fits_is_taken(run: Any) -> None:
    """Single weights may be small: beside the largest they are rounded by less than that is."""
    net = graph("x -> Conv(2, 1)")
    weights = weights_of(net, **{"0__weight": np.asarray([65504, 1e-9, 1, 1e-6]).reshape(2, 2, 1, 1)})
    assert run(net, weights, make_inputs(net, {"N": 1}), DType.FLOAT16)
    net = graph("x / (mean(x) + 1e-10)")
    assert run(net, {}, make_inputs(net, {"N": 1}), DType.BFLOAT16)


NARROW = {
    "mse": ("mse(x * 1000, x)", "x: {}[8, 4, 4]"),
    "triplet": ("triplet_margin(x * 1000, x, x * 500)", "x: {}[8, 4, 4]"),
    "logsumexp of many": ("logsumexp(x, [0, 1, 2])", "x: {}[1024, 16, 8]"),
    "response norm": ("h = x * 1000\n h -> LocalResponseNorm(3, alpha=1.0)", "x: {}[1, 8, 4, 4]"),
    "response norm in a chain": ("x * 1000 -> ReLU -> LocalResponseNorm(3, alpha=1.0) -> ReLU", "x: {}[1, 8, 4, 4]"),
}


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(("body", "inputs"), NARROW.values(), ids=NARROW)
def test_terms_that_leave_the_range_in_pytorch(body: str, inputs: str, declared: bool) -> None:
    single = graph(body, inputs.replace("{}", "float"))
    half = graph(body, inputs.replace("{}", "float16")) if declared else single
    given = make_inputs(single, {})
    exact = TorchSession(single).run(given)["y"]
    narrow = {name: array.astype(np.float16) for name, array in given.items()}
    found = TorchSession(half, dtype=None if declared else DType.FLOAT16).run(narrow)["y"]
    assert found.dtype == np.float16
    with np.errstate(over="ignore"):
        expected = exact.astype(np.float16).astype(np.float64)  # what is too large for a result stays so
    np.testing.assert_allclose(found.astype(np.float64), expected, rtol=0.005, atol=0.005)


def test_source_keeps_statistics_wide() -> None:
    text = source(graph("x -> Conv(2, 1) -> BatchNorm -> ReLU"), dtype=DType.FLOAT16)
    module = load_source(text)
    made = getattr(module, module.__all__[0])()
    kinds = {name: tensor.dtype for name, tensor in made.state_dict().items()}
    assert {kinds["0.weight"], kinds["0.bias"]} == {torch.float16}
    assert {kinds[f"1.{name}"] for name in ("weight", "bias", "running_mean", "running_var")} == {torch.float32}
    assert "module.float()" not in source(graph("x -> Conv(2, 1)"), dtype=DType.FLOAT16)


# Declared types

DECLARED = {
    "conv": ("x -> Conv(4, 3) -> BatchNorm -> ReLU", "x: {}[N, 3, 8, 8]"),
    "inside": ('x -> Cast("{}") -> Conv(4, 3) -> Cast("float")', "x: float[N, 3, 8, 8]"),
    "linear": ("softmax(x -> Linear(4), 1) * 0.5", "x: {}[N, 8]"),
    "param": ("param w: {}[8]\n x * w -> LayerNorm", "x: {}[N, 8]"),
    "scalar": ("mean(x)", "x: {}[N, 8]"),
}


@pytest.mark.parametrize("dtype", [dtype.label for dtype in HALVES])
@pytest.mark.parametrize(("body", "inputs"), DECLARED.values(), ids=DECLARED)
def test_declared_types_run_alike(body: str, inputs: str, dtype: str) -> None:
    net = graph(body.replace("{}", dtype), inputs.replace("{}", dtype))
    given = make_inputs(net, {"N": 2})
    weights = {path: draw(parameter) for path, parameter in net.parameters.items()}
    ours = Session(to_bytes(build(net, weights=weights))).run(given)["y"]
    theirs = TorchSession(net, weights).run(given)["y"]
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    scale = max(np.abs(theirs.astype(np.float64)).max(), 1)
    assert np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max() <= 4 * scale * with_label(dtype).roundoff
    assert verify(net).faults == []


def with_label(name: str) -> DType:
    return next(dtype for dtype in DType if dtype.label == name)


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
def test_bfloat16_goes_to_torch_and_back(shape: tuple[int, ...]) -> None:
    array = np.full(shape, 1.5, numpy_dtype(DType.BFLOAT16))
    tensor = tensor_of(array)
    assert tensor.dtype == torch.bfloat16
    assert tuple(tensor.shape) == shape
    back = array_of(tensor)
    assert (back.dtype, back.shape) == (array.dtype, shape)
    assert (back == array).all()


# Verified


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("network", ["resnet:ResNet18", "unet:UNet", "lenet:LeNet5", "mobilenet_v2:MobileNetV2"])
def test_shipped_networks_are_as_near_as_rounding_allows(network: str, dtype: DType) -> None:
    report = verify(graph_of(network), macs=10**8, dtype=dtype)
    assert report.faults == []
    assert report.compared


FAULTS = [
    ("y = x * 300 * 300", "not finite"),
    ("y = sqrt(x * x * 60000 + 1)", "not finite"),
    ("y = sqrt(x * x * 1e-4 * 1e-4) * 10000", "too large"),
]


@pytest.mark.parametrize(("body", "message"), FAULTS)
def test_what_half_precision_breaks_is_a_fault(body: str, message: str) -> None:
    net = graph(body + "\n y")
    assert verify(net).faults == []
    faults = verify(net, dtype=DType.FLOAT16).faults
    assert faults
    assert message in faults[0]


def test_the_bound_is_of_roundings_and_of_what_cancels() -> None:
    net = graph("x -> ReLU", "x: float[1, 4]")
    exact = np.asarray([[1.0, 2, 3, 4]])
    single = exact.astype(np.float32)
    half = exact.astype(np.float16)

    def row(ours: Any, single: Any, steps: int) -> Any:
        return compare_half(net.outputs[0], {}, False, ours, half, exact, single, DType.FLOAT16, steps)

    net.outputs[0].value.type = with_dtype(net, DType.FLOAT16).outputs[0].value.type
    u = DType.FLOAT16.roundoff
    assert row(half, single, 9).allowed == 4 * 3 * u * 4
    assert row(half, single + np.float32(1e-5), 1).allowed == pytest.approx(4 * 1e-5 * 2**13, rel=0.1)
    assert row(half, single, 1).ok
    assert not row(half + np.float16(0.02), single, 1).ok
    assert row(half + np.float16(0.02), single, 25).ok


# Said


def test_what_is_not_finite_is_said() -> None:
    assert not_finite({"y": np.ones((2, 2)), "k": np.ones(2, np.int64)}) == []
    found = not_finite({"y": np.asarray([1, np.nan, np.inf, -np.inf], np.float16)})
    assert found == ["the output `y` is not finite: 1 NaN and 2 infinite of 4 values"]


KERNELS = [
    ("x -> ReLU -> Conv(4, 3)", "no kernel of Conv for float64, which `1` needs", "Conv(4, 3)"),
    ("x -> MaxPool(2) -> Upsample(scale_factor=2)", "no kernel of Resize for float64", "Upsample(scale_factor=2)"),
    ("x -> GELU", "no kernel of Erf for an element type of Net", "Net"),
]


@pytest.mark.parametrize(("body", "message", "text"), KERNELS)
def test_a_kernel_that_onnx_runtime_lacks_is_said(body: str, message: str, text: str) -> None:
    net = graph(body, "x: float64[N, 3, 8, 8]")
    with pytest.raises(DlspecError) as caught:
        Session(to_bytes(build(net)), graph=net)
    (found,) = caught.value.diagnostics
    assert found.code == "DL0503"
    assert message in found.message
    assert found.span.text == text
    assert TorchSession(net).run(make_inputs(net, {"N": 1}))


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.BFLOAT16, DType.FLOAT64])
def test_the_least_number_is_that_of_the_type(dtype: DType) -> None:
    """`finfo(x.dtype).min` is a number while compiling; in another type it is the least of that."""
    body = "y = masked_fill(x, x > 0, finfo(x.dtype).min)\n z = where(x > 0, x, finfo(x.dtype).max)"
    text = f"network Net(x: float[N, 4]) -> y, z {{\n {body}\n}}\n"
    nodes = with_dtype(elaborate(open_source(Source("least.dlspec", text)), "Net"), dtype).nodes
    numbers = [getattr(node.op, "value", None) for node in nodes]
    assert [number for number in numbers if isinstance(number, float) and number] == [-dtype.largest, dtype.largest]
