"""Files that were damaged on the way: each reader answers with the content, or with one error that has the file's name."""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
import shutil
import struct
import tarfile
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from PIL import Image
from safetensors.torch import save_file

from bench.peers import torchvision_models
from bench.robustness.tally import Tally
from dlspec.cli import main

SECONDS = 20
NET = """\
network Net(image: float[N, 3, 8, 8]) -> y { image -> Conv(4, 3) -> BatchNorm -> GlobalAvgPool -> Flatten }
"""
TRAIN = """\
network Net(x: float[N, 4]) -> y { x -> Linear(2) }
train Fit {
    data x: float[N, 4]
    data label: int[N]
    shared model = Net
    minimize cross_entropy(x -> model, label) over model using SGD(lr=0.1, momentum=0.9)
}
"""


SEGMENT = """\
network Net(image: float[N, 3, 8, 8]) -> y { image -> Conv(3, 3, padding=1) }
train Fit {
    data image: float[N, 3, 8, 8]
    data mask: int[N, 8, 8]
    shared model = Net
    minimize cross_entropy(image -> model, mask) over model using SGD(lr=0.1)
}
"""
MNIST = """\
network Net(image: float[N, 1, 28, 28]) -> y { image -> Flatten -> Linear(10) }
train Fit {
    data image: float[N, 1, 28, 28]
    data label: int[N]
    shared model = Net
    minimize cross_entropy(image -> model, label) over model using SGD(lr=0.1)
}
"""


def damaged(content: bytes, chance: random.Random) -> bytes:
    """One to three damages: cut off, bits turned, stretches taken out, doubled, zeroed, exchanged, or large numbers put in."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 3))):
        if not data:
            break
        early = chance.random() < 0.5  # heads are small, and say most
        at = chance.randrange(min(len(data), 200) if early else len(data))
        end = min(len(data), at + chance.choice((1, 2, 4, 8, 64, 512)))
        match chance.randrange(7):
            case 0:
                del data[at:]
            case 1:
                data[at] ^= 1 << chance.randrange(8)
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end]
            case 4:
                data[at:end] = bytes(end - at)
            case 5:
                data[at:end] = chance.randbytes(end - at)
            case _:
                data[at : at + 8] = chance.choice(
                    (b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\xff" * 4 + bytes(4), b"99999999")
                )
    return bytes(data)


def run(folder: Path, runs: int, seed: int, readers: list[str] | None = None) -> list[Tally]:
    """``runs`` damaged files for each reader."""
    folder.mkdir(parents=True, exist_ok=True)
    before = Path.cwd()
    os.chdir(folder)
    torch.set_num_threads(1)
    try:
        made = _files()
        return [_reader(name, made, runs, seed) for name in readers or READERS]
    finally:
        os.chdir(before)


def _reader(name: str, made: dict[str, bytes], runs: int, seed: int) -> Tally:
    tally = Tally("damaged files", name)
    file, arguments = READERS[name]
    chance = random.Random(f"{name}/{seed}")
    for index in range(runs):
        Path(file).write_bytes(damaged(made[file], chance))
        tally.note(_answered(arguments, file, f"{name}, run {index} of seed {seed}"))
    Path(file).write_bytes(made[file])
    status, _, err = called(arguments)
    if status:
        tally.failures.append(f"{name}: the whole file is refused: {err}")
    return tally


def called(arguments: list[str]) -> tuple[int, str, str]:
    """A command in this process: its status, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        status = main(arguments)
    return status, out.getvalue(), err.getvalue()


def _answered(arguments: list[str], file: str, place: str) -> str | None:
    """What is wrong with the answer to a file."""
    start = time.process_time()
    try:
        status, out, err = called(arguments)
    except BaseException as error:
        return f"{place}: {type(error).__name__}: {error}"
    if time.process_time() - start > SECONDS:
        return f"{place}: takes {time.process_time() - start:.0f} s"
    text = out + err
    if any(not c.isprintable() and c != "\n" for c in text):
        return f"{place}: a control character is printed"
    if status not in (0, 1, 2) or (status and not err):
        return f"{place}: status {status}, {err!r}"
    if status and (
        not any(part in err for part in (Path(file).stem, Path(file).parts[0]))
        or (status == 2 and len(re.findall("^error", err, re.M)) != 1 and err.count("DL06") < 1)
    ):
        return f"{place}: {err!r}"
    return None


def _weights(name: str) -> tuple[str, list[str]]:
    return name, ["weights", "list", name]


def _image(name: str) -> tuple[str, list[str]]:
    return name, ["run", "net.dlspec", "--repeat", "1", "--input", f"image={name}"]


