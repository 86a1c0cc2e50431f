"""`grad` in ONNX: the rules over the tables of operators against torch.autograd, derivatives of derivatives, and what has
no derivative."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from harness import Array, Case, infer, onnx_session, shape_of, single_node_graph, tables, torch_module, weights_of
from tests.backends.penalties import PENALTIES
from tests.elaborate.specs import graph_of
from torch import Tensor

from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes, to_model_proto
from dlspec.backends.runtime import Session, make_inputs
from dlspec.backends.torch.session import TorchSession
from dlspec.backends.verify import verify
from dlspec.diagnostics import DlspecError
from dlspec.ir.evaluation import substitute
from dlspec.ir.graph import Graph, Output
from dlspec.ir.node import Node, Value
from dlspec.ir.op import Op, Types
from dlspec.ir.types import DType, TensorType
from dlspec.ops.combine import Add, Mul
from dlspec.ops.gradient import Grad, cuts
from dlspec.ops.loss import Loss
from dlspec.ops.reduce import Sum
from dlspec.passes.derivatives.registry import FORMULAS, RULES
from dlspec.passes.gradients import differentiated
from dlspec.passes.noise_inputs import noise_ranges
from dlspec.passes.objective import objectives
from dlspec.passes.retype import converted_weights, with_dtype
from dlspec.pipeline import elaborate_training, open_program


def has_rule(op: Op) -> bool:
    return type(op) in RULES or type(op) in FORMULAS


CASES: list[tuple[str, Case]] = [
    (name, row)
    for name, row in tables("CASES")
    if has_rule(row.op) and row.types[0].dtype.is_float and not cuts(single_node_graph(row.op, row.types).nodes[0])
]
FORMS_OF_SIZES = {f"{name}-numbers": (row, False) for name, row in CASES} | {
    f"{name}-symbols": (row, True) for name, row in CASES if row.sizes
}
SPECS = Path(__file__).parents[2] / "specs"
FORMS = (
    "with windows that differ in size",
    "that follows from open sizes",
    "that does not repeat each element",
    "which takes a diagonal",
    "that gives its weights",
    "by products",
    "along an open size",
)
"""What is said of forms of an operator that have no derivative, where others have."""


def append(graph: Graph, op: Op, *inputs: Value) -> Value:
    types, _ = infer(op, tuple(value.type for value in inputs))
    name = f"{type(op).__name__}{len(graph.nodes)}"
    graph.nodes.append(Node(op, inputs, (), graph.root, name, graph.root.span, types))
    return graph.nodes[-1].outputs[0]


def projected(graph: Graph, values: list[Value]) -> Value:
    """The sum of products with further inputs, one for each value: what is differentiated, in a direction."""
    parts: list[Value] = []
    for value in values:
        direction = Value(f"input{len(graph.inputs)}", value.type, None, value.span)
        graph.inputs.append(direction)
        parts.append(append(graph, Sum(), append(graph, Mul(), value, direction)))
    return append(graph, Add(), *parts) if len(parts) > 1 else parts[0]


def differentiable(op: Op, count: int) -> int:
    """How many of the inputs torch differentiates by: all but the weights of losses."""
    return sum(not name.endswith("?") for name in op.tensors) if isinstance(op, Loss) else count


def floats(values: Any) -> list[Value]:
    return [value for value in values if value.type.dtype.is_float]


def with_gradients(op: Op, types: Types, order: int) -> Graph:
    """The gradients of an operator's outputs, in a direction, by its inputs, as outputs; or those of these gradients."""
    graph = single_node_graph(op, types)
    of, values = floats(graph.inputs[: differentiable(op, len(types))]), floats(graph.nodes[0].outputs)
    for _ in range(order):
        total = projected(graph, values)
        values = [append(graph, Grad(), total, x) for x in of]
    graph.outputs = [Output(f"output{index}", value, False) for index, value in enumerate(values)]
    return graph


def autograd(
    module: Callable[..., Any], arrays: list[Array], count: int, directions: list[list[Array]]
) -> list[Tensor]:
    """The same in torch, by the first inputs, so many."""
    inputs = [torch.from_numpy(array.copy()) for array in arrays]
    of = [x.requires_grad_() for x in inputs[:count] if x.is_floating_point()]
    result = module(*inputs)
    values = [y for y in (result if isinstance(result, tuple | list) else (result,)) if y.is_floating_point()]
    for step in directions:
        total = sum((y * torch.from_numpy(d)).sum() for y, d in zip(values, step, strict=True))
        if not isinstance(total, Tensor) or not total.requires_grad:
            return [torch.zeros_like(x) for x in of]
        values = list(torch.autograd.grad(total, of, create_graph=True, materialize_grads=True))
    return values


