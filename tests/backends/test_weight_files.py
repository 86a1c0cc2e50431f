"""Weights from the files that people have, and files that are none."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from safetensors.torch import save_file
from torch import nn

from dlspec.backends.weight_files.read import Reading, load_weights, read_weights
from dlspec.backends.weight_files.write import as_dtype, write_weights
from dlspec.diagnostics import DlspecError, Hinted


class Inner(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x))


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(Inner(3), nn.ReLU(), Inner(4))
        self.scale = nn.Parameter(torch.arange(6.0).reshape(2, 3).t())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x) * self.scale.sum()


torch.manual_seed(0)
MODULE = Outer().eval()
STATE = {name: tensor.detach() for name, tensor in MODULE.state_dict().items()}


def as_onnx(path: Path) -> None:
    weights = [numpy_helper.from_array(tensor.contiguous().numpy(), name) for name, tensor in STATE.items()]
    y = helper.make_tensor_value_info("y", 1, None)
    graph = helper.make_graph([helper.make_node("Identity", ["scale"], ["y"])], "g", [], [y], weights)
    onnx.save_model(helper.make_model(graph), path)


def scripted(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(MODULE).save(path)


def traced(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(MODULE, torch.ones(1, 3, 9, 9)).save(path)


def saved(content: Any, **options: Any) -> Callable[[Path], None]:
    return lambda path: torch.save(content, path, **options)


WHOLE: dict[str, tuple[Callable[[Path], None], str | None]] = {
    "state dict": (saved(STATE), None),
    "before 1.6": (saved(STATE, _use_new_zipfile_serialization=False), None),
    "protocol 4": (saved(STATE, pickle_protocol=4), None),
    "of a module": (saved(MODULE.state_dict()), None),
    "parameters": (saved({name: nn.Parameter(t, False) if t.is_floating_point() else t for name, t in STATE.items()}), None),
    "with numbers beside": (saved({**STATE, "epoch": 3, "name": "x", "best": None}), None),
    **{
        f"under {name}": (saved({name: STATE, "epoch": 3, "optimizer": {"state": {0: {"step": 1}}}}), None)
        for name in ("state_dict", "model_state_dict", "model", "params", "params_ema", "ema", "net", "module", "mine")
    },
    "under two": (saved({"model": {"state_dict": STATE}, "epoch": 3}), None),
    "beside another, by key": (saved({"model": {"x": torch.ones(2)}, "ema": STATE}), "ema"),
    "by a key of two": (saved({"a": {"b": STATE, "c": {"x": torch.ones(1)}}}), "a.b"),
    "by a key with a dot": (saved({"a.b": {"c": STATE}, "a": {"x": torch.ones(1)}}), "a.b.c"),
    "beside the state of an optimizer": (
        saved({"model": STATE, "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}}), None,
    ),
    "scripted": (scripted, None),
    "traced": (traced, None),
    "safetensors": (lambda path: save_file({n: t.contiguous() for n, t in STATE.items()}, path), None),
    "onnx": (as_onnx, None),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_every_kind_of_file_is_read(name: str, tmp_path: Path) -> None:
    write, key = WHOLE[name]
    path = tmp_path / "weights.bin"  # what it is, is in the file
    write(path)
    found = load_weights(path, key)
    assert found.keys() == STATE.keys()
    for path_, tensor in STATE.items():
        assert found[path_].dtype.name == str(tensor.dtype).removeprefix("torch.")
        np.testing.assert_array_equal(found[path_], tensor.numpy())


ELEMENTS = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e8m0fnu,
    torch.complex64,
]  # fmt: skip


@pytest.mark.parametrize("kind", ["pt", "safetensors"])
@pytest.mark.parametrize("dtype", ELEMENTS, ids=str)
def test_every_element_type_is_read(dtype: torch.dtype, kind: str, tmp_path: Path) -> None:
    tensor = torch.tensor([1.0, 2.0, 4.0]).to(dtype)
    path = tmp_path / f"x.{kind}"
    save_file({"x": tensor}, path) if kind == "safetensors" else torch.save({"x": tensor}, path)
    array = load_weights(path)["x"]
    assert array.dtype.name == str(dtype).removeprefix("torch.")
    np.testing.assert_array_equal(array.astype(np.complex64).real, [1, 2, 4])


def test_views_are_what_they_were(tmp_path: Path) -> None:
    base = torch.arange(24.0)
    views = {
        "turned": base.reshape(4, 6).t(), "part": base[5:9], "steps": base[::5], "expanded": base[3:4].expand(7),
        "empty": base[:0], "scalar": base[2], "none": torch.empty(0, 3), "same": base,
    }  # fmt: skip
    for old in (True, False):
        torch.save(views, tmp_path / "x.pt", _use_new_zipfile_serialization=not old)
        found = load_weights(tmp_path / "x.pt")
        for name, tensor in views.items():
            assert found[name].shape == tuple(tensor.shape)
            np.testing.assert_array_equal(found[name], tensor.numpy())


def test_it_needs_no_torch(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "x.pt")
    program = "import sys; sys.modules['torch'] = None; from dlspec.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, "weights", "list", tmp_path / "x.pt"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "body.0.conv.weight" in done.stdout


def with_warnings(make: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("touched",)


ONES = torch.ones(4)
ODD: dict[str, tuple[Callable[[], Any], str]] = {
    "sparse": (lambda: {"x": ONES.to_sparse()}, "`x` is a sparse tensor"),
    "quantised": (
        lambda: {"x": with_warnings(lambda: torch.quantize_per_tensor(ONES, 0.1, 0, torch.qint8))},
        "`x` is a quantised tensor",
    ),
    "meta": (lambda: {"x": torch.empty(3, device="meta")}, "which has no values"),
    "conjugated": (lambda: {"x": torch.ones(2, dtype=torch.complex64).conj()}, "conjugated"),
    "expanded to 2^40": (lambda: {"x": torch.ones(1).expand(2**40)}, "far more than the file"),
    "many expanded to 2^26": (
        lambda: {str(i): torch.ones(1).expand(2**26) for i in range(20)},
        "far more than the file",
    ),
    "keys that are ints": (lambda: {0: ONES, 1: ONES}, "names that are no text, such as 0"),
    "a list": (lambda: [ONES], "it holds no weights"),
    "a tensor": (lambda: ONES, "it holds no weights"),
    "nothing": (dict, "it holds no weights"),
    "none": (lambda: None, "it holds no weights"),
    "a module": (lambda: MODULE, "test_weight_files.Outer`, which is code"),
    "a module in it": (lambda: {"model": MODULE, "epoch": 1}, "test_weight_files.Outer`, which is code"),
    "several": (lambda: {"model": {"x": ONES}, "ema": {"x": ONES}}, "several names: `model`, `ema`"),
    "several of other names": (lambda: {"g": {"x": ONES}, "d": {"x": ONES}}, "several names: `g`, `d`"),
    "code that it would run": (lambda: {"x": Evil()}, "mkdir`, which is code"),
}


@pytest.mark.parametrize("old", [False, True], ids=["zip", "before 1.6"])
@pytest.mark.parametrize("name", ODD)
def test_what_is_no_state_dict_is_one_error(
    name: str, old: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make, message = ODD[name]
    torch.save(make(), "x.pt", _use_new_zipfile_serialization=not old)
    assert_refused(Path("x.pt"), message)
    assert not Path("touched").exists()


def assert_refused(path: Path, message: str, key: str | None = None) -> None:
    with pytest.raises(DlspecError) as caught:
        load_weights(path, key)
    (found,) = caught.value.diagnostics
    assert found.code == "DL0601"
    assert found.span.source.name == str(path)
    assert str(path) in found.message
    assert message in f"{found.message} {found.hint}"
    assert found.message.isprintable()


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a/data.pkl", "w") as member:
        for _ in range(1100):
            member.write(bytes(1 << 20))


NOT_WEIGHTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "a folder": (Path.mkdir, "Is a directory"),
    "text": (lambda path: path.write_text("root:x:0:0\n"), "it is no file of weights"),
    "another pickle": (lambda path: path.write_bytes(pickle.dumps(Evil())), "it is a pickle, and not of torch.save"),
    "a pointer": (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
    "a header of text": (
        lambda path: path.write_bytes(b"\x10" + bytes(7) + b"{" + bytes(99)),
        "not a safetensors file",
    ),
    "a header that is too long": (
        lambda path: path.write_bytes(b"\xff" * 4 + bytes(4) + b"{}"),
        "not a safetensors file",
    ),
    "onnx cut off": (lambda path: path.write_bytes(b"\x08\x0a\x3a\xff\xff"), "not an ONNX model"),
    "another archive": (lambda path: zipfile.ZipFile(path, "w").close(), "this archive has no data.pkl"),
    "an archive that unpacks to a GiB": (bomb, "would unpack to"),
}


@pytest.mark.parametrize("name", NOT_WEIGHTS)
def test_what_is_no_file_of_weights_is_one_error(name: str, tmp_path: Path) -> None:
    make, message = NOT_WEIGHTS[name]
    make(tmp_path / "x.bin")
    assert_refused(tmp_path / "x.bin", message)


def test_no_file_and_no_key(tmp_path: Path) -> None:
    assert_refused(tmp_path / "none.pt", "there is no file")
    torch.save({"model": STATE, "epoch": 3}, tmp_path / "x.pt")
    assert_refused(tmp_path / "x.pt", "it has no `mode` did you mean `model`?", "mode")
    assert_refused(tmp_path / "x.pt", "it has no `x` under `model`", "model.x")
    assert_refused(tmp_path / "x.pt", "it holds no weights under `epoch`", "epoch")


def test_initializers_in_a_file_beside_it_stay_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(16))
    folder = tmp_path / "model"
    folder.mkdir()
    weight = numpy_helper.from_array(np.ones(4, np.float32), "w")
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../secret")
    graph = helper.make_graph([], "g", [], [], [weight])
    (folder / "x.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    assert_refused(folder / "x.onnx", "not an ONNX model")


def files(tmp_path: Path, *contents: dict[str, float]) -> tuple[str, ...]:
    paths: list[str] = []
    for index, content in enumerate(contents):
        paths.append(str(tmp_path / f"{index}.safetensors"))
        write_weights({name: np.float32([value]) for name, value in content.items()}, Path(paths[-1]))
    return tuple(paths)


RENAMES: list[tuple[list[tuple[str, str]], dict[str, float]]] = [
    ([], {"module.a.w": 1, "module.b.w": 2, "ab": 3}),
    ([("module", "")], {"a.w": 1, "b.w": 2, "ab": 3}),
    ([("module.", "")], {"a.w": 1, "b.w": 2, "ab": 3}),
    ([("module.a", "x.y")], {"x.y.w": 1, "module.b.w": 2, "ab": 3}),
    ([("ab", "c")], {"module.a.w": 1, "module.b.w": 2, "c": 3}),
    ([("module", ""), ("a", "first")], {"first.w": 1, "b.w": 2, "ab": 3}),
    ([("*.w", "*.weight")], {"module.a.weight": 1, "module.b.weight": 2, "ab": 3}),
    ([("module.*.w", "*")], {"a": 1, "b": 2, "ab": 3}),
    ([("*", "net.*")], {"net.module.a.w": 1, "net.module.b.w": 2, "net.ab": 3}),
]


@pytest.mark.parametrize(("renames", "expected"), RENAMES, ids=lambda value: str(value)[:40])
def test_names_are_changed(renames: list[tuple[str, str]], expected: dict[str, float], tmp_path: Path) -> None:
    given = files(tmp_path, {"module.a.w": 1, "module.b.w": 2}, {"ab": 3})
    found = read_weights(Reading(given, None, tuple(renames)))
    assert {name: array[0] for name, array in found.items()} == expected


BAD_RENAMES: list[tuple[str, str, str]] = [
    ("modul", "", "did you mean `module`"),
    ("module.a", "module.b", "two of the weights would be called `module.b.w`"),
    ("ab", "", "`ab` would have no name"),
    ("*.w", "*.*", "has more `*`"),
    ("w", "weight", "none of the 3 weights"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD_RENAMES)
def test_changes_of_names_that_cannot_be(old: str, new: str, message: str, tmp_path: Path) -> None:
    given = files(tmp_path, {"module.a.w": 1, "module.b.w": 2}, {"ab": 3})
    with pytest.raises(Hinted) as caught:
        read_weights(Reading(given, None, ((old, new),)))
    assert message in f"{caught.value.message} {caught.value.hint}"


def test_a_weight_in_two_files(tmp_path: Path) -> None:
    first, second = files(tmp_path, {"a": 1}, {"a": 1})
    with pytest.raises(DlspecError, match="`a` is in") as caught:
        read_weights(Reading((first, second)))
    assert first in str(caught.value)
    assert second in str(caught.value)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("ending", ["safetensors", "pt"])
def test_other_element_types_are_written_and_read(dtype: str, ending: str, tmp_path: Path) -> None:
    tensors = {
        "half": np.float16([1, -2, np.inf]), "brain": np.array([1, -2, 3], ml_dtypes.bfloat16),
        "eight": np.array([1, -2, 3], ml_dtypes.float8_e4m3fn), "count": np.array(7, np.int64),
        "mask": np.array([True, False]),
    }  # fmt: skip
    write_weights(as_dtype(tensors, dtype), tmp_path / f"x.{ending}")
    found = load_weights(tmp_path / f"x.{ending}")
    assert {name: array.dtype.name for name, array in found.items()} == {
        "half": dtype, "brain": dtype, "eight": dtype, "count": "int64", "mask": "bool"
    }  # fmt: skip
    for name, array in tensors.items():
        np.testing.assert_array_equal(found[name].astype(np.float64), array.astype(np.float64))


def test_numbers_that_an_element_type_does_not_hold() -> None:
    with pytest.raises(Hinted, match="`var` has 497160, and float16 holds numbers up to 65504"):
        as_dtype({"var": np.float32([1, 497160])}, "float16")
    as_dtype({"var": np.float32([1, 497160])}, "bfloat16")