READERS: dict[str, tuple[str, list[str]]] = {
    "spec": ("spec.dlspec", ["check", "spec.dlspec"]),
    "import": ("part.dlspec", ["check", "imports.dlspec"]),
    "safetensors": _weights("w.safetensors"),
    "torch.save": _weights("w.pt"),
    "torch.save before 1.6": _weights("old.pt"),
    "checkpoint of Lightning": _weights("l.ckpt"),
    "TorchScript": _weights("script.pt"),
    "ONNX": _weights("w.onnx"),
    "npy": _image("x.npy"),
    "npz": ("x.npz", ["run", "net.dlspec", "--repeat", "1", "--input", "x.npz"]),
    "npz, compressed": ("c.npz", ["run", "net.dlspec", "--repeat", "1", "--input", "c.npz"]),
    **{f"image, {ending}": _image(f"x.{ending}") for ending in ("png", "jpg", "gif", "bmp", "tif", "webp", "ppm")},
    "labels": ("labels.txt", ["run", "net.dlspec", "--repeat", "1", "--labels", "labels.txt"]),
    "table, csv": (
        "t.csv",
        ["train", "train.dlspec", "--data", "x=t.csv:a,b,c,d", "--data", "label=t.csv:kind", "--eval", "c.pt"],
    ),
    "mask in a folder of pairs": ("pairs/masks/0.png", ["train", "segment.dlspec", "--data", "pairs", "--eval", "s.pt"]),
    "shard, tar": ("shard.tar", ["train", "segment.dlspec", "--data", "shard.tar", "--eval", "s.pt"]),
    "images of torchvision's MNIST": (
        "MNIST/MNIST/raw/t10k-images-idx3-ubyte",
        ["train", "mnist.dlspec", "--data", "torchvision:MNIST:MNIST:test", "--eval", "m.pt"],
    ),
    "checkpoint of dlspec train": (
        "c.pt", ["train", "train.dlspec", "--data", "data.npz", "--out", "run", "--steps", "1", "--resume", "c.pt"],
    ),
    "metrics of dlspec train": (
        "logged/metrics.jsonl",
        ["train", "train.dlspec", "--data", "data.npz", "--out", "logged", "--steps", "3", "--resume", "c.pt"],
    ),
}  # fmt: skip


if find_spec("torchvision") is None:
    del READERS["images of torchvision's MNIST"]


def _files() -> dict[str, bytes]:
    """The whole files of all readers, by name."""
    Path("net.dlspec").write_text(NET)
    Path("train.dlspec").write_text(TRAIN)
    Path("spec.dlspec").write_text(NET + TRAIN.replace("Net", "Other"))
    Path("part.dlspec").write_text("block B { Linear(2) -> ReLU }\n")
    Path("imports.dlspec").write_text("from .part import B\nnetwork A(x: float[N, 4]) -> y { x -> B }\n")
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten())
    state = dict(module.state_dict())
    save_file(state, "w.safetensors")
    torch.save(state, "w.pt")
    torch.save(state, "old.pt", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": state, "epoch": 3, "hyper_parameters": {"lr": 0.1, "path": Path("x")}}, "l.ckpt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(module).save("script.pt")
    weights = [numpy_helper.from_array(tensor.numpy(), name) for name, tensor in state.items()]
    y = helper.make_tensor_value_info("y", 1, None)
    graph = helper.make_graph([helper.make_node("Identity", ["0.bias"], ["y"])], "g", [], [y], weights)
    onnx.save_model(helper.make_model(graph), "w.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    image = pixels.transpose(2, 0, 1)[None].astype(np.float32)
    np.save("x.npy", image)
    np.savez("x.npz", image=image)
    np.savez_compressed("c.npz", image=image)
    for ending in ("png", "jpg", "gif", "bmp", "tif", "webp", "ppm"):
        Image.fromarray(pixels).save(f"x.{ending}")
    Path("labels.txt").write_text("cat\ndog\nbird\nfish\n")
    rows = "\n".join(f"{i},{i / 2},-1e-3,4,{'ab'[i % 2]}" for i in range(8))
    Path("t.csv").write_text(f"a,b,c,d,kind\n{rows}\n")
    np.savez("data.npz", x=np.zeros((8, 4), np.float32), label=np.zeros(8, np.int64))
    shutil.rmtree("run", ignore_errors=True)
    given = ["train", "train.dlspec", "--data", "data.npz", "--val-fraction", "0", "--steps", "1", "--batch-size", "8"]
    assert called([*given, "--out", "run"])[0] == 0
    Path("c.pt").write_bytes(Path("run/checkpoints/1.pt").read_bytes())
    shutil.rmtree("logged", ignore_errors=True)
    shutil.copytree("run", "logged")
    _images_and_masks()
    if find_spec("torchvision") is not None:
        _mnist()
    names = {file for file, _ in READERS.values()}
    return {name: Path(name).read_bytes() for name in names}


def _images_and_masks() -> None:
    """Two pairs in folders and in a shard, and a checkpoint of a run on them."""
    Path("segment.dlspec").write_text(SEGMENT)
    draw = np.random.default_rng(0)
    for name, shape, top in (("images", (8, 8, 3), 256), ("masks", (8, 8), 3)):
        Path("pairs", name).mkdir(parents=True, exist_ok=True)
        for index in range(2):
            Image.fromarray(draw.integers(0, top, shape, np.uint8)).save(f"pairs/{name}/{index}.png")
    with tarfile.open("shard.tar", "w") as tar:
        for index in range(2):
            tar.add(f"pairs/images/{index}.png", f"{index}.png")
            tar.add(f"pairs/masks/{index}.png", f"{index}.mask.png")
    _trained("segment.dlspec", "pairs", "s.pt")


def _mnist() -> None:
    """The test files of MNIST with two images."""
    torchvision_models()
    Path("mnist.dlspec").write_text(MNIST)
    folder = Path("MNIST/MNIST/raw")
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4I", 0x803, 2, 28, 28) + bytes(2 * 28 * 28))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, 2) + bytes(2))
    _trained("mnist.dlspec", "torchvision:MNIST:MNIST:test", "m.pt")


def _trained(spec: str, data: str, checkpoint: str) -> None:
    """A run of one step, of which the checkpoint is kept."""
    shutil.rmtree("made", ignore_errors=True)
    given = ["train", spec, "--data", data, "--val-fraction", "0", "--steps", "1", "--batch-size", "2", "--out", "made"]
    assert called(given)[0] == 0
    Path(checkpoint).write_bytes(Path("made/checkpoints/1.pt").read_bytes())
