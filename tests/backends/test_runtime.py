"""Running models, and what is said where that does not work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handmade import Net

from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes, write
from dlspec.backends.runtime import RunError, Session, make_inputs, run
from dlspec.ir.condition import Condition
from dlspec.ir.dims import symbol
from dlspec.ops.combine import Concat
from dlspec.pipeline import elaborate, open_source
from dlspec.source import Source

N, H = symbol("N"), symbol("H")


def net(dtype: str = "float") -> Net:
    made = Net({"a": (N, H), "b": (N, 3)}, dtype)
    made.output("twice", made.add("twice", Concat(0), made.inputs["a"], made.inputs["a"]))
    made.output("b2", made.add("b2", Concat(0), made.inputs["b"], made.inputs["b"]))
    made.graph.symbols = {"N": None, "H": 4}
    return made


A, B = np.ones((2, 4), np.float32), np.ones((2, 3), np.float32)
MODEL = to_bytes(build(net().graph))


def test_bytes_and_files_run(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    write(build(net().graph), path)
    for given in (MODEL, path, str(path)):
        outputs = run(given, {"a": A, "b": B})
        assert list(outputs) == ["twice", "b2"]
        np.testing.assert_array_equal(outputs["twice"], np.concatenate([A, A]))


def test_time() -> None:
    seconds = Session(MODEL).time({"a": A, "b": B}, runs=3)
    assert len(seconds) == 3
    assert all(0 < each < 1 for each in seconds)


@pytest.mark.parametrize(
    ("inputs", "message", "hint"),
    [
        ({"a": A}, "the input `b` is missing", "there is a, b"),
        ({"a": A, "b": B, "bb": B}, "the model has no input `bb`", "did you mean `b`?"),
        ({"a": A, "b": B.astype(np.float64)}, "the input `b` is float64, and the model takes float32", ""),
        ({"a": A, "b": A}, "the input `b` has the shape [2, 4], and the model takes [N, 3]", ""),
        ({"a": A[0], "b": B}, "the input `a` has the shape [4], and the model takes [N, H]", ""),
    ],
)
def test_inputs_that_do_not_fit(inputs: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(RunError) as caught:
        run(MODEL, inputs)
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("provider", "message", "hint"),
    [
        ("tpu-v5", "there is no provider `tpu-v5`", "there is cpu, cuda, tensorrt, rocm, coreml, directml, openvino"),
        ("cdua", "there is no provider `cdua`", "did you mean `cuda`?"),
        ("rocm", "this onnxruntime has no provider `rocm`", "there is cpu"),
    ],
)
def test_providers_that_are_not_there(provider: str, message: str, hint: str) -> None:
    with pytest.raises(RunError) as caught:
        run(MODEL, {"a": A, "b": B}, provider)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_provider_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime as ort

    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    with pytest.raises(RunError, match=r"could not start the provider cuda"):
        Session(MODEL, "cuda")


def test_models_that_cannot_be_loaded(tmp_path: Path) -> None:
    for broken in (b"nothing", tmp_path / "missing.onnx"):
        with pytest.raises(RunError, match="cannot load the model"):
            Session(broken)


def test_without_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RunError, match="needs ONNX Runtime") as caught:
        Session(MODEL)
    assert caught.value.hint == "pip install dlspec[run]"


def test_inputs_are_made_up() -> None:
    graph = net().graph
    made = make_inputs(graph, {"N": 5})
    assert {name: (array.dtype.name, array.shape) for name, array in made.items()} == {
        "a": ("float32", (5, 4)), "b": ("float32", (5, 3))
    }  # fmt: skip
    again, other = make_inputs(graph, {"N": 5}), make_inputs(graph, {"N": 5}, seed=1)
    np.testing.assert_array_equal(made["a"], again["a"])
    assert not np.array_equal(made["a"], other["a"])
    assert make_inputs(graph, {"H": 9})["a"].shape == (1, 9), "a batch counts as one"


@pytest.mark.parametrize("dtype", ["int64", "int32", "bool", "float64"])
def test_inputs_of_other_types(dtype: str) -> None:
    made = make_inputs(net(dtype).graph, {"N": 50})["a"]
    assert made.dtype.name == dtype
    if dtype != "float64":
        assert sorted({int(value) for value in made.ravel()}) == [0, 1]


def test_sizes_that_are_missing_or_break_a_precondition() -> None:
    graph = net().graph
    graph.symbols["H"] = None
    with pytest.raises(RunError, match=r"`a: float\[N, H\]` has no known size") as caught:
        make_inputs(graph, {"N": 2})
    assert caught.value.hint == "use --size H=..."
    graph.conditions = (Condition.congruent(H, 4),)
    with pytest.raises(RunError, match="Net needs H % 4 == 0, and H = 6"):
        make_inputs(graph, {"N": 2, "H": 6})
    assert make_inputs(graph, {"N": 2, "H": 8})["a"].shape == (2, 8)


def test_integers_are_among_the_classes_that_the_network_knows() -> None:
    text = """network A(x: float[N, T, 8], word: int[N], start: int[], place: int[K], other: int[N]) -> y, z, w, v {
        y = word -> Embedding(50, 4)
        z = narrow(x, 1, start, 3)
        w = x[:, place]
        v = other + 1
    }"""
    net = elaborate(open_source(Source("a.dlspec", text)), "A")
    drawn = make_inputs(net, {"N": 200, "T": 4, "K": 100})
    assert set(drawn["word"]) <= set(range(50))
    assert len(set(drawn["word"])) > 40
    assert set(drawn["place"]) == set(range(4))
    assert int(drawn["start"]) in (0, 1)
    assert set(drawn["other"]) == {0, 1}
    make_inputs(net, {"N": 1, "T": 3, "K": 1})