def compare(graph: Graph, session: Session, row: Case, module: Callable[..., Any], sizes: dict[str, int], order: int):
    types = tuple(
        TensorType(value.type.dtype, tuple(substitute(dim, sizes) for dim in value.type.shape))
        for value in graph.inputs
    )
    count = len(row.inputs)
    arrays = row.arrays(types[:count])
    if order == 2:  # given values may stand at a kink, where a slope has no slope
        given = [item.values is not None and item.dtype.startswith("float") for item in row.given]
        arrays = [
            np.asarray(array * array.dtype.type(0.97) + array.dtype.type(0.01)) if moved else array
            for moved, array in zip(given, arrays, strict=True)
        ]
    draw = np.random.default_rng(7)
    rest = [draw.uniform(0.5, 1.5, shape_of(type)).astype(type.dtype.label) for type in types[count:]]
    ours = list(session.run({v.name: a for v, a in zip(graph.inputs, [*arrays, *rest], strict=True)}).values())
    many = len(rest) - (order - 1) * len(ours)
    directions = [rest[:many], *([rest[many:]] if order == 2 else [])]
    try:
        values = autograd(module, arrays, differentiable(row.op, count), directions)
    except RuntimeError as error:
        if (order == 2 and "is not implemented" in str(error)) or "returned an invalid gradient" in str(error):
            pytest.skip(str(error))
        raise
    theirs = [value.detach().numpy(force=True) for value in values]
    assert len(ours) == len(theirs)
    finite = [np.isfinite(their) for their in theirs]
    assert any(mask.any() for mask in finite), "PyTorch itself gives NaN: choose other inputs"
    rtol, atol = max(1e-4, 2 * row.tolerance[0]), max(3e-5, 2 * row.tolerance[1])
    for our, their, mask in zip(ours, theirs, finite, strict=True):
        scale = max(1.0, float(np.abs(their[mask]).max(initial=0)))
        np.testing.assert_allclose(our[mask], their[mask], rtol=rtol, atol=atol * scale)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("row", "symbolic"), FORMS_OF_SIZES.values(), ids=FORMS_OF_SIZES)
def test_rules_are_torchs_derivatives(row: Case, symbolic: bool, order: int) -> None:
    graph = with_gradients(row.op, row.symbolic_types if symbolic else row.types, order)
    weights = weights_of(graph)
    try:
        session = onnx_session(graph, weights)
    except DlspecError as error:
        if any(form in error.diagnostics[0].message for form in FORMS):
            return
        raise
    module = torch_module(row, weights)
    _, requirements = infer(row.op, row.symbolic_types if symbolic else row.types)
    for sizes in (row.sizes, row.other_sizes(requirements)) if symbolic else ({},):
        compare(graph, session, row, module, sizes, order)


# Networks

