"""The commands that have to do with PyTorch: `compile -o net.py`, `run --backend torch`, `verify`, `weights`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from calls import Call
from safetensors.numpy import load_file, save_file

NETS = """\
block Unit(width) { Conv(width, 3, padding=1, bias=false) -> BatchNorm -> ReLU }
network Small(x: float[N, 3, H = 8, W = 8], classes = 4) -> y where H % 2 == 0 {
    x -> body: { Unit(8) -> Unit(8) } -> GlobalAvgPool -> Flatten -> fc: Linear(classes)
}
"""
TWO = NETS + "network Other(x: float[N, 3]) -> y { x -> Linear(2) }\n"


@pytest.fixture
def folder(call: Call) -> Path:
    Path("net.dlspec").write_text(NETS)
    Path("two.dlspec").write_text(TWO)
    return Path()


def module_of(path: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(compile(Path(path).read_text(), path, "exec"), names)
    return names


def test_compile_writes_source(call: Call, folder: Path) -> None:
    status, out, err = call("compile", "net.dlspec", "-o", "net.py", "--set", "classes=7")
    assert (status, err) == (0, "")
    assert re.fullmatch(r"wrote net\.py, \d+ lines\n", out)
    names = module_of("net.py")
    assert names["__all__"] == ["Small"]
    made = names["Small"]().eval()  # type: ignore[operator]
    assert made(torch.randn(2, 3, 8, 8)).shape == (2, 7)


def test_compile_writes_all_networks_of_a_file(call: Call, folder: Path) -> None:
    assert call("compile", "two.dlspec", "-o", "all.py")[0] == 0
    assert module_of("all.py")["__all__"] == ["Small", "Other"]
    assert call("compile", "two.dlspec:Other", "-o", "one.py")[0] == 0
    assert module_of("one.py")["__all__"] == ["Other"]


def test_weights_go_beside_the_source_in_its_form(call: Call, folder: Path) -> None:
    assert call("weights", "init", "net.dlspec", "-o", "w.safetensors", "--seed", "5")[0] == 0
    assert call("compile", "net.dlspec", "-o", "fast.py", "--weights", "w.safetensors", "--optimize")[0] == 0
    weights = load_file("fast.safetensors")
    assert not any("running_mean" in name for name in weights)
    made = module_of("fast.py")["Small"]().eval()  # type: ignore[operator]
    made.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()}, strict=True)
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8), np.float32)
    np.save("x.npy", x)
    out = call("run", "net.dlspec", "--weights", "w.safetensors", "--input", "x=x.npy")[1]
    first = [float(number) for number in re.findall(r"first values: (.*)", out)[0].removesuffix(", ...").split(", ")]
    with torch.no_grad():
        assert np.allclose(made(torch.from_numpy(x)).flatten()[: len(first)].numpy(), first, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", [[], ["--optimize"], ["--dtype", "float16"]])
def test_both_backends_give_the_same(call: Call, folder: Path, form: list[str]) -> None:
    values: list[list[float]] = []
    for backend, title in (("onnx", "ONNX Runtime"), ("torch", "PyTorch")):
        status, out, err = call("run", "net.dlspec", "--backend", backend, "--repeat", "1", "--device", "cpu", *form)
        assert (status, err) == (0, "")
        assert f"Small in {title} on cpu\n" in out
        found = re.findall(r"first values: (.*)", out)[0].removesuffix(", ...")
        values.append([float(number) for number in found.split(", ")])
    assert np.allclose(values[0], values[1], atol=5e-3 if "float16" in form else 1e-5)


def test_verify(call: Call, folder: Path) -> None:
    status, out, err = call("verify", "two.dlspec")
    assert (status, err) == (0, "")
    assert out.startswith("Small\nOutput ")
    assert "\nOther\n" in out
    assert re.search(r"^y +N=1, H=2, W=2 +\[1, 4\] .* 4 +ok$", out, re.MULTILINE)
    assert "params: 860 in the spec, 860 in PyTorch, 860 in ONNX\n" in out
    assert call("verify", "net.dlspec", "--optimize")[0] == 0


def test_verify_gives_both_the_same_draws(call: Call, folder: Path) -> None:
    Path("noise.dlspec").write_text("network Noise(x: float[N, 2]) -> y { x + normal([2]) }\n")
    status, out, err = call("verify", "noise.dlspec")
    assert (status, err) == (0, "")
    assert "Noise" in out


def test_weights_between_formats(call: Call, folder: Path) -> None:
    assert call("weights", "init", "net.dlspec", "-o", "a.safetensors")[0] == 0
    assert call("weights", "convert", "a.safetensors", "-o", "a.pt")[0] == 0
    assert torch.load("a.pt", weights_only=True)["fc.weight"].shape == (4, 8)
    assert call("weights", "convert", "a.pt", "-o", "b.safetensors")[0] == 0
    assert Path("a.safetensors").read_bytes() == Path("b.safetensors").read_bytes()
    out = call("weights", "list", "a.pt")[1]
    assert re.search(r"^fc\.weight +float32 \[4, 8\]$", out, re.MULTILINE)
    assert call("weights", "diff", "net.dlspec", "b.safetensors")[1] == "b.safetensors has the 14 weights of Small\n"


def test_weights_diff_shows_where_each_comes_from(call: Call, folder: Path) -> None:
    call("weights", "init", "net.dlspec", "-o", "a.safetensors")
    weights = load_file("a.safetensors")
    weights["fc.wait"] = weights.pop("fc.weight")
    weights["fc.bias"] = np.zeros(9, np.float32)
    save_file(weights, "b.safetensors")
    status, _, err = call("weights", "diff", "net.dlspec", "b.safetensors")
    assert status == 2
    assert "the weight `fc.weight` is missing" in err
    assert "`fc.wait` is among the weights" in err
    assert "`fc.bias` has the shape [9] in the weights and [4] in the spec" in err
    assert "net.dlspec:3:" in err


def test_a_pickle_that_is_no_state_dict_is_not_run(call: Call, folder: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (Path("touched"),)

    Path("evil.pt").write_bytes(pickle.dumps(Evil()))
    torch.save({"fc": [1, 2]}, "list.pt")
    assert call("weights", "list", "evil.pt")[0] == 2
    assert not Path("touched").exists()
    assert "holds no weights" in call("weights", "list", "list.pt")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compile", "net.dlspec", "-o", "x.py", "--seed", "1"], "--seed is for .onnx files"),
        (["compile", "net.dlspec", "-o", "x.json", "--optimize"], "--optimize is for .onnx and .py files"),
        (["run", "net.dlspec", "--backend", "torch", "--provider", "cpu"], "--provider is ONNX Runtime's"),
        (["run", "net.dlspec", "--provider", "cpu", "--device", "cpu"], "give one of the two"),
        (["weights", "convert", "missing.pt", "-o", "x.safetensors"], "there is no file missing.pt"),
        (["weights", "init", "net.dlspec", "-o", "x.npz"], "cannot write weights to x.npz"),
    ],
)
def test_wrong_calls(call: Call, folder: Path, arguments: list[str], message: str) -> None:
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert not Path(arguments[-1]).exists() or arguments[0] != "compile"


def test_without_a_gpu_it_says_so(call: Call, folder: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert "PyTorch finds no CUDA device" in call("run", "net.dlspec", "--backend", "torch", "--device", "cuda")[2]
