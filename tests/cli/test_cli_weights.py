"""`dlspec weights`, and `--weights` of the other commands, with the files that people have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from calls import Call
from onnx import TensorProto, helper, numpy_helper, save_model
from safetensors.numpy import load_file
from safetensors.torch import save_file

from dlspec.backends import room

NET = "network Net(x: float[N, 3, 8, 8]) -> y { x -> conv: Conv(4, 3, bias=false) -> bn: BatchNorm }\n"
State = dict[str, torch.Tensor]


@pytest.fixture
def state(call: Call) -> State:
    Path("net.dlspec").write_text(NET)
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "conv.weight": (4, 3, 3, 3),
        "bn.weight": (4,),
        "bn.bias": (4,),
        "bn.running_mean": (4,),
        "bn.running_var": (4,),
    }
    made = {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}
    return made | {"bn.num_batches_tracked": torch.tensor(7)}


def outputs(call: Call, *arguments: str) -> list[str]:
    status, out, err = call("run", "net.dlspec", "--repeat", "1", *arguments)
    assert (status, err) == (0, "")
    return [line for line in out.splitlines() if line.startswith("  ")]


def onnx_file(state: State) -> None:
    weights = [numpy_helper.from_array(tensor.numpy(), name) for name, tensor in state.items()]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])
    node = helper.make_node("Identity", ["bn.bias"], ["y"])
    save_model(helper.make_model(helper.make_graph([node], "g", [], [y], weights)), "w")


FORMS: dict[str, tuple[Callable[[State], object], list[str]]] = {
    "state dict": (lambda state: torch.save(state, "w"), []),
    "in a checkpoint": (lambda state: torch.save({"model_state_dict": state, "epoch": 1}, "w"), []),
    "by key": (lambda state: torch.save({"a": {"b": state}, "c": {"x": torch.ones(1)}}, "w"), ["--key", "a.b"]),
    "parallel": (
        lambda state: torch.save({f"module.{name}": tensor for name, tensor in state.items()}, "w"),
        ["--strip-prefix", "module"],
    ),
    "renamed": (
        lambda state: save_file({name.replace("bn.", "norm."): tensor for name, tensor in state.items()}, "w"),
        ["--rename", "norm=bn"],
    ),
    "with a head": (lambda state: save_file(state | {"head.weight": torch.ones(2)}, "w"), ["--drop-unknown"]),
    "onnx": (onnx_file, []),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_numbers(name: str, call: Call, state: State) -> None:
    save_file(state, "plain.safetensors")
    write, options = FORMS[name]
    write(state)
    expected = outputs(call, "--weights", "plain.safetensors")
    for backend in ("onnx", "torch"):
        assert outputs(call, "--weights", "w", *options, "--backend", backend)[:1] == expected[:1]
    assert call("weights", "diff", "net.dlspec", "w", *options)[:2] == (0, "w has the 6 weights of Net\n")
    assert call("compile", "net.dlspec", "-o", "a.onnx", "--weights", "w", *options)[0] == 0
    assert call("compile", "net.dlspec", "-o", "b.onnx", "--weights", "plain.safetensors")[0] == 0
    assert Path("a.onnx").read_bytes() == Path("b.onnx").read_bytes()


TIED = """network Net(ids: int[N, 3]) -> y {
    shared embed = Embedding(5, 4)
    ids -> embed -> head: Linear(5, bias=false, weight=embed.weight)
}
"""


def test_a_tied_weight_has_its_names(call: Call) -> None:
    Path("net.dlspec").write_text(TIED)
    assert call("weights", "init", "net.dlspec", "-o", "both.pt")[0] == 0
    both = torch.load("both.pt")
    assert sorted(both) == ["embed.weight", "head.weight"]
    assert torch.equal(both["embed.weight"], both["head.weight"])
    for name in both:
        torch.save({name: both[name]}, "one.pt")
        assert call("weights", "diff", "net.dlspec", "one.pt")[0] == 0
        assert call("compile", "net.dlspec", "-o", f"{name}.onnx", "--weights", "one.pt", "--drop-unknown")[0] == 0
        assert call("weights", "convert", "one.pt", "--for", "net.dlspec", "-o", "again.safetensors")[0] == 0
        assert sorted(load_file("again.safetensors")) == ["embed.weight", "head.weight"]
        once = ("weights", "convert", "one.pt", "--for", "net.dlspec", "--tied", "once", "-o", "once.safetensors")
        assert call(*once)[0] == 0
        assert list(load_file("once.safetensors")) == ["embed.weight"]
        assert torch.equal(torch.from_numpy(load_file("once.safetensors")["embed.weight"]), both["embed.weight"])
    assert call("weights", "init", "net.dlspec", "--tied", "once", "-o", "first.safetensors")[0] == 0
    assert list(load_file("first.safetensors")) == ["embed.weight"]
    assert call("weights", "diff", "net.dlspec", "first.safetensors")[0] == 0
    assert call("compile", "net.dlspec", "-o", "both.onnx", "--weights", "both.pt")[0] == 0
    assert len({Path(f"{name}.onnx").read_bytes() for name in (*both, "both")}) == 1
    assert call("compile", "net.dlspec", "-o", "net.py", "--weights", "one.pt")[0] == 0
    assert sorted(load_file("net.safetensors")) == ["embed.weight", "head.weight"]
    status, out, _ = call("verify", "net.dlspec", "--weights", "both.pt")
    assert (status, "params: 20 in the spec, 20 in PyTorch, 20 in ONNX" in out) == (0, True)


@pytest.mark.parametrize(
    "command", [["weights", "diff"], ["run"], ["compile", "-o", "x.onnx"], ["compile", "-o", "x.py"]], ids=str
)
def test_two_tensors_for_a_tied_weight_are_an_error(command: list[str], call: Call) -> None:
    Path("net.dlspec").write_text(TIED)
    torch.save({"embed.weight": torch.zeros(5, 4), "head.weight": torch.ones(5, 4)}, "w.pt")
    given = ["w.pt"] if command[0] == "weights" else ["--weights", "w.pt"]
    status, _, err = call(*command, "net.dlspec", *given)
    assert (status, Path("x.onnx").exists() or Path("x.py").exists()) == (2, False)
    assert "error[DL0604]: `head.weight` and `embed.weight` are one weight of Net, and differ" in err


def test_files_are_taken_together(call: Call, state: State) -> None:
    save_file(state, "plain.safetensors")
    save_file({"conv.weight": state.pop("conv.weight")}, "one.safetensors")
    torch.save(state, "two.pt")
    assert outputs(call, "--weights", "one.safetensors", "--weights", "two.pt") == outputs(
        call, "--weights", "plain.safetensors"
    )
    assert call("weights", "convert", "one.safetensors", "two.pt", "-o", "both.safetensors")[0] == 0
    assert len(load_file("both.safetensors")) == 6


@pytest.mark.parametrize(
    "command", [["weights", "diff"], ["run"], ["compile", "-o", "x.onnx"], ["compile", "-o", "x.py"]], ids=str
)
def test_a_missing_counter_is_a_warning_everywhere(command: list[str], call: Call, state: State) -> None:
    del state["bn.num_batches_tracked"]
    save_file(state, "w.safetensors")
    given = ["w.safetensors"] if command[0] == "weights" else ["--weights", "w.safetensors"]
    status, _, err = call(*command, "net.dlspec", *given)
    assert status == 0
    assert err.startswith(
        "warning[DL0602]: the weight `bn.num_batches_tracked` is missing, a counter, and begins anew\n"
    )


@pytest.mark.parametrize("prefix", ["module", "_orig_mod", "model", "_orig_mod.module", "net.backbone"])
@pytest.mark.parametrize(
    "command", [["weights", "diff"], ["run"], ["compile", "-o", "x.onnx"], ["compile", "-o", "x.py"]], ids=str
)
def test_a_beginning_of_all_names_is_one_error(prefix: str, command: list[str], call: Call, state: State) -> None:
    torch.save({f"{prefix}.{name}": tensor for name, tensor in state.items()}, "w.pt")
    given = ["w.pt"] if command[0] == "weights" else ["--weights", "w.pt"]
    status, _, err = call(*command, "net.dlspec", *given)
    assert (status, err.count("error[")) == (2, 1)
    assert f"--strip-prefix {prefix} takes it off" in err
    assert call(*command, "net.dlspec", *given, "--strip-prefix", prefix)[0] == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.float8_e4m3fn], ids=str)
def test_other_element_types_are_converted(dtype: torch.dtype, call: Call, state: State) -> None:
    narrow = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    torch.save(narrow, "w.pt")
    status, _, err = call("compile", "net.dlspec", "-o", "x.onnx", "--weights", "w.pt")
    assert (status, "--dtype float32` converts them" in err) == (2, True)
    assert call("weights", "convert", "w.pt", "-o", "w.safetensors", "--dtype", "float32")[0] == 0
    assert call("compile", "net.dlspec", "-o", "x.onnx", "--weights", "w.safetensors")[0] == 0
    found = load_file("w.safetensors")
    for name, tensor in narrow.items():
        np.testing.assert_array_equal(found[name], tensor.float().numpy())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_of_the_element_type_that_is_asked_for(dtype: str, call: Call, state: State) -> None:
    kind = getattr(torch, dtype)
    state = {name: w.to(kind).float() if name.startswith("bn.") and w.dim() else w for name, w in state.items()}
    save_file(state, "wide.safetensors")  # BatchNorm stays float32, so the digits that a file has of it stay too
    assert call("weights", "convert", "wide.safetensors", "-o", "w.safetensors", "--dtype", dtype)[0] == 0
    for name, file in (("a", "w"), ("b", "wide")):
        status, _, err = call(
            "compile", "net.dlspec", "-o", f"{name}.onnx", "--dtype", dtype, "--weights", f"{file}.safetensors"
        )
        assert (status, err) == (0, "")
    assert Path("a.onnx").read_bytes() == Path("b.onnx").read_bytes()


def test_a_model_of_16_bits_may_be_larger_than_memory(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights are drawn as they are written, or stay in the file that has them; they begin as those of 32 bits."""
    Path("net.dlspec").write_text("network Net(x: float[N, 300]) -> y { x -> Linear(300) -> Linear(40) }\n")
    assert call("weights", "init", "net.dlspec", "-o", "wide.safetensors", "--seed", "3")[0] == 0
    assert call("weights", "convert", "wide.safetensors", "-o", "w.safetensors", "--dtype", "bfloat16")[0] == 0
    narrow = ("compile", "net.dlspec", "--dtype", "bfloat16")
    assert call(*narrow, "-o", "a.onnx", "--weights", "wide.safetensors")[0] == 0
    monkeypatch.setattr(room, "free_memory", lambda: 100)
    for name, given in (("b", ("--seed", "3")), ("c", ("--weights", "w.safetensors"))):
        assert call(*narrow, "-o", f"{name}.onnx", *given)[:1] == (0,)
        assert Path(f"{name}.onnx").read_bytes() == Path("a.onnx").read_bytes()
    status, _, err = call(*narrow, "-o", "d.onnx", "--weights", "wide.safetensors")
    assert (status, "are free in memory" in err) == (1, True)


