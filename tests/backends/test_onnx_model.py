"""What a model is made of: names, types, what is left out, and what cannot be written."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from handmade import SPAN, Net
from onnx_shapes import check_observed, check_shapes

from dlspec import __version__
from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.model import IR_VERSIONS, build
from dlspec.backends.onnx.registry import lowers
from dlspec.backends.onnx.write import to_bytes, to_model_proto
from dlspec.backends.runtime import run
from dlspec.backends.weights import draw
from dlspec.diagnostics import DlspecError
from dlspec.ir.condition import Condition
from dlspec.ir.dims import symbol
from dlspec.ir.init import data
from dlspec.ir.node import Node
from dlspec.ir.op import Needs, Op, Types
from dlspec.ir.scope import Scope
from dlspec.ir.types import DType, TensorType
from dlspec.ops.activation import ReLU
from dlspec.ops.combine import Add
from dlspec.ops.constant import Param, Size
from dlspec.ops.conv import Conv
from dlspec.ops.dropout import Dropout, Identity
from dlspec.ops.linear import Linear
from dlspec.ops.norm import BatchNorm
from dlspec.ops.random import Normal
from dlspec.ops.shape import Flatten

N, H, W = symbol("N"), symbol("H"), symbol("W")


def small() -> Net:
    """Two convolutions with a residual, and a head that training has beside it."""
    net = Net({"image": (N, 3, H, W), "target": (N, 5)})
    stem = net.add("stem", Conv(4, 3, stride=2, padding=1), net.inputs["image"])
    norm = net.add("block.norm", BatchNorm(), stem)
    relu = net.add("block.relu", ReLU(), norm)
    join = net.add("block.add", Add(), net.add("block.conv", Conv(4, 3, padding=1), relu), stem)
    net.add("unused", Conv(9, 1), join)
    aux = net.add("aux", Conv(2, 1), join, training=True)
    loss = net.add("loss", Linear(5), net.inputs["target"], training=True)
    net.output("features", net.add("drop", Dropout(), join))
    net.output("aux", aux, training=True)
    net.output("loss", loss, training=True)
    return net


def outputs_of(proto: onnx.ModelProto) -> list[str]:
    return [name for node in proto.graph.node for name in node.output]


def values_of(net: Net, **inputs: Any) -> dict[str, Any]:
    return run(to_bytes(build(net.graph)), inputs)


def test_names_are_those_of_the_source() -> None:
    net = small()
    net.graph.conditions = (Condition.at_least(H, 3), Condition.congruent(W, 2))
    proto = to_model_proto(net.graph)
    onnx.checker.check_model(proto, full_check=True)
    assert (proto.producer_name, proto.producer_version, proto.ir_version) == ("dlspec", __version__, 10)
    assert [(o.domain, o.version) for o in proto.opset_import] == [("", 22)]
    shape = "float[N, 4, (H - 1) // 2 + 1, (W - 1) // 2 + 1]"
    assert proto.doc_string == f"Net(image: float[N, 3, H, W]) -> features: {shape}"
    assert {p.key: p.value for p in proto.metadata_props} == {"dlspec.preconditions": "H >= 3, W % 2 == 0"}
    assert (
        onnx.printer.to_text(proto.graph)
        .splitlines()[0]
        .startswith('Net (float[N,3,H,W] image) => (float[N,4,"(H - 1) // 2 + 1","(W - 1) // 2 + 1"] features)')
    )
    assert [node.name for node in proto.graph.node] == [
        "stem",
        "block.norm",
        "block.relu",
        "block.conv",
        "block.add",
        "output/features",
    ]
    assert [node.output[0] for node in proto.graph.node][:-1] == [
        "stem",
        "block.norm",
        "block.relu",
        "block.conv",
        "block.add",
    ]
    assert [tensor.name for tensor in proto.graph.initializer] == [
        "stem.weight", "stem.bias", "block.norm.weight", "block.norm.bias", "block.norm.running_mean",
        "block.norm.running_var", "block.conv.weight", "block.conv.bias",
    ]  # fmt: skip
    assert [value.name for value in proto.graph.value_info] == [
        "stem", "block.norm", "block.relu", "block.conv", "block.add"
    ]  # fmt: skip


def test_without_preconditions_there_is_no_metadata() -> None:
    assert not to_model_proto(small().graph).metadata_props


def test_an_input_that_nothing_uses_stays() -> None:
    net = Net({"x": (2, 3), "other": (4,)})
    net.output("y", net.add("relu", ReLU(), net.inputs["x"]))
    assert [value.name for value in to_model_proto(net.graph).graph.input] == ["x", "other"]


def test_shapes_are_onnxs() -> None:
    net = small()
    model = build(net.graph)
    symbolic = check_shapes(model)
    assert not symbolic.differences
    assert symbolic.equal == 5 * 2  # ONNX knows N and the channels; of the convolutions' H and W nothing
    for sizes in ({"N": 2, "H": 9, "W": 12}, {"N": 1, "H": 4, "W": 5}):
        image = np.ones((sizes["N"], 3, sizes["H"], sizes["W"]), np.float32)
        real = check_observed(model, {"image": image}, sizes)
        assert not real.differences
        assert real.equal == 5 * 4


def test_a_wrong_shape_is_noticed() -> None:
    net = small()
    model = build(net.graph)
    stem = net.graph.nodes[0].outputs[0]
    stem.type = TensorType(DType.FLOAT32, (N, 5, H, W))
    assert check_shapes(model).differences == ["stem: float[N, 5, H, W], and ONNX infers 4 for 5"]
    image = np.ones((1, 3, 8, 8), np.float32)
    assert len(check_observed(model, {"image": image}, {"N": 1, "H": 8, "W": 8}).differences) == 1


@pytest.mark.parametrize("opset", IR_VERSIONS)
def test_opsets(opset: int) -> None:
    net = small()
    proto = onnx.load_model_from_string(to_bytes(build(net.graph, opset=opset)))
    onnx.checker.check_model(proto, full_check=True)
    assert [entry.version for entry in proto.opset_import] == [opset]
    image = np.random.default_rng(0).standard_normal((2, 3, 9, 12), np.float32)
    expected = values_of(net, image=image)["features"]
    np.testing.assert_array_equal(run(proto.SerializeToString(), {"image": image})["features"], expected)


def test_what_draws_numbers_is_written_for_onnx_runtime() -> None:
    """It has RandomNormal up to opset 21 only; who asks for another gets it."""
    net = Net({"x": (2, 3)})
    net.output("y", net.add("add", Add(), net.inputs["x"], net.add("noise", Normal((2, 3)))))
    assert to_model_proto(net.graph).opset_import[0].version == 21
    assert to_model_proto(net.graph, opset=22).opset_import[0].version == 22
    x = np.zeros((2, 3), np.float32)
    assert np.unique(values_of(net, x=x)["y"]).size == 6


@pytest.mark.parametrize("opset", [12, max(IR_VERSIONS) + 1])
def test_opsets_that_cannot_be_written(opset: int) -> None:
    with pytest.raises(ValueError, match=f"opset {opset} cannot be written"):
        build(small().graph, opset=opset)


def test_ir_versions_are_the_oldest_that_have_the_opset() -> None:
    by_opset: dict[int, int] = {}
    for _, ir_version, opset, *_ in onnx.helper.VERSION_TABLE:
        by_opset[opset] = min(ir_version, by_opset.get(opset, ir_version))
    assert {opset: by_opset[opset] for opset in IR_VERSIONS} == IR_VERSIONS


# Outputs


def test_outputs_that_are_the_same_tensor_an_input_or_a_weight() -> None:
    net = Net({"x": (2, 3)})
    x = net.inputs["x"]
    relu = net.add("relu", ReLU(), x)
    kept = net.add("kept", Identity(), net.add("drop", Dropout(), relu))
    scale = net.add("scale", Param("scale", (2,), data((1.5, 2.5))))
    for name, value in {"a": relu, "b": kept, "c": relu, "d": x, "scaled": scale, "x": x}.items():
        net.output(name, value)
    onnx.checker.check_model(to_model_proto(net.graph), full_check=True)
    array = np.array([[1, -2, 3], [-4, 5, -6]], np.float32)
    outputs = values_of(net, x=array)
    positive = np.maximum(array, 0)
    for name, expected in {"a": positive, "b": positive, "c": positive, "d": array, "x": array}.items():
        np.testing.assert_array_equal(outputs[name], expected)
    np.testing.assert_array_equal(outputs["scaled"], np.array([1.5, 2.5], np.float32))


def test_tensors_get_out_of_the_way_of_inputs_and_outputs() -> None:
    net = Net({"x": (2, 3)})
    first = net.add("y", ReLU(), net.inputs["x"])
    second = net.add("x", Add(), first, net.inputs["x"])
    net.output("y", net.add("z", Add(), second, first))
    outputs = values_of(net, x=np.full((2, 3), -1, np.float32))
    np.testing.assert_array_equal(outputs["y"], np.full((2, 3), -1, np.float32))
    assert outputs_of(to_model_proto(net.graph)) == ["y:2", "x:2", "y"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("x", "an input and an output that are both called `x`"), ("fc.weight", "a weight and an output")],
)
def test_names_that_onnx_cannot_tell_apart(name: str, message: str) -> None:
    net = Net({"x": (2, 3)})
    net.output(name, net.add("fc", Linear(3), net.inputs["x"]))
    with pytest.raises(DlspecError, match=message) as caught:
        build(net.graph)
    assert caught.value.diagnostics[0].code == "DL0502"


def test_a_network_without_outputs_at_inference() -> None:
    net = Net({"x": (2, 3)})
    net.output("loss", net.add("fc", Linear(3), net.inputs["x"], training=True), training=True)
    with pytest.raises(DlspecError, match="Net has no output at inference"):
        build(net.graph)


def test_a_shared_layer_is_one_weight() -> None:
    net = Net({"x": (2, 3)})
    once = net.add("fc", Linear(3, bias=False), net.inputs["x"])
    net.output("y", net.add("fc", Linear(3, bias=False), once, name="fc:2"))
    proto = to_model_proto(net.graph)
    assert [tensor.name for tensor in proto.graph.initializer] == ["fc.weight"]
    weight = draw(net.graph.parameters["fc.weight"]).T
    x = np.ones((2, 3), np.float32)
    np.testing.assert_allclose(values_of(net, x=x)["y"], x @ weight @ weight, rtol=1e-5)


def test_sizes_as_numbers() -> None:
    net = Net({"x": (N, H)})
    for name, op in {"plain": Size(H), "half": Size((H - 1) // 2 + N, DType.INT64), "known": Size(7)}.items():
        net.output(name, net.add(name, op))
    outputs = values_of(net, x=np.zeros((3, 10), np.float32))
    assert {name: (array.dtype.name, array.tolist()) for name, array in outputs.items()} == {
        "plain": ("float32", 10.0), "half": ("int64", 7), "known": ("float32", 7.0)
    }  # fmt: skip


# Weights that are given


def test_given_weights() -> None:
    net = Net({"x": (2, 3)})
    net.output("y", net.add("fc", Linear(4), net.add("norm", BatchNorm(), net.inputs["x"])))
    weights = {path: draw(parameter, seed=5) for path, parameter in net.graph.parameters.items()}
    assert to_bytes(build(net.graph, weights=weights)) == to_bytes(build(net.graph, seed=5))
    del weights["norm.num_batches_tracked"]  # no inference needs it
    assert to_bytes(build(net.graph, weights=weights)) == to_bytes(build(net.graph, seed=5))
    del weights["fc.bias"]
    weights["fc.weight"] = weights["fc.weight"].T
    with pytest.raises(DlspecError) as caught:
        build(net.graph, weights=weights)
    assert [d.code for d in caught.value.diagnostics if d.severity.value == "error"] == ["DL0604", "DL0602"]


def test_weights_in_another_layout_are_written_right() -> None:
    net = Net({"x": (2, 3)})
    net.output("y", net.add("fc", Linear(3, bias=False), net.inputs["x"]))
    weight = np.arange(9, dtype=np.float32).reshape(3, 3)
    expected = to_bytes(build(net.graph, weights={"fc.weight": weight}))
    for same in (weight.T.copy().T, weight.astype(">f4")):
        assert to_bytes(build(net.graph, weights={"fc.weight": same})) == expected


# What cannot be written


class Unknown(Op):
    """An operator that ONNX has no lowering of."""

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return inputs[0]


class Recent(Op):
    """An operator that needs a recent opset."""

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return inputs[0]


@lowers(Recent)
def recent(e: Emitter, op: Recent, node: Node, xs: list[str], ws: list[str]) -> str:
    e.require_opset(20, "Recent")
    return e.op("Neg", xs)


def test_everything_that_cannot_be_written_is_reported() -> None:
    net = Net({"x": (2, 3)})
    block = Scope("block", net.graph.root, SPAN, label="body", declaration="Bottleneck")
    one = net.add("one", Unknown(), net.inputs["x"], scope=block)
    net.output("y", net.add("two", Recent(), one))
    with pytest.raises(DlspecError) as caught:
        build(net.graph, opset=17)
    first, second = caught.value.diagnostics
    assert (first.code, first.message, first.span) == ("DL0501", "Unknown cannot be written to ONNX", SPAN)
    assert [note.text for note in first.trace] == ["in Bottleneck"]
    assert second.message == "Recent needs ONNX opset 20, and 17 was asked for"
    assert second.hint == "use --opset 20"


def test_an_operator_is_lowered_once() -> None:
    with pytest.raises(ValueError, match="Recent is lowered to ONNX twice"):
        lowers(Recent)(recent)


# The emitter


class Written(Op):
    """Writes one of everything the emitter has."""

    def infer(self, need: Needs, inputs: Types) -> Types:
        return inputs[0], inputs[0]


@lowers(Written)
def written(e: Emitter, op: Written, node: Node, xs: list[str], ws: list[str]) -> tuple[str, ...]:
    assert e.constant(1.0) == e.scalar(1, DType.FLOAT32) != e.scalar(1, DType.FLOAT64)
    assert e.constant([1, 2]) == e.shape([1, 2]) == e.constant(np.array([1, 2]))
    assert e.constant([1, 2], "int32") != e.constant([1, 2])
    assert e.dim1(5) == e.shape([5]) != e.dim(5)
    left, right = e.op("Split", [xs[0], e.constant([1, 1])], 2, axis=0)
    clipped = e.op("Clip", [left, "", e.scalar(0.5, DType.FLOAT32)])
    joined = e.op("Concat", [clipped, e.cast(e.cast(right, "int32"), DType.FLOAT32)], axis=0, nothing=None)
    return joined, joined


def test_the_emitter() -> None:
    net = Net({"x": (2, 3)})
    net.output("first", net.add("all", Written(), net.inputs["x"]))
    net.output("second", net.graph.nodes[0].outputs[1])
    proto = to_model_proto(net.graph)
    onnx.checker.check_model(proto, full_check=True)
    assert [node.name for node in proto.graph.node] == ["all/0", "all/2", "all/3", "all/4", "all", "output/second"]
    assert list(proto.graph.node[1].input)[1] == ""
    read = {name for node in proto.graph.node for name in node.input}
    assert {tensor.name for tensor in proto.graph.initializer} == read - {"", "x", *outputs_of(proto)}
    outputs = values_of(net, x=np.array([[-1, 0.25, 2], [1.7, -1.7, 0]], np.float32))
    for array in outputs.values():
        np.testing.assert_array_equal(array, np.array([[-1, 0.25, 0.5], [1, -1, 0]], np.float32))


def test_flatten_of_symbolic_sizes() -> None:
    net = Net({"x": (N, 3, H, W)})
    net.output("y", net.add("flat", Flatten(), net.inputs["x"]))
    for shape in ((2, 3, 4, 5), (1, 3, 7, 1)):
        x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        np.testing.assert_array_equal(values_of(net, x=x)["y"], x.reshape(shape[0], -1))
