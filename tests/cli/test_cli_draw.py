"""`dlspec draw`: the files, the options, and what it answers where something is wrong."""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from calls import RESNET, Call

import dlspec

WRONG = """\
network Wrong(image: float[N, 3, H = 32, W = 32]) -> out {
    image -> stem: Conv(8, 3) -> Add { Conv(8, 3) | Identity } -> MaxPool(2)
}
"""


@pytest.mark.parametrize("ending", ["svg", "png", "pdf", "html", "dot", "mmd"])
def test_every_format(call: Call, ending: str) -> None:
    status, out, err = call("draw", "tiny.dlspec", "-o", f"net.{ending}")
    assert (status, out, err) == (0, f"wrote net.{ending}\n", "")
    assert Path(f"net.{ending}").stat().st_size > 300


def test_depth_expand_and_collapse(call: Call) -> None:
    def drawn(*options: str) -> str:
        assert call("draw", f"{RESNET}:ResNet50", "-o", "a.svg", *options)[0] == 0
        return Path("a.svg").read_text()

    folded, opened = drawn("--depth", "1"), drawn("--depth", "1", "--expand", "layer1")
    assert "with downsample: Shortcut" not in folded
    assert "with downsample: Shortcut" in opened
    assert len(drawn("--collapse", "layer3")) < len(drawn())


def test_sizes_settings_and_symbols(call: Call) -> None:
    assert call("draw", "tiny.dlspec", "-o", "a.mmd", "--size", "H=20", "--set", "classes=7")[0] == 0
    text = Path("a.mmd").read_text()
    assert "float[N, 1, 20, 8]" in text
    assert "float[N, 7]" in text
    assert call("draw", "tiny.dlspec", "-o", "a.mmd", "--symbolic")[0] == 0
    assert "[N, 4, H - 2, W - 2]" in Path("a.mmd").read_text()


def test_wrap_fits_the_width(call: Call) -> None:
    assert call("draw", f"{RESNET}:ResNet50", "-o", "a.svg", "--depth", "1", "--wrap", "900")[0] == 0
    root = ET.parse("a.svg").getroot()
    assert float(root.attrib["width"]) <= 900
    assert float(root.attrib["height"]) > 300