NETWORKS = {
    "penalties": PENALTIES,
    "weights": """
network Net(x: float[N, 2, H, W]) -> slope, curve where H >= 5, W >= 5 {
    param w: float[4, 1, 3, 3] = normal(0, 0.5)
    h = silu(conv(x, w, stride=2, padding=[[1, 0], [2, 1]], groups=2))
    y = conv_transpose(h, sigmoid(w[:, :, :2, :]), stride=3, dilation=2)
    slope = grad(tanh(y), w)
    curve = grad(sum(slope ** 2), x)
}
""",
    "layers": """
network Net(x: float[N, 4, H, W]) -> slope, curve where H >= 6, W >= 6 {
    h = x -> Conv(6, 3, stride=2, padding=1) -> BatchNorm -> LeakyReLU(0.2) -> Dropout(0.3)
    h = h -> ConvTranspose(4, 4, stride=2, padding=1) -> InstanceNorm -> GELU
    y = h -> GroupNorm(2) -> AvgPool(2) -> GlobalAvgPool -> Flatten -> LayerNorm -> Linear(3) -> Softplus
    slope = grad(y, x)
    curve = grad(norm(slope, dim=1), x)
}
""",
    "samples": """
network Net(x: float[N = 4, 3, 8, 8], label: int[N]) -> slope, twice {
    size = x.batch // 2
    groups = reshape(x, [2, size, 3, 8, 8])
    spread = mean(sqrt(var(groups, 0, correction=0) + 1e-3), [1, 2, 3])
    joined = [x, expand(reshape(tile(spread, [2]), [x.batch, 1, 1, 1]), [x.batch, 1, 8, 8])] -> Concat
    logits = joined -> Upsample(scale_factor=2) -> Conv(4, 3, padding=1) -> MaxPool(2) -> Flatten -> Linear(5)
    slope = grad(log_softmax(logits, 1) * cast(one_hot(label, 5), "float"), x)
    twice = grad(sum(slope ** 2) + sum(detach(slope) * x), x)
}
""",
    "flat": "network Net(x: float[N, 3]) -> y { grad(sum(grad(sum(relu(x)), x) * x), x) + grad(grad(relu(x), x), x) }",
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_agree_with_pytorch(name: str) -> None:
    graph = graph_of(NETWORKS[name])
    onnx.checker.check_model(to_model_proto(graph), full_check=True)
    report = verify(graph)
    assert report.faults == []
    assert all(row.compared for row in report.rows)


TRAINS = {
    ("wgan", "TrainDenseWGANGP"): {},
    ("wgan", "TrainDigitWGANGP"): {"features": 8},
    ("wgan", "TrainPoints"): {},
    ("progan", "TrainProGAN"): {"widest": 32},
    ("stylegan", "TrainStyleGAN"): {"widest": 32},
}


@pytest.mark.parametrize(("file", "train"), TRAINS, ids=[train for _, train in TRAINS])
def test_shipped_objectives_agree_with_pytorch(file: str, train: str) -> None:
    """With the same noise, whole and without what hides the gradient: the terms beside it are much larger."""
    made = elaborate_training(open_program(SPECS / f"{file}.dlspec"), train, TRAINS[file, train])
    graph = objectives(made, "judge")
    report = verify(graph, ranges=noise_ranges(made.graph))
    assert report.faults == []
    (slope,) = [node.outputs[0] for node in graph.nodes if isinstance(node.op, Grad)]
    graph.outputs.append(Output("slope", slope, False))
    report = verify(graph, ranges=noise_ranges(made.graph))
    assert report.faults == []
    assert {row.output for row in report.rows if row.compared > 1} == {"slope"}


# What there is to say of it


def test_the_graph_stays_as_it_is() -> None:
    graph = graph_of(PENALTIES)
    before = [repr(node) for node in graph.nodes], list(graph.root.children)
    names = [node.name for node in differentiated(graph).nodes]
    assert (before[0], before[1]) == ([repr(node) for node in graph.nodes], graph.root.children)
    assert len(set(names)) == len(names)
    assert {"grad.leaky_relu", "grad.conv_transpose"} & set(names)
    plain = graph_of("network Net(x: float[N, 3]) -> y { tanh(x) }")
    assert differentiated(plain) is plain


ROOT = """
block Slope {{ grad(mean(cholesky(x)), x) }}
network Net(x: float[N, 3, 3]) -> y, z{} {{
    y = tanh(x)
    z = x -> Slope
}}
"""


def test_what_has_no_derivative_is_named_with_its_place() -> None:
    with pytest.raises(DlspecError) as caught:
        build(graph_of(ROOT.format("")))
    (found,) = caught.value.diagnostics
    assert (found.code, found.span.text) == ("DL0501", "grad(mean(cholesky(x)), x)")
    assert found.message == "ONNX has no gradients, and there is no derivative of Cholesky to write instead"
    assert [(note.span.text, note.text) for note in found.notes] == [("cholesky(x)", "Cholesky is on the way")]
    assert [note.span.text for note in found.trace] == ["Slope"]
    assert found.hint
    build(graph_of(ROOT.format(": training")))


def test_what_is_beside_the_way_needs_no_derivative() -> None:
    body = "a = x -> AdaptiveMaxPool(3)\n    b = prod(x)\n    c = tanh(x)\n    grad(c, x) * b + mean(a)"
    assert verify(graph_of(f"network Net(x: float[N, 3, 8]) -> y {{\n    {body}\n}}")).faults == []


@pytest.mark.parametrize("opset", [13, 17, 23])
def test_other_opsets(opset: int) -> None:
    graph = graph_of(PENALTIES)
    inputs = make_inputs(graph, {"N": 2})
    newest = Session(to_bytes(build(graph))).run(inputs)
    for name, values in Session(to_bytes(build(graph, opset=opset))).run(inputs).items():
        np.testing.assert_allclose(values, newest[name], rtol=1e-5)


@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT16])
def test_other_element_types(dtype: DType) -> None:
    graph = graph_of("network Net(x: float[N, 3]) -> y { grad(x -> Linear(4) -> Softplus -> Linear(1), x) }")
    made = with_dtype(graph, dtype)
    x = make_inputs(graph, {"N": 2})["x"]
    weights = weights_of(graph)
    (plain,) = Session(to_bytes(build(graph, weights=weights))).run({"x": x}).values()
    model = build(made, weights=converted_weights(weights, made))
    (ours,) = Session(to_bytes(model)).run({"x": x.astype(dtype.label)}).values()
    assert ours.dtype == dtype.label
    np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=2e-4 if dtype is DType.FLOAT16 else 1e-7)


def test_both_sessions_run_gradients() -> None:
    graph = graph_of(PENALTIES)
    inputs = make_inputs(graph, {"N": 2})
    theirs = TorchSession(graph).run(inputs)
    for name, values in Session(to_bytes(build(graph))).run(inputs).items():
        np.testing.assert_allclose(values, theirs[name], rtol=1e-4)
