"""`dlspec verify --against`: what somebody else's model computes on the same input."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import onnx
import pytest
import torch
from calls import Call

NET = """\
network Net(x: float[N, 3, H = 8, W = 8]) -> y {
    x -> body: { Conv(4, 3, padding=1) -> BatchNorm -> ReLU -> Conv(4, 3, padding=1) -> Sigmoid } -> GlobalAvgPool -> Flatten
    -> fc: Linear(2)
}
"""
THEIRS = """\
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, padding_mode="zeros"):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
            nn.Conv2d(4, 4, 3, padding=1, padding_mode=padding_mode), nn.Sigmoid(),
        )
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.body(x).mean((2, 3)))

class Plain(Net):
    def __init__(self, padding_mode="zeros"):
        super().__init__(padding_mode)
        self.body[1] = nn.Tanh()

def plain_other():
    return Plain("reflect")

def other():
    return Net("reflect")

def broken():
    raise ValueError("no \\x1b[31m weights")

ready = Net()
number = 3
"""


@pytest.fixture
def theirs(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("net.dlspec").write_text(NET)
    Path("theirs.py").write_text(THEIRS)
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.modules.pop("theirs", None)


@pytest.mark.parametrize("name", ["Net", "ready"])
def test_a_module_that_computes_the_same(name: str, call: Call, theirs: None) -> None:
    status, out, err = call("verify", "net.dlspec", "--against", f"theirs:{name}")
    assert (status, err) == (0, "")
    assert re.search(r"output `y` and `0`: \S+ apart, of \S+: ok\n", out)
    assert "layers between, matched by name: none differs" in out


def test_a_module_that_differs_says_where_first(call: Call, theirs: None) -> None:
    status, out, _ = call("verify", "net.dlspec", "--against", "theirs:other")
    assert status == 1
    assert re.search(r"output .*: differs\n", out)
    assert re.search(r"matched by name: the first that differs is `body\.3`: \S+ apart", out)


def test_weights_are_given_to_both(call: Call, theirs: None) -> None:
    call("weights", "init", "net.dlspec", "-o", "w.safetensors", "--seed", "5")
    assert call("verify", "net.dlspec", "--against", "theirs:Net", "--weights", "w.safetensors")[0] == 0


def exported(name: str, names: bool = True) -> None:
    import theirs as module  # type: ignore[import-not-found]

    made = getattr(module, name)().eval()
    torch.onnx.export(made, (torch.ones(1, 3, 8, 8),), "m.onnx", dynamo=False, input_names=["image"], output_names=["z"],
                      dynamic_axes={"image": {0: "n"}})  # fmt: skip
    if not names:
        model = onnx.load_model("m.onnx")
        for index, weight in enumerate(model.graph.initializer):
            for node in model.graph.node:
                for place, read in enumerate(node.input):
                    if read == weight.name:
                        node.input[place] = f"w{index}"
            weight.name = f"w{index}"
        onnx.save_model(model, "m.onnx")


@pytest.mark.filterwarnings("ignore")
def test_an_onnx_file(call: Call, theirs: None) -> None:
    sys.path.insert(0, str(Path.cwd()))
    Path("net.dlspec").write_text(NET.replace("BatchNorm", "Tanh"))
    exported("Plain")
    status, out, err = call("verify", "net.dlspec", "--against", "m.onnx")
    assert (status, err) == (0, "")
    assert re.search(r"output `y` and `z`: \S+ apart, of \S+: ok\n", out)
    assert "matched by name: none differs" in out
    exported("plain_other")
    status, out, _ = call("verify", "net.dlspec", "--against", "m.onnx")
    assert status == 1
    assert "the first that differs is `body.3`" in out
    exported("plain_other", names=False)
    torch.save(sys.modules["theirs"].plain_other().state_dict(), "w.pt")
    status, out, _ = call("verify", "net.dlspec", "--against", "m.onnx", "--weights", "w.pt")
    assert status == 1
    assert "matched by order among tensors of one shape" in out


@pytest.mark.filterwarnings("ignore")
def test_layers_that_a_file_has_folded(call: Call, theirs: None) -> None:
    sys.path.insert(0, str(Path.cwd()))
    exported("Net")
    torch.save(sys.modules["theirs"].Net().state_dict(), "w.pt")
    status, out, err = call("verify", "net.dlspec", "--against", "m.onnx", "--weights", "w.pt")
    assert (status, err) == (0, "")
    assert "2 layers between, matched by name: none differs" in out


WRONG = [
    ("theirs:broken", "theirs:broken cannot be made: ValueError: no  weights"),
    ("theirs:none", "theirs:none cannot be made: AttributeError"),
    ("nowhere:Net", "nowhere:Net cannot be made: ModuleNotFoundError"),
    ("theirs:number", "theirs:number cannot be made: TypeError"),
    ("theirs", "is neither an .onnx file nor package.module:name"),
    ("none.onnx", "there is no file none.onnx"),
    ("net.onnx", "net.onnx is not an ONNX model that can be read"),
]


@pytest.mark.parametrize(("place", "message"), WRONG)
def test_what_cannot_be_compared(place: str, message: str, call: Call, theirs: None) -> None:
    Path("net.onnx").write_text("text")
    status, out, err = call("verify", "net.dlspec", "--against", place)
    assert (status, out, err.count("error")) == (2, "", 1)
    assert message in err
