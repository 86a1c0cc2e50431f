"""Trains on the command line: `compile`, `summary` and `verify` of FILE:TRAIN."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from calls import Call
from safetensors.numpy import load_file, save_file

SPEC = """\
network Generator(z: float[N, 4]) -> point { z -> fc: Linear(2) }
network Critic(point: float[N, 2], width = 8) -> score { point -> Linear(width) -> LeakyReLU(0.2) -> Linear(1) }
train WGAN(k = 2) {
    data real: float[N, 2]
    shared generate = Generator
    shared judge = Critic
    shared slow = moving_average(generate, decay=0.9)
    fake = normal([real.batch, 4]) -> generate
    maximize mean(real -> judge) - mean(fake -> judge)
        over judge using RMSprop(lr=5e-5, clip_weights=0.01) times k
    minimize -mean(fake -> judge) over generate using Adam(betas=[0.5, 0.9], schedule=StepLR(10))
}
train Penalised {
    data real: float[N, 2]
    shared judge = Critic
    slope = grad(real -> judge, real)
    minimize mean(slope ** 2) over judge using SGD(lr=0.1)
}
"""
PLAIN = SPEC.partition("train Penalised")[0]


@pytest.fixture
def folder(call: Call) -> Path:
    Path("gan.dlspec").write_text(SPEC)
    Path("plain.dlspec").write_text(PLAIN)
    Path("trains.dlspec").write_text(f"from .plain import Critic, Generator\n{PLAIN[PLAIN.index('train') :]}")
    fit = "data real: float[N, 2]\n shared judge = Critic\n minimize mean(real -> judge) over judge using SGD"
    Path("two.dlspec").write_text(f"from .plain import Critic\ntrain One {{\n {fit}\n}}\ntrain Other {{\n {fit}\n}}\n")
    return Path()


def test_source_of_a_train(call: Call, folder: Path) -> None:
    status, out, err = call("compile", "gan.dlspec:WGAN", "-o", "gan.py", "--set", "k=3")
    assert (status, err) == (0, "")
    assert out.startswith("wrote gan.py, ")
    made: dict[str, type] = {}
    exec(compile(Path("gan.py").read_text(), "gan.py", "exec"), made)
    trainer = made["WGANTrainer"](made["WGAN"]())
    batches = [{"real": torch.rand(5, 2)} for _ in range(4)]
    supply = iter(batches)
    assert list(trainer.step(supply)) == ["judge", "generate"]
    assert len(list(supply)) == 1


def test_a_file_is_written_whole(call: Call, folder: Path) -> None:
    for file, names in (
        ("gan.dlspec", ["Generator", "Critic", "WGAN", "WGANTrainer", "Penalised", "PenalisedTrainer"]),
        ("trains.dlspec", ["WGAN", "WGANTrainer"]),
        ("two.dlspec", ["One", "OneTrainer", "Other", "OtherTrainer"]),
    ):
        assert call("compile", file, "-o", "all.py")[0] == 0
        made: dict[str, object] = {}
        exec(compile(Path("all.py").read_text(), "all.py", "exec"), made)
        assert made["__all__"] == names
    assert call("compile", "gan.dlspec", "-o", "half.py", "--dtype", "float16")[0] == 0
    assert "WGANTrainer" not in Path("half.py").read_text()


def test_objectives_as_onnx(call: Call, folder: Path) -> None:
    assert call("compile", "gan.dlspec:WGAN", "-o", "all.onnx")[0] == 0
    model = onnx.load("all.onnx")
    assert [value.name for value in model.graph.input] == ["real", "normal"]
    assert [value.name for value in model.graph.output] == ["judge", "generate"]
    assert call("compile", "gan.dlspec:WGAN.generate", "-o", "one.onnx")[0] == 0
    model = onnx.load("one.onnx")
    assert [value.name for value in model.graph.input] == ["normal"]
    assert [value.name for value in model.graph.output] == ["generate"]


def test_weights_of_a_train(call: Call, folder: Path) -> None:
    assert call("compile", "gan.dlspec:WGAN", "-o", "gan.onnx", "--seed", "3")[0] == 0
    model = onnx.load("gan.onnx")
    drawn = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer if "." in tensor.name
    }
    assert set(drawn) == {
        "generate.fc.weight", "generate.fc.bias", "judge.0.weight", "judge.0.bias", "judge.2.weight", "judge.2.bias",
    }  # fmt: skip
    averaged = {f"slow.{name.removeprefix('generate.')}": array for name, array in drawn.items() if "generate" in name}
    other = {name: array + 1 for name, array in drawn.items()}
    save_file(other | averaged, "trained.safetensors")  # as `dlspec train` writes them
    assert call("compile", "gan.dlspec:WGAN.judge", "-o", "gan.onnx", "--weights", "trained.safetensors")[0] == 0
    for tensor in onnx.load("gan.onnx").graph.initializer:
        if tensor.name in other:
            np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor), other[tensor.name])
    assert call("verify", "gan.dlspec:WGAN", "--weights", "trained.safetensors")[0] == 0
    del other["judge.0.bias"]
    save_file(other | {"judge.0.bais": np.zeros(8, np.float32)}, "wrong.safetensors")
    status, _, err = call("compile", "gan.dlspec:WGAN", "-o", "gan.onnx", "--weights", "wrong.safetensors")
    assert status == 2
    assert "DL0602" in err
    assert "DL0603" in err
    assert load_file("trained.safetensors").keys() > drawn.keys()


def test_json_of_a_train(call: Call, folder: Path) -> None:
    assert call("compile", "gan.dlspec:WGAN", "-o", "gan.json")[0] == 0
    made = json.loads(Path("gan.json").read_text())
    assert made["train"] == "WGAN"
    assert [output["name"] for output in made["outputs"]] == ["judge", "generate"]
    assert made["networks"][2] == {
        "name": "slow", "declaration": "Generator", "frozen": True, "average_of": "generate", "decay": 0.9,
    }  # fmt: skip
    first, second = made["updates"]
    assert (first["direction"], first["over"], first["times"]) == ("maximize", ["judge"], 2)
    assert first["limits"]["clip_weights"] == 0.01
    assert second["schedule"] == {"name": "StepLR", "arguments": {"step_size": 10, "gamma": 0.1}}
    assert made["named"].keys() == {"fake"}


TABLE = """\
Data  Type
real  float[N, 2]