def test_what_16_bits_do_not_hold_is_not_drawn(call: Call) -> None:
    Path("net.dlspec").write_text("network Net(x: float[N, 3]) -> y { x -> Linear(4, weight_init=normal(0, 4e4)) }\n")
    status, _, err = call("compile", "net.dlspec", "-o", "a.onnx", "--dtype", "float16", "--seed", "2")
    assert (status, "error[DL0209]: the weight `0.weight` has a largest number of " in err) == (1, True)
    assert not Path("a.onnx").exists()
    assert call("compile", "net.dlspec", "-o", "a.onnx", "--dtype", "bfloat16")[0] == 0


def test_numbers_that_do_not_fit_are_not_written(call: Call, state: State) -> None:
    state["bn.running_var"][2] = 497160.0
    save_file(state, "w.safetensors")
    status, _, err = call("weights", "convert", "w.safetensors", "-o", "x.safetensors", "--dtype", "float16")
    assert (status, "`bn.running_var` has 497160, and float16 holds numbers up to 65504" in err) == (2, True)
    assert not Path("x.safetensors").exists()


def test_only_what_a_network_has_is_converted(call: Call, state: State) -> None:
    torch.save(state | {"head.weight": torch.ones(2)}, "w.pt")
    assert call("weights", "convert", "w.pt", "-o", "x.safetensors", "--for", "net.dlspec")[0] == 0
    assert load_file("x.safetensors").keys() == state.keys()


