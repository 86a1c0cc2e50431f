"""Batches that processes of their own prepare are those of the run without them; a run with them that is killed goes on in
test_resume.py."""

from __future__ import annotations

import os
import signal
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from trains import Call, training

from dlspec.backends.runtime import RunError
from dlspec.training.batches import Batches
from dlspec.training.loading import Loader, check_workers, in_worker
from dlspec.training.opening import open_data
from dlspec.training.table import match

ALL = """\
train Fit {
    data (image: float[N, 3, 64, 64] -> RandomContrast(0.5) -> RandomLighting(0.1) -> RandomAffine(10, [0.1, 0.2])
            -> RandomPerspective -> GaussianNoise(0.1) -> Normalize(0.5, 0.5),
        mask: int[N, 64, 64]) -> RandomHorizontalFlip -> RandomRotation(20) -> RandomCrop(64, padding=4)
    param w: float[1] = 1.0
    minimize mean(image * w) + mean(cast(mask, "float") * w) over w using SGD(lr=1e-2)
}
"""
PLAIN = """\
network Net(image: float[N, 3, 16, 16]) -> y { image -> Flatten -> Linear(3) }
train Fit {
    data image: float[N, 3, 16, 16] -> RandomCrop(16, padding=2)
    data label: int[N]
    shared f = Net
    loss = cross_entropy(image -> f, label)
    minimize loss over f using SGD(lr=1e-2)
}
"""


@pytest.mark.parametrize("size", [1, 3])  # one image of many pixels is added up in parts where there are threads
def test_workers_make_the_very_batches(size: int, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    image = draw.random((6, 3, 64, 64), np.float32)
    np.savez(tmp_path / "d.npz", image=image, mask=draw.integers(0, 9, (6, 64, 64)))
    made = match(training(ALL, "Fit"), open_data([str(tmp_path / "d.npz")], {"image": 4, "mask": 3}, None))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    alone, beside = (Batches(made, np.arange(6), size, 0, taken=2, workers=workers) for workers in (0, 2))
    try:
        for _ in range(5):
            first, second = next(alone), next(beside)
            assert all(torch.equal(first[name], second[name]) for name in ("image", "mask"))
        beside.go_to(1)
        assert torch.equal(next(beside)["image"], alone.at(1)["image"])
    finally:
        torch.set_num_threads(threads)
        alone.close()
        beside.close()


def zoo(folder: str, broken: bool = False) -> None:
    draw = np.random.default_rng(1)
    for index in range(24):
        path = Path(folder, "abc"[index % 3], f"{index:02}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
    if broken:
        path = Path(folder, "b", "10.png")
        path.write_bytes(path.read_bytes()[:-200])  # its head is whole


def test_a_file_that_a_worker_cannot_read(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("fit.dlspec").write_text(PLAIN)
    zoo("zoo", broken=True)
    monkeypatch.setattr("dlspec.training.examples.fingerprint", lambda *tables: "")  # which reads all of so small a set
    run = "train", "fit.dlspec", "--data", "zoo", "--batch-size", "4", "--val-fraction", "0", "--workers", "2"
    status, _, err = call(*run, "--out", "a")
    assert status == 2
    assert err.startswith("error: zoo/b/10.png is not an image that can be read")
    assert "Traceback" not in err


def test_a_worker_that_is_killed() -> None:
    def make(number: int) -> dict[str, torch.Tensor]:
        if in_worker() and number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"x": torch.tensor(number)}

    loader = Loader(make, count(), 1)
    with pytest.raises(RunError, match="a process that prepares batches was ended from outside"):
        list(loader)
    loader.close()


def test_what_is_loaded_ends() -> None:
    for workers in (0, 1):
        loader = Loader(lambda number: {"x": torch.tensor(number)}, range(3), workers)
        assert [int(batch["x"]) for batch in loader] == [0, 1, 2]
        assert next(loader, None) is None
        loader.close()


def test_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    check_workers(256)
    with pytest.raises(RunError, match="--workers 257 are more than"):
        check_workers(257)
    monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda: ["spawn"])
    check_workers(0)
    with pytest.raises(RunError, match="this system cannot fork"):
        check_workers(1)