Network   Is         Params  Weights
generate  Generator      10  trained
judge     Critic         33  trained
slow      Generator      10  average of generate, decay 0.9

Each step
1. judge, 2 times, each on a batch of its own
   maximize mean(real -> judge) - mean(fake -> judge)
   over judge: reaches 33 of 33 params
   using RMSprop(lr=5e-05), clip_weights=0.01
2. generate
   minimize -mean(fake -> judge)
   over generate: reaches 10 of 10 params
   using Adam(betas=[0.5, 0.9]), StepLR(10)
"""


PARTS = """\
network Net(x: float[N, 8]) -> y { x -> stem: Linear(8) -> BatchNorm -> body: Linear(8) -> head: Linear(3) }
train Fit {
    data x: float[N, 8]
    shared f = Net
    freeze(f.stem)
    minimize mean((x -> f) ** 2) over f, f.head(lr=1e-2, weight_decay=0)
        using AdamW(lr=ramp(0.0, 1e-3, steps=10), decay="weights")
}
"""

PARTS_TABLE = """\
Network  Is   Params  Weights
f        Net     187  trained, f.stem frozen

Each step
1. f
   minimize mean((x -> f) ** 2)
   over f: 88 params, lr=ramp(0.0, 1e-3, steps=10)
        f.head: 27 params, lr=0.01, weight_decay=0.0
   reaches 115 of 115 params
   using AdamW, lr=ramp(0.0, 1e-3, steps=10), decay="weights"