WRONG: list[tuple[list[str], str]] = [
    (["run", "net.dlspec", "--key", "a"], "--key is for the files of --weights"),
    (["run", "net.dlspec", "--drop-unknown"], "--drop-unknown is for the files of --weights"),
    (["compile", "net.dlspec", "-o", "x.onnx", "--strip-prefix", "a"], "--strip-prefix is for the files of --weights"),
    (["run", "net.dlspec", "--weights", "w.pt", "--seed", "1"], "give one of the two"),
    (["run", "net.dlspec", "--weights", "w.pt", "--rename", "a"], "write --rename OLD=NEW"),
    (["run", "net.dlspec", "--weights", "w.pt", "--rename", "a=b"], "is called `a`, or begins so"),
    (["weights", "list", "none.pt"], "there is no file none.pt"),
    (["weights", "list", "w.pt", "--key", "x"], "it has no `x`"),
    (["weights", "convert", "w.pt", "-o", "x.npz"], "the formats are .safetensors and .pt"),
    (["weights", "convert", "w.pt", "-o", "x.pt", "--tied", "once"], "--tied needs --for"),
    (["weights", "convert", "w.pt", "-o", "x.pt", "--for", "std.lenet:LeNet5"], "has none of these weights"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_calls(arguments: list[str], message: str, call: Call, state: State) -> None:
    torch.save(state, "w.pt")
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    assert message in err


def test_files_that_were_written_apart_are_joined(call: Call, state: State) -> None:
    other = {name: tensor + 1 for name, tensor in state.items()}
    save_file(state, "one.safetensors")
    torch.save({"model": other, "epoch": 3}, "a=b.pt")
    status, out, err = call("weights", "merge", "small=one.safetensors", "deep.large=a=b.pt", "-o", "all.safetensors")
    assert (status, err) == (0, "")
    assert out.startswith("wrote all.safetensors, 12 tensors")
    found = load_file("all.safetensors")
    for path, given in (("small", state), ("deep.large", other)):
        for name, tensor in given.items():
            assert np.array_equal(found.pop(f"{path}.{name}"), tensor.numpy())
    assert not found
    assert call("weights", "merge", "one.safetensors", "-o", "same.safetensors")[0] == 0
    assert load_file("same.safetensors").keys() == state.keys()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["one.safetensors", "one.safetensors"], "`bn.bias` is in one.safetensors and in one.safetensors"),
        (["=one.safetensors"], "=one.safetensors: there is no path before ="),
        (["a=two.safetensors"], "there is no file two.safetensors"),
        (["a=net.dlspec"], "it is no file of weights"),
    ],
)
def test_what_cannot_be_joined(files: list[str], expected: str, call: Call, state: State) -> None:
    save_file(state, "one.safetensors")
    status, _, err = call("weights", "merge", *files, "-o", "all.safetensors")
    assert status == 2
    assert expected in err
    assert not Path("all.safetensors").exists()
