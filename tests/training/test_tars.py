"""Shards: tar files in which the files of one name are an example."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trains import Call, records, training

from dlspec.backends.runtime import RunError
from dlspec.training.batches import settled
from dlspec.training.opening import open_data
from dlspec.training.table import Table, match

TRAIN = """\
network Net(image: float[N, 3, 8, 8]) -> scores { image -> Conv(3, 3, padding=1) }
train Fit {
    data image: float[N, 3, 8, 8]
    data label: int[N]
    data mask: int[N, 8, 8]
    data depth: float[N, 8, 8]
    shared f = Net
    scores = image -> f
    minimize cross_entropy(scores, mask) + mean(scores[:, 0] * depth) + mean(cast(label, "float")) * mean(scores)
        over f using SGD(lr=0.1)
}
"""
ALL = ["s/a-{00..01}.tar"]
NAMED = ["image=s/*.tar:png", "label=s/*.tar:cls", "mask=s/*.tar:mask.png", "depth=s/*.tar:depth.npy"]


def content(index: int, ending: str) -> bytes:
    """What an example has: its number is in all of it."""
    buffer = io.BytesIO()
    if ending == "png":
        Image.new("RGB", (8, 8), (index, 0, 0)).save(buffer, "PNG")
    elif ending == "mask.png":
        Image.fromarray(np.full((8, 8), index % 3, np.uint8)).save(buffer, "PNG")
    elif ending == "depth.npy":
        np.save(buffer, np.full((8, 8), index, np.float32))
    else:
        return {"cls": str(index), "json": json.dumps({"index": index})}[ending].encode()
    return buffer.getvalue()


def shard(path: str, examples: range, change: Callable[[str, bytes], bytes | None] = lambda name, made: made) -> None:
    Path(path).parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("readme"), io.BytesIO())
        for index in examples:
            for ending in ("png", "cls", "mask.png", "depth.npy", "json"):
                info = tarfile.TarInfo(f"v1.0/{index:04}.{ending}")
                made = change(info.name, content(index, ending))
                if made is not None:
                    info.size = len(made)
                    tar.addfile(info, io.BytesIO(made))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def opened(given: list[str], resize: tuple[int, int] | None = None) -> Table:
    made = training(TRAIN, "Fit")
    return match(made, open_data(given, {one.value.name: one.value.type.rank for one in made.data}, resize))


@pytest.mark.parametrize("given", [ALL, NAMED])
def test_examples_of_all_shards(given: list[str]) -> None:
    shard("s/a-00.tar", range(5))
    shard("s/a-01.tar", range(5, 9))
    made = opened(given)
    order = np.array([7, 0, 4, 5, 8])
    batch = settled(made, order)
    assert made.examples == 9
    assert (batch["image"][:, 0, 0, 0] * 255).round().tolist() == order.tolist() == batch["label"].tolist()
    assert batch["mask"][:, 3, 3].tolist() == (order % 3).tolist()
    assert batch["depth"][:, 2, 2].tolist() == order.tolist()


def test_webdataset_reads_the_same() -> None:
    """Where the package is: what it makes of the same shard, in order."""
    webdataset = pytest.importorskip("webdataset")
    shard("s/a-00.tar", range(4))
    theirs = [sample["cls"] for sample in webdataset.WebDataset("s/a-00.tar", shardshuffle=False).decode()]
    assert settled(opened(["s/a-00.tar"]), np.arange(4))["label"].tolist() == theirs


def test_a_run_goes_on_exactly(call: Call) -> None:
    shard("s/a-00.tar", range(6))
    shard("s/a-01.tar", range(6, 12))
    Path("fit.dlspec").write_text(TRAIN)
    run = "train", "fit.dlspec", "--data", *ALL, "--batch-size", "3", "--log-every", "1", "--val-fraction", "0"
    assert call(*run, "--steps", "6", "--out", "a")[0] == 0
    assert call(*run, "--steps", "2", "--out", "b")[0] == 0
    assert call(*run, "--steps", "6", "--out", "b", "--resume", "--workers", "1")[0] == 0
    assert [r["objectives"] for r in records("a")] == [r["objectives"] for r in records("b")]


def test_texts_are_classes() -> None:
    shard(
        "s/a-00.tar", range(3), lambda name, made: [b"cat", b"ant", b"cat\n"][int(name[5:9])] if "cls" in name else made
    )
    assert settled(opened(["s/a-00.tar"]), np.arange(3))["label"].tolist() == [1, 0, 1]


def _cut(path: str) -> None:
    Path(path).write_bytes(Path(path).read_bytes()[:-12_000])


def _broken_head(path: str) -> None:
    made = bytearray(Path(path).read_bytes())
    with tarfile.open(path) as tar:
        at = tar.getmembers()[6].offset
    made[at : at + 300] = b"x" * 300
    Path(path).write_bytes(made)


WRONG: list[tuple[str, list[str], str]] = [
    ("none", ["none.tar"], "there is no file none.tar"),
    ("none", ["s/b-*.tar"], "there is no file s/b-*.tar"),
    ("none", ["s/a-{9..3}.tar"], "{9..3} is no range of numbers"),
    ("none", ["image=s/a-00.tar"], "does not say which of its files"),
    ("none", ["s/a-00.tar:png"], "does not say of which data it is"),
    ("none", ["image=s/a-00.tar:pgn"], "s/a-00.tar has no .pgn"),
    ("none", ["image=s/a-00.tar:json"], ".json of s/a-00.tar is no image, array or class"),
    ("lacks", ALL[:1], "v1.0/0002 of s/a-00.tar has no .cls, which v1.0/0000 has"),
    ("cut", ALL[:1], "s/a-00.tar is not a tar file that can be read"),
    ("head", ALL[:1], "s/a-00.tar is damaged at byte"),
    ("image", ALL[:1], "v1.0/0002.png of s/a-00.tar is not an image that can be read"),
    ("array", ALL[:1], "v1.0/0001.depth.npy of s/a-00.tar is float32 [1], and the first float32 [8, 8]"),
    ("gzip", ["s/a-00.tar.gz"], "shards are read where they stand: unpack it to .tar"),
    ("size", ALL[:1], "the images have several sizes (height x width): v1.0/0000.png of s/a-00.tar is 8x8"),
]


@pytest.mark.parametrize(("damage", "given", "message"), WRONG, ids=[f"{d} {g}" for d, g, _ in WRONG])
def test_shards_that_are_wrong(damage: str, given: list[str], message: str) -> None:
    one, large = io.BytesIO(), io.BytesIO()
    np.save(one, np.zeros(1, np.float32))
    Image.new("RGB", (9, 8)).save(large, "PNG")
    changed = {
        "lacks": ("0002.cls", None),
        "image": ("0002.png", b"\x89PNG"),
        "array": ("0001.depth.npy", one.getvalue()),
        "size": ("0002.png", large.getvalue()),
    }
    ending, new = changed.get(damage, ("nothing", None))
    shard("s/a-00.tar", range(4), lambda name, made: new if name.endswith(ending) else made)
    shard("s/a-01.tar", range(4, 5))
    if damage == "gzip":
        with tarfile.open("s/a-00.tar.gz", "w:gz") as tar:
            tar.add("s/a-00.tar")
    if damage in ("cut", "head"):
        {"cut": _cut, "head": _broken_head}[damage]("s/a-00.tar")
    with pytest.raises(RunError) as error:
        settled(opened(given), np.arange(4))
    assert message in f"{error.value} {error.value.hint}"