115 params are trained, 72 are frozen
"""


def test_summary_and_json_of_parts(call: Call, folder: Path) -> None:
    Path("parts.dlspec").write_text(PARTS, encoding="utf-8")
    status, out, err = call("summary", "parts.dlspec:Fit")
    assert (status, out.partition("\n\n")[2], err) == (0, PARTS_TABLE, "")
    made = json.loads(call("summary", "parts.dlspec:Fit", "--format", "json")[1])
    assert (made["trained"], made["frozen"]) == (115, 72)
    assert made["updates"][0]["groups"][1] == {"path": "f.head", "params": 27, "own": "lr=0.01, weight_decay=0.0"}
    assert call("compile", "parts.dlspec:Fit", "-o", "parts.json")[0] == 0
    made = json.loads(Path("parts.json").read_text())
    assert made["frozen"] == ["f.stem"]
    assert made["updates"][0]["groups"][1]["own"] == {"lr": 0.01, "weight_decay": 0.0}


def test_summary_of_a_train(call: Call, folder: Path) -> None:
    assert call("summary", "gan.dlspec:WGAN") == (0, TABLE, "")
    assert call("summary", "trains.dlspec") == (0, TABLE, "")
    status, out, _ = call("summary", "gan.dlspec:WGAN", "--format", "json")
    made = json.loads(out)
    assert status == 0
    assert made["data"] == [{"name": "real", "dtype": "float32", "shape": ["N", 2], "augmentations": []}]
    assert [network["weights"] for network in made["networks"]] == [
        "trained", "trained", "average of generate, decay 0.9",
    ]  # fmt: skip
    assert [(update["params"], update["reached"]) for update in made["updates"]] == [(33, 33), (10, 10)]


def test_what_a_gradient_does_not_reach_is_not_counted(call: Call, folder: Path) -> None:
    Path("cut.dlspec").write_text(
        "network Two(x: float[N, 3]) -> a, b { a = x -> Linear(2)\n b = x -> Linear(4) }\n"
        "train Half { data x: float[N, 3]\n shared net = Two\n a, b = x -> net\n"
        "minimize mean(a) + mean(detach(b)) over net using SGD }\n"
    )
    assert "reaches 8 of 24 params" in call("summary", "cut.dlspec:Half")[1]


def test_verify_of_trains(call: Call, folder: Path) -> None:
    status, out, err = call("verify", "gan.dlspec:WGAN")
    assert (status, err) == (0, "")
    assert "judge     N=2" in out
    status, out, err = call("verify", "gan.dlspec")
    assert (status, err) == (0, "")
    assert [line for line in out.splitlines() if line in ("Generator", "Critic", "WGAN", "Penalised")] == [
        "Generator", "Critic", "WGAN", "Penalised",
    ]  # fmt: skip


def test_verify_leaves_out_trains_where_a_flag_is_of_networks(call: Call) -> None:
    for flag in (("--dtype", "float16"), ("--optimize",)):
        status, out, err = call("verify", "std.lenet", *flag)
        assert (status, err) == (0, f"note: {flag[0]} is for networks, and leaves out Classify, Localize\n")
        assert "LeNet5MaxPool" in out


def test_gradients_are_lowered_or_refused_where_they_stand(call: Call, folder: Path) -> None:
    status, out, err = call("verify", "gan.dlspec:Penalised")
    assert (status, err) == (0, "")
    assert "judge   N=2" in out
    assert call("compile", "gan.dlspec:Penalised", "-o", "gan.onnx")[0] == 0
    onnx.checker.check_model(onnx.load("gan.onnx"), full_check=True)
    Path("root.dlspec").write_text(
        "network Root(x: float[N, 2, 2]) -> y { cholesky(x) -> Flatten -> Linear(1) }\n"
        "train Steep { data x: float[N, 2, 2]\n shared net = Root\n slope = grad(x -> net, x)\n"
        "minimize mean(slope ** 2) over net using SGD }\n"
    )
    status, out, err = call("verify", "root.dlspec:Steep")
    assert (status, out) == (1, "")
    assert "DL0501" in err
    assert "slope = grad(x -> net, x)" in err
    assert "no derivative of Cholesky" in err


@pytest.mark.parametrize(
    ("call_", "message", "hint"),
    [
        ("compile gan.dlspec:WGANN -o x.py", "declares no network or train `WGANN`", "did you mean `WGAN`?"),
        ("compile gan.dlspec:Critik -o x.onnx", "declares no network or train `Critik`", "did you mean `Critic`?"),
        ("compile gan.dlspec:WGAN.jugde -o x.onnx", "`WGAN` has no update `jugde`", "did you mean `judge`?"),
        ("compile gan.dlspec:WGAN.judge -o x.py", "one objective alone is for .onnx files", "WGAN is the whole train"),
        ("compile gan.dlspec:Critic.judge -o x.onnx", "`Critic.judge`: only a train has updates", ""),
        ("draw gan.dlspec:WGAN.judge -o x.svg", "one objective alone is for .onnx files", "WGAN is the whole train"),
        ("compile gan.dlspec:WGAN -o x.onnx --dtype float16", "--dtype is for networks, and `WGAN` is a train", ""),
        ("compile gan.dlspec:WGAN -o x.py --optimize", "--optimize is for networks", ""),
        ("compile gan.dlspec:WGAN -o x.py --weights w.safetensors", "--weights is for the .onnx files of a train", ""),
        ("compile gan.dlspec:WGAN -o x.onnx --set kk=2", "`WGAN` has no setting `kk`", "did you mean `k`?"),
        ("compile gan.dlspec:WGAN -o x.onnx --size H=2", "`WGAN` has no size `H`", "N"),
        ("compile gan.dlspec:WGAN -o x.onnx --opset 3", "ONNX opset 3 cannot be written", ""),
        ("summary gan.dlspec:WGAN --depth 1", "--depth is for networks, and `WGAN` is a train", ""),
        ("summary gan.dlspec:WGAN --format csv", "the summary of a train is one table, or --format json", ""),
        ("summary gan.dlspec:WGAN.judge", "the summary of a train is one table, or --format json", ""),
        ("verify gan.dlspec:WGAN --optimize", "--optimize is for networks, and `WGAN` is a train", ""),
        ("verify gan.dlspec:WGAN.jugde", "`WGAN` has no update `jugde`", "did you mean `judge`?"),
        ("run gan.dlspec:WGAN", "`WGAN` is a train, and this is for networks", "Generator, Critic"),
    ],
)
def test_wrong_calls(call: Call, folder: Path, call_: str, message: str, hint: str) -> None:
    status, out, err = call(*call_.split())
    assert (status, out) == (2, "")
    assert message in err
    assert hint in err
    assert not list(folder.glob("x.*"))