@pytest.mark.parametrize(
    ("options", "error", "hint"),
    [
        (["-o", "a.gif"], "cannot draw a .gif file", "the formats are .svg, .png, .pdf, .tex, .html, .dot, .mmd"),
        (["-o", "a"], "cannot draw a file without an ending", ""),
        (["-o", "a.svg", "--expand", "fc"], "`Tiny` has no block `fc`", "`dlspec summary --tree` lists them"),
        (["-o", "a.svg", "--wrap", "500", "--rankdir", "TB"], "--wrap makes lines", ""),
        (["-o", "a.svg", "--wrap", "90"], "error[DL0608]: Tiny does not fit into 90 pixels", "its boxes need 2"),
        (["-o", "a.svg", "--width", "3inch"], "'3inch' is no width", "--help"),
        (
            ["-o", "a.svg", "--width", "1in"],
            "error[DL0608]: Tiny is not readable when it is 1in wide",
            "its text has 6 pt in",
        ),
        (["-o", "a.svg", "--width", "7in", "--wrap", "500"], "leave --wrap out", ""),
        (["-o", "a.html", "--width", "7in"], "--width is for .svg", ""),
        (["-o", "a.svg", "--hide", "cuonts"], "there is no part 'cuonts': did you mean `counts`?", ""),
        (["-o", "a.svg", "--hide", "shapes", "--show", "shapes"], "--hide and --show both name shapes", ""),
        (["-o", "a.dot", "--theme", "dark"], "--theme is for", ""),
        (["-o", "a.html", "--theme", "print"], "--theme print is not for .html files", ""),
        (["-o", "a.svg", "--layout", "levels", "--wrap", "500"], "leave --wrap out", ""),
        (["-o", "a.svg", "--layout", "levels", "--poster"], "leave --poster out", ""),
        (["-o", "a.dot", "--layout", "levels"], "--layout is for .svg", ""),
        (["-o", "a.svg", "--style", "volumes", "--rankdir", "LR"], "leave --rankdir out", ""),
        (["-o", "a.svg", "--style", "volumes", "--wrap", "30"], "error[DL0608]: Tiny does not fit into 30 pixels", ""),
        (["-o", "a.svg", "--style", "volumes", "--layout", "flow"], "leave --layout out", ""),
        (["-o", "a.html", "--style", "volumes"], "--style is for .svg", ""),
        (["-o", "a.svg", "--poster", "--depth", "2"], "leave --depth out", ""),
        (["-o", "a.svg", "--expand", "fc", "--collapse", "fc"], "--expand and --collapse both name `fc`", ""),
        (["-o", "nowhere/a.svg"], "cannot write nowhere/a.svg", ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_calls(call: Call, options: list[str], error: str, hint: str) -> None:
    status, out, err = call("draw", "tiny.dlspec", *options)
    assert status == 2
    assert out == ""
    assert error in err
    assert hint in err
    assert sorted(path.name for path in Path().iterdir()) == ["tiny.dlspec"]


def test_one_resolution_has_no_levels(call: Call) -> None:
    Path("plain.dlspec").write_text("network Plain(x: float[N, 3, 8, 8]) -> y { x -> Conv(4, 1) }")
    status, out, err = call("draw", "plain.dlspec", "-o", "a.svg", "--layout", "levels")
    assert (status, out) == (2, "")
    assert "the network has one resolution" in err
    assert "leave --layout levels out" in err
    assert not Path("a.svg").exists()


def test_a_path_that_is_almost_right(call: Call) -> None:
    status, _, err = call("draw", f"{RESNET}:ResNet50", "-o", "a.svg", "--collapse", "layr2")
    assert status == 2
    assert "did you mean `layer2`" in err


def test_a_wrong_spec_is_drawn_and_reported(call: Call) -> None:
    Path("wrong.dlspec").write_text(WRONG)
    status, out, err = call("draw", "wrong.dlspec", "-o", "a.svg")
    assert (status, out) == (1, "wrote a.svg\n")
    assert "error[DL0201]: Add cannot join" in err
    assert "[N, 8, 30, 30]" in "".join(ET.parse("a.svg").getroot().itertext())
    status, _, err = call("draw", "tiny.dlspec", "-o", "b.svg", "--size", "H=2")
    assert status == 2
    assert "error[" in err
    assert Path("b.svg").exists()


def test_a_text_that_does_not_parse_is_not_drawn(call: Call) -> None:
    Path("wrong.dlspec").write_text("network Wrong(")
    assert call("draw", "wrong.dlspec", "-o", "a.svg")[0] == 1
    assert not Path("a.svg").exists()


def test_drawing_needs_neither_torch_nor_onnx(call: Call) -> None:
    import subprocess

    code = "import sys; from dlspec.cli import main; main(['draw', 'tiny.dlspec', '-o', 'a.svg']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "onnx", "onnxruntime", "numpy"} & set(done.stdout.split())


def test_in_python_a_model_draws_itself(tmp_path: Path) -> None:
    picture = dlspec.load(RESNET, "ResNet18").draw(depth=1)
    assert picture._repr_svg_().startswith("<svg ")
    picture.save(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text() == picture.svg()
    with pytest.raises(ValueError, match=r"the formats of pictures are \.svg"):
        picture.save(tmp_path / "a.gif")


def test_the_tree_of_the_summary_folds_like_pictures(call: Call) -> None:
    status, out, _ = call("summary", f"{RESNET}:ResNet50", "--tree", "--depth", "2")
    assert status == 0
    line = next(line for line in out.splitlines() if "x5" in line)
    assert line.split()[:4] == ["1", "..", "5", "Bottleneck(planes=256)"]
    assert "5,585,920" in line
    assert "conv2" not in out


def test_a_page_has_the_values_of_weights(call: Call) -> None:
    """Of those that a call names; none is written where they are of another network, or the file cannot have them."""
    assert call("weights", "init", "tiny.dlspec", "-o", "own.safetensors")[0] == 0
    assert call("weights", "init", "tiny.dlspec", "-o", "other.safetensors", "--set", "classes=7")[0] == 0
    status, out, err = call("draw", "tiny.dlspec", "-o", "net.html", "--weights", "own.safetensors")
    assert (status, out, err) == (0, "wrote net.html\n", "")
    found = re.search(r'"tensors":(\{.*?\}),"facts"', Path("net.html").read_text())
    assert found is not None
    tensors = json.loads(found[1])
    assert tensors.keys() == dict.fromkeys(["0.weight", "0.bias", "fc.weight", "fc.bias"]).keys()
    assert sum(tensors["fc.weight"]["bins"]) == 12
    wrong = [
        (["a.html", "--weights", "other.safetensors"], "fc.weight"),
        (["a.svg", "--weights", "own.safetensors"], "--weights is for .html files"),
        (["a.html", "--weights", "none.safetensors"], "none.safetensors"),
        (["a.html", "--key", "ema"], "--key is for the files of --weights, and none is given"),
    ]
    for arguments, error in wrong:
        status, out, err = call("draw", "tiny.dlspec", "-o", *arguments)
        assert status != 0
        assert error in err
        assert not Path(arguments[0]).exists()
