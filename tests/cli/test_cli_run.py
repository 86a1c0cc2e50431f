"""`dlspec run`: what is fed to ONNX Runtime and what is said of the results."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calls import Call
from PIL import Image, ImageOps
from safetensors.numpy import save_file

LINEAR = "network Linear3(x: float[N, 4]) -> y { x -> fc: Linear(3) }\n"
PAIR = "network Pair(a: float[N, C, H], b: float[N, C, 2 * H]) -> y { [a, b] -> Concat(2) }\n"


def weights() -> dict[str, np.ndarray[Any, Any]]:
    return {
        "fc.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
        "fc.bias": np.array([0, 0, 100], np.float32),
    }


@pytest.fixture
def folder(call: Call) -> Path:
    """The folder of the calls, with two specs, weights and inputs."""
    Path("linear.dlspec").write_text(LINEAR)
    Path("pair.dlspec").write_text(PAIR)
    save_file(weights(), "linear.safetensors")
    np.save("x.npy", np.array([[1, 2, 3, 4], [0, 0, 0, 1]], np.float32))
    return Path()


def test_given_weights_and_inputs_give_the_numbers(call: Call, folder: Path) -> None:
    status, out, err = call("run", "linear.dlspec", "--weights", "linear.safetensors", "--input", "x=x.npy")
    assert (status, err) == (0, "")
    x, w = np.load("x.npy"), weights()
    y = x @ w["fc.weight"].T + w["fc.bias"]
    assert "weights: linear.safetensors\ninput x: float32 [2, 4], given\noutput y: float32 [2, 3]\n" in out
    assert f"first values: {', '.join(f'{value:.6g}' for value in y.ravel())}\n" in out
    assert f"min {y.min():.6g}, mean {y.mean():.6g}, max {y.max():.6g}, std {y.std():.6g}\n" in out
    assert f"top 3 of row 0: 2 ({y[0, 2]:.4g}), 1 ({y[0, 1]:.4g}), 0 ({y[0, 0]:.4g})\n" in out
    assert re.search(r"^time: \d+\.\d\d ms, the median of 10 runs$", out, re.MULTILINE)


def test_what_is_made_up_is_said_to_be(call: Call, folder: Path) -> None:
    out = call("run", "linear.dlspec", "--seed", "7", "--repeat", "3")[1]
    assert "weights: made up, drawn with seed 7\n" in out
    assert "input x: float32 [1, 4], made up\n" in out
    assert "the median of 3 runs" in out
    results = [re.findall(r"first values: (.*)", call("run", "linear.dlspec", "--seed", s)[1]) for s in ("7", "7", "8")]
    assert results[0] == results[1] != results[2]


def test_labels_and_top(call: Call, folder: Path) -> None:
    Path("labels.txt").write_text("cat\ndog\nbird\n")
    given = ["run", "linear.dlspec", "--weights", "linear.safetensors", "--input", "x=x.npy"]
    assert "top 1 of row 0: bird (200)\n" in call(*given, "--labels", "labels.txt", "--top", "1")[1]
    assert "top" not in call(*given, "--top", "0")[1]


def test_many_rows_are_cut(call: Call, folder: Path) -> None:
    np.save("x.npy", np.zeros((20, 4), np.float32))
    out = call("run", "linear.dlspec", "--input", "x=x.npy")[1]
    assert out.count("top 3 of row") == 8
    assert "and 12 more rows" in out


def test_inputs_of_an_npz(call: Call, folder: Path) -> None:
    np.savez("both.npz", a=np.ones((2, 3, 5), np.float32), b=np.zeros((2, 3, 10), np.float32))
    status, out, err = call("run", "pair.dlspec", "--input", "both.npz")
    assert (status, err) == (0, "")
    assert "output y: float32 [2, 3, 15]" in out


def test_an_input_that_is_made_up_fits_the_one_given(call: Call, folder: Path) -> None:
    np.save("a.npy", np.ones((2, 3, 5), np.float32))
    out = call("run", "pair.dlspec", "--input", "a=a.npy")[1]
    assert "input b: float32 [2, 3, 10], made up\n" in out


def test_doubles_are_converted_and_it_is_said(call: Call, folder: Path) -> None:
    np.save("x.npy", np.ones((1, 4)))
    out = call("run", "linear.dlspec", "--input", "x=x.npy")[1]
    assert "input x: float32 [1, 4], converted from float64\n" in out


def test_several_sizes_by_hand(call: Call, folder: Path) -> None:
    status, out, err = call("run", "pair.dlspec", "--size", "C=2", "--size", "H=3", "--size", "N=4")
    assert (status, err) == (0, "")
    assert "output y: float32 [4, 2, 9]" in out


WRONG: list[tuple[list[str], str]] = [
    (["linear.dlspec", "--input", "y=x.npy"], "`Linear3` has no input `y`"),
    (["linear.dlspec", "--input", "x.npy"], "write --input name=file.npy"),
    (["linear.dlspec", "--input", "x=no.npy"], "there is no file no.npy"),
    (["linear.dlspec", "--input", "x=linear.dlspec"], "linear.dlspec is not a NumPy file"),
    (["linear.dlspec", "--input", "x=both.npz"], "an .npz names its arrays itself"),
    (["linear.dlspec", "--input", "x=x.npy", "--input", "x=x.npy"], "the input `x` is given twice"),
    (["linear.dlspec", "--input", "x=wide.npy"], "has the shape [1, 5], and the network takes float[N, 4]"),
    (["linear.dlspec", "--input", "x=flat.npy"], "has the shape [4], and the network takes float[N, 4]"),
    (["linear.dlspec", "--input", "x=words.npy"], "and the network takes float32"),
    (["linear.dlspec", "--input", "x=x.npy", "--size", "N=3"], "has the shape [2, 4]"),
    (
        ["linear.dlspec", "--input", "x=x.npy", "--labels", "short.txt"],
        "short.txt has 1 labels, and the output `y` has 3 classes",
    ),
    (["linear.dlspec", "--labels", "no.txt"], "no.txt: No such file"),
    (["linear.dlspec", "--weights", "other.safetensors"], "DL0602"),
    (["pair.dlspec", "--input", "odd.npz"], "has the shape [2, 3, 11]"),
    (["pair.dlspec"], "has no known size"),
    (["linear.dlspec", "--repeat", "0"], "0 is not a positive int"),
    (["linear.dlspec", "--top", "x"], "invalid int value"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_what_does_not_fit(arguments: list[str], message: str, call: Call, folder: Path) -> None:
    np.save("wide.npy", np.ones((1, 5), np.float32))
    np.save("flat.npy", np.ones(4, np.float32))
    np.save("words.npy", np.array([["a", "b", "c", "d"]]))
    np.savez("both.npz", x=np.ones((1, 4), np.float32))
    np.savez("odd.npz", a=np.ones((2, 3, 5), np.float32), b=np.zeros((2, 3, 11), np.float32))
    Path("short.txt").write_text("cat\n")
    save_file({"fc.bias": weights()["fc.bias"]}, "other.safetensors")
    status, out, err = call("run", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


PIXELS = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)
SEES = """\
network Same(image: float[N, 3, H, W]) -> y { image }
network Fixed(image: float[N, 3, 6, 6]) -> y { image }
network Default(image: float[N, 1, H = 6, W = 10]) -> y { image }
"""


def first_values(out: str) -> list[float]:
    return [float(value) for value in re.findall(r"first values: (.*)", out)[0].removesuffix(", ...").split(", ")]


@pytest.mark.parametrize("ending", ["png", "bmp", "ppm", "tif"])
def test_images_are_inputs(ending: str, call: Call) -> None:
    Path("sees.dlspec").write_text(SEES)
    Image.fromarray(PIXELS).save(f"x.{ending}")
    status, out, err = call("run", "sees.dlspec:Same", "--repeat", "1", "--input", f"image=x.{ending}")
    assert (status, err) == (0, "")
    assert "input image: float32 [1, 3, 12, 20], given" in out
    np.testing.assert_allclose(first_values(out), PIXELS[0, :6, 0] / 255, rtol=1e-4)
    out = call("run", "sees.dlspec:Fixed", "--repeat", "1", "--input", f"image=x.{ending}")[1]
    assert "input image: float32 [1, 3, 6, 6], given" in out
    fitted = ImageOps.fit(Image.fromarray(PIXELS), (6, 6), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(first_values(out), np.asarray(fitted)[0, :, 0] / 255, rtol=1e-4)
    out = call("run", "sees.dlspec:Default", "--repeat", "1", "--input", f"image=x.{ending}", "--size", "H=4")[1]
    assert "input image: float32 [1, 1, 4, 10], given" in out


def test_labels_of_several_outputs(call: Call) -> None:
    Path("two.dlspec").write_text("network Two(x: float[N, 4]) -> a, b { a = x -> Linear(2); b = x -> Linear(3) }\n")
    Path("two.txt").write_text("cat\ndog\n")
    Path("three.txt").write_text("red\ngreen\nblue\n")
    given = ["run", "two.dlspec", "--repeat", "1", "--top", "1"]
    status, out, err = call(*given, "--labels", "a=two.txt", "--labels", "b=three.txt")
    assert (status, err) == (0, "")
    assert re.search(r"output a: .*\n.*\n.*\n  top 1 of row 0: (cat|dog) ", out)
    assert re.search(r"output b: .*\n.*\n.*\n  top 1 of row 0: (red|green|blue) ", out)
    for labels, message in (
        (["two.txt"], "has 2 outputs [N, K] that labels could be for"),
        (["c=two.txt"], "`Two` has no output `c`"),
        (["a=two.txt", "a=two.txt"], "are given twice"),
        (["b=two.txt"], "two.txt has 2 labels, and the output `b` has 3 classes"),
    ):
        status, _, err = call(*given, *(part for text in labels for part in ("--labels", text)))
        assert (status, message in err) == (2, True)


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_outputs_are_written_by_their_names(backend: str, call: Call, folder: Path) -> None:
    Path("two.dlspec").write_text("network Two(x: float[N, 4]) -> file, y { file = x * 2\n y = x + 1 }\n")
    given = "run", "two.dlspec", "--input", "x=x.npy", "--backend", backend
    status, out, err = call(*given, "-o", "out.npz")
    assert (status, err) == (0, "")
    assert "wrote out.npz" in out
    x, made = np.load("x.npy"), np.load("out.npz")
    assert sorted(made) == ["file", "y"]
    assert np.array_equal(made["file"], 2 * x)
    assert np.array_equal(made["y"], x + 1)
    status, out, err = call(*given, "-o", "out.npy")
    assert (status, out, Path("out.npy").exists()) == (2, "", False)
    assert "outputs are written as .npz" in err
