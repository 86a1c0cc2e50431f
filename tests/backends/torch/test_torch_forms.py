"""Networks in other forms: BatchNorm folded, other element types, channels last; and the live module."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from catalogue import graph_of
from snippets import SNIPPETS
from torch import nn

import dlspec.model as models
from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import Session, make_inputs
from dlspec.backends.torch import source
from dlspec.backends.torch.live import load_source, to_module
from dlspec.backends.torch.python import names
from dlspec.backends.torch.session import TorchSession
from dlspec.backends.verify import telling, verify
from dlspec.backends.weights import draw
from dlspec.diagnostics import DlspecError
from dlspec.ir.graph import Graph
from dlspec.ir.types import DType
from dlspec.ops.norm import BatchNorm
from dlspec.passes.fold_batch_norm import fold_batch_norm, folded_weights
from dlspec.passes.retype import converted_weights, with_dtype
from dlspec.pipeline import elaborate, open_source
from dlspec.source import Source

ROOT = Path(__file__).parents[3]


def graph(text: str) -> Graph:
    program = open_source(Source("net.dlspec", text))
    return elaborate(program, list(program.networks)[-1])


def weights_of(network: Graph) -> dict[str, Any]:
    return {path: telling(parameter, 0) for path, parameter in network.parameters.items()}


def batch_norms(network: Graph) -> int:
    return sum(isinstance(node.op, BatchNorm) for node in network.inference_nodes())


FOLDS = {
    "conv": ("x -> Conv(4, 3, padding=1, bias=false) -> BatchNorm -> ReLU", 0),
    "bias": ("x -> Conv(4, 3) -> BatchNorm(eps=0.1, affine=false)", 0),
    "groups": ("x -> Conv(6, 3, groups=3) -> BatchNorm -> Conv(6, 1) -> BatchNorm", 0),
    "transposed": ("x -> ConvTranspose(4, 3, stride=2, bias=false) -> BatchNorm", 0),
    "transposed groups": ("x -> ConvTranspose(6, 3, groups=3) -> BatchNorm", 1),
    "linear": ("x -> Flatten -> Linear(5) -> BatchNorm -> Tanh", 0),
    "used twice": ("y = x -> Conv(3, 1)\n y + (y -> BatchNorm)", 1),
    "before": ("x -> BatchNorm -> Conv(4, 1)", 1),
    "of the batch": ("x -> Conv(4, 1) -> BatchNorm(track_running_stats=false)", 1),
    "shared": ("shared f = { Conv(3, 1) -> BatchNorm }\n (x -> f) + (x -> ReLU -> f)", 2),
}


@pytest.mark.parametrize(("body", "left"), FOLDS.values(), ids=FOLDS)
def test_folding_keeps_what_is_computed(body: str, left: int) -> None:
    plain = graph(f"network Net(x: float[N, 3, H = 6, 5]) -> y {{\n {body}\n}}".replace("H = 6", "6"))
    weights = weights_of(plain)
    folded, changed = fold_batch_norm(plain), folded_weights(plain, weights)
    assert batch_norms(folded) == left
    assert set(changed) == set(folded.parameters)
    assert verify(folded, weights=changed).faults == []
    image = torch.randn(2, 3, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        expected = to_module(plain, weights).eval().double()(image)
        found = to_module(folded, changed).eval().double()(image)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


PART = "block Two { a = x -> fa: Conv(3, 1) -> na: BatchNorm -> ReLU\n b = a -> fb: Conv(3, 1) -> nb: BatchNorm\n [a, b] }\n"
PARTS = {
    "shared f = Two\n a, b = x -> f\n c, _ = b -> f\n a + c": ["a, b = self.f(x)", "c, _ = self.f(b)"],
    "shared f = Two\n a, b = x -> f\n _, c = b -> f\n _, _ = c -> f\n a + c": ["a, b = self.f(x)", "_, c = self.f(b)"],
    "shared f = Two\n a, b = x -> f\n for i in range(2) { b, _ = b -> f }\n a + b": [
        "a, b = self.f(x)",
        "b, _ = self.f(b)",
        "b, _ = self.f(b)",
    ],
    "shared f = { x -> deep: Two }\n a, b = x -> f\n c, _ = b -> f\n a + c": ["a, b = self.f(x)", "c, _ = self.f(b)"],
    "x -> Two -> { x[0] }": [],  # no shared layer: only what is needed
}


@pytest.mark.parametrize(("body", "calls"), PARTS.items())
def test_folding_keeps_the_calls_of_shared_layers(body: str, calls: list[str]) -> None:
    """Where a use takes one of two results, too; a layer whose results nobody takes is not called, and not made."""
    plain = graph(f"{PART}network Net(x: float[N, 3, 6, 5]) -> y {{\n {body}\n}}")
    folded = fold_batch_norm(plain)
    text = source(folded)
    assert re.findall(r"(?:\w+, \w+ = )?self(?:\.f|\[\"0\"\])\(\w+\)", text) == calls
    changed = folded_weights(plain, weights_of(plain))
    assert set(changed) == set(folded.parameters)
    assert verify(folded, weights=changed).faults == []


def test_folding_drops_the_inputs_of_training() -> None:
    text = (
        "network Net(x: float[N, 3], label: int[N]) -> y, loss: training {{\n {}\n loss = cross_entropy(y, label)\n}}"
    )
    plain = graph(text.format("y = x -> Linear(4) -> BatchNorm"))
    folded = fold_batch_norm(plain)
    assert [value.name for value in folded.inputs] == ["x"]
    assert verify(folded, weights=folded_weights(plain, weights_of(plain))).faults == []


@pytest.mark.parametrize(
    ("network", "left"),
    [("resnet:ResNet50", 0), ("googlenet:GoogLeNet", 0), ("mobilenet_v2:MobileNetV2", 0), ("densenet:DenseNet121", 62)],
)
def test_folding_shipped_networks(network: str, left: int) -> None:
    plain = graph_of(network)
    folded = fold_batch_norm(plain)
    assert batch_norms(folded) == left
    report = verify(folded, weights=folded_weights(plain, weights_of(plain)), macs=10**8)
    assert report.faults == []
    assert "nn.BatchNorm2d" not in source(folded) or left


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.BFLOAT16])
def test_half_types_in_both_lowerings(dtype: DType) -> None:
    plain = graph_of("resnet:ResNet18", None, {"H": 64, "W": 64})
    weights = weights_of(plain)
    inputs = make_inputs(plain, {"N": 1})
    expected = TorchSession(plain, weights).run(inputs)["logits"]
    found = TorchSession(plain, weights, dtype=dtype).run(inputs)["logits"]
    assert np.abs(found.astype(np.float64) - expected).max() <= 0.05 * np.abs(expected).max()
    half = with_dtype(plain, dtype)
    model = to_bytes(build(half, weights=converted_weights(weights, half)))
    assert len(model) < 0.6 * len(to_bytes(build(plain, weights=weights)))
    if dtype is DType.FLOAT16:  # ONNX Runtime has no convolution in bfloat16 on a CPU
        onnx = Session(model).run({name: array.astype(np.float16) for name, array in inputs.items()})["logits"]
        assert onnx.dtype == np.float16
        assert np.abs(onnx.astype(np.float64) - expected).max() <= 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("network", ["resnet:ResNet18", "unet3d:UNet3D"])
def test_channels_last_computes_the_same(network: str) -> None:
    plain = graph_of(network)
    rank = plain.inputs[0].type.rank
    image = torch.randn(1, plain.inputs[0].type.shape[1], *[16] * (rank - 2))  # type: ignore[call-overload]
    with torch.no_grad():
        module = to_module(plain, channels_last=True).eval()
        found, expected = module(image), to_module(plain).eval()(image)
    weight = next(weight for weight in module.parameters() if weight.dim() == rank and weight.shape[1] > 1)
    layout = torch.channels_last if rank == 4 else torch.channels_last_3d
    assert weight.is_contiguous(memory_format=layout)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_source_in_another_form_is_formatted(tmp_path: Path) -> None:
    for network in ("resnet:ResNet18", "unet3d:UNet3D", "unet:UNetRecursive"):
        text = source(fold_batch_norm(graph_of(network)), dtype=DType.BFLOAT16, channels_last=True)
        (tmp_path / f"{network.partition(':')[2]}.py").write_text(text, encoding="utf-8")
    ruff = Path(sys.executable).with_name("ruff")
    found = subprocess.run(
        [ruff, "format", "--isolated", "--line-length", "100", "--diff", tmp_path], capture_output=True
    )
    assert found.returncode == 0, found.stdout.decode()


# The live module


def test_model_to_torch() -> None:
    model = models.load(ROOT / "specs" / "resnet.dlspec", "ResNet18", classes=7)
    module = model.to_torch(seed=3)
    assert module.training
    assert tuple(module.state_dict()["fc.weight"].shape) == (7, 512)
    parameter = model.graph.parameters["conv1.weight"]
    assert np.array_equal(module.state_dict()["conv1.weight"].numpy(), draw(parameter, 3))
    fast = model.to_torch(seed=3, optimize=True)
    assert not fast.training
    assert not any(isinstance(part, nn.BatchNorm2d) for part in fast.modules())
    image = torch.randn(1, 3, 48, 48)
    with torch.no_grad():
        assert torch.allclose(fast(image), module.eval()(image), rtol=1e-3, atol=1e-4)
        assert model.to_torch(dtype="float16").half()(image.half()).dtype == torch.float16


def test_weights_that_do_not_fit_are_refused() -> None:
    network = graph(SNIPPETS["chain"])
    weights = weights_of(network)
    del weights["0.bias"]
    with pytest.raises(DlspecError, match=r"`0\.bias` is missing"):
        to_module(network, weights)


def test_drawn_weights_are_those_of_the_spec() -> None:
    """What the constructor draws has the distributions the spec gives, so that training begins as it should."""
    network = graph(SNIPPETS["initialisers"])
    module = load_source(source(network))
    torch.manual_seed(0)
    drawn = getattr(module, module.__all__[0])().state_dict()
    for path, parameter in network.parameters.items():
        ours, theirs = draw(parameter), drawn[path].numpy()
        assert theirs.shape == ours.shape
        if parameter.elements > 30:
            assert abs(theirs.std() - ours.std()) <= 0.35 * ours.std()
        if parameter.init.kind == "constant":
            assert np.array_equal(theirs, ours)


def test_pickles_and_shows_its_source_in_tracebacks() -> None:
    module = to_module(graph(SNIPPETS["chain"]))
    assert pickle.loads(pickle.dumps(module)).state_dict().keys() == module.state_dict().keys()
    recursive = to_module(graph_of("unet:UNetRecursive"))
    try:
        recursive(torch.randn(1, 3, 17, 16))
    except ValueError:
        assert "raise ValueError(" in traceback.format_exc()
    else:
        raise AssertionError("17 is not divisible by 16")


def test_dropout_and_drop_path_follow_the_mode() -> None:
    module = to_module(graph("network Net(x: float[N, 64]) -> y { x -> Dropout(0.5) -> StochasticDepth(0.5) }"))
    ones = torch.ones(64, 64)
    assert torch.equal(module.eval()(ones), ones)
    trained = module.train()(ones)
    rows = trained.abs().sum(1) > 0
    assert 0.2 < rows.float().mean() < 0.8
    assert set(trained[rows].unique().tolist()) == {0.0, 4.0}


# Names


FROZEN = """
block Enc(norm = BatchNorm) { Linear(8) -> norm -> ReLU -> Dropout(0.5) }
network Body(x: float[N, 8]) -> y { x -> Enc }
network Inner(x: float[N, 8]) -> y {
    x -> body: freeze(Body) -> freeze(Linear(4)) -> type: freeze({ Linear(3) -> Dropout(0.1) })
        -> repeat 2 { Enc(norm=freeze(LayerNorm)) } -> Linear(2)
}
network Net(x: float[N, 8]) -> y {
    shared twice = freeze(Enc)
    x -> twice -> twice -> Enc -> "block1-0": freeze(Linear(8)) -> first: Inner
}
"""


def test_what_is_frozen_has_no_gradient_and_stays_at_inference() -> None:
    module: Any = to_module(elaborate(open_source(Source("n.dlspec", FROZEN)), "Net"))
    frozen = ["twice", "block1-0", "first.body", "first.1", "first.type", "first.3.1", "first.4.1"]

    def inside(name: str) -> bool:
        return any(f"{name}.".startswith(f"{part}.") for part in frozen)

    for mode in (True, False, True):
        module.train(mode)
        assert {n for n, part in module.named_modules() if part.training} == {
            n for n, _ in module.named_modules() if mode and not inside(n)
        }
    assert {n for n, p in module.named_parameters() if not p.requires_grad} == {
        n for n, _ in module.named_parameters() if inside(n)
    }
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    module(torch.rand(4, 8)).sum().backward()
    assert {n for n, p in module.named_parameters() if p.grad is None} == {
        n for n, _ in module.named_parameters() if inside(n)
    }
    changed = {name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {f"0.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}


def test_reserved_names_are_all_that_torch_has() -> None:
    kinds = (nn.Module, nn.Sequential, nn.ModuleDict, nn.ModuleList)
    theirs = {name for kind in kinds for name in dir(kind) if not name.startswith("_")}
    assert theirs <= names.RESERVED


def test_a_label_that_breaks_a_module_is_refused() -> None:
    network = graph("network Net(x: float[N, 2]) -> y { x -> training: Linear(3) }")
    with pytest.raises(DlspecError, match="`training` cannot name a layer in PyTorch"):
        source(network)


def test_no_text_of_a_spec_becomes_code() -> None:
    text = source(graph(SNIPPETS["hidden_text"]))
    assert "os" not in compile(text, "net.py", "exec").co_names
    functions = [node for node in compile(text, "net.py", "exec").co_consts if hasattr(node, "co_names")]
    assert not any("system" in function.co_names for function in functions)


def test_source_needs_no_torch() -> None:
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from dlspec.pipeline import elaborate, open_program\n"
        "from dlspec.backends.torch import source\n"
        "print(source(elaborate(open_program('specs/lenet.dlspec'), 'LeNet5')))\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "class LeNet5(" in found.stdout
    assert "dlspec." not in found.stdout.replace("lenet.dlspec", "")
