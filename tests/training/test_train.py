"""`dlspec train` on real data: what it learns, and what it writes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file
from sklearn.datasets import load_digits
from trains import Call, everything, records

from dlspec.backends.runtime import Session


def test_lenet_learns_digits_and_goes_to_onnx(call: Call, tmp_path: Path) -> None:
    status, out, err = call("train", "lenet.dlspec", "--data", "digits", "--epochs", "8", "--out", "run")
    assert (status, err) == (0, "")
    assert out.startswith(
        "Classify: 1,617 examples to train on, 180 held out, 25 batches of 64 an epoch, seed 0, cpu\n"
        "data image: digits' images, float32 [1797, 1, 8, 8]\n"
        "data label: digits' classes by number, int64 [1797]\n"
        "step 200, epoch 8: classify "
    )
    ends = [record for record in records("run") if "held_out" in record]
    assert [record["epoch"] for record in ends] == list(range(1, 9))
    assert ends[-1]["held_out"]["named"]["accuracy"] > 0.97
    assert ends[-1]["held_out"]["objectives"]["classify"] < ends[0]["held_out"]["objectives"]["classify"]
    assert {path for path in everything(tmp_path) if not path.endswith(".dlspec")} == {
        f"run/{name}"
        for name in (
            "metrics.jsonl", "curves.png", "classes.png", "model.safetensors", "networks/classify.safetensors",
            "checkpoints/175.pt", "checkpoints/200.pt",
        )
    }  # fmt: skip
    trained = load_file("run/model.safetensors")
    assert {f"classify.{path}" for path in load_file("run/networks/classify.safetensors")} == set(trained)

    arguments = "compile", "lenet.dlspec:LeNet", "--weights", "run/networks/classify.safetensors", "-o", "net.onnx"
    assert call(*arguments)[0] == 0
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)[:, None]
    (logits,) = Session("net.onnx").run({"image": images}).values()
    assert (logits.argmax(1) == digits.target).mean() > 0.98


def test_records_have_steps_objectives_rates_and_named_numbers(call: Call) -> None:
    call("train", "mlp.dlspec", "--data", "digits", "--steps", "45", "--log-every", "5", "--val-fraction", "0.2")
    lines = records("runs/Fit")
    assert [line["step"] for line in lines] == [5, 10, 15, 20, 22, 25, 30, 35, 40, 44, 45]
    assert set(lines[0]) == {"step", "epoch", "objectives", "lr", "named"}
    assert [line["step"] for line in lines if "held_out" in line] == [22, 44, 45]
    assert [line["lr"]["f"] for line in lines if line["step"] in (5, 25, 45)] == [0.1, 0.05, 0.025]
    assert set(lines[4]["held_out"]["objectives"]) == {"f"}
    assert lines[0]["epoch"] == round(5 / 22, 4)


def test_samples_and_curves_are_pictures(call: Call) -> None:
    status, _, err = call("train", "gan.dlspec", "--data", "digits", "--steps", "14", "--out", "run")
    assert (status, err) == (0, "")
    assert everything(Path("run/samples")) == {
        "fake/00000013.png",
        "fake/00000014.png",
        "shown/00000013.png",
        "shown/00000014.png",
    }
    for path in (*Path("run/samples").rglob("*.png"), Path("run/curves.png")):
        with Image.open(path) as image:
            assert len(set(image.convert("L").tobytes())) > 5
    names = {path.stem for path in Path("run/networks").iterdir()}
    assert names == {"generate", "judge", "smooth"}
    followed, source = load_file("run/networks/smooth.safetensors"), load_file("run/networks/generate.safetensors")
    assert followed.keys() == source.keys()
    assert not np.array_equal(followed["0.weight"], source["0.weight"])


def test_times_takes_a_batch_each(call: Call) -> None:
    out = call("train", "gan.dlspec", "--data", "digits", "--epochs", "2", "--out", "run", "--batch-size", "150")[1]
    assert "10 batches of 150 an epoch" in out
    assert records("run")[-1]["step"] == 10  # two batches a step


def test_the_seed_is_the_run(call: Call) -> None:
    def losses(*arguments: str) -> list[object]:
        call("train", "gan.dlspec", "--data", "digits", "--steps", "3", "--log-every", "1", *arguments)
        return [record["objectives"] for record in records(arguments[1])]

    first = losses("--out", "a", "--seed", "1")
    assert losses("--out", "b", "--seed", "1") == first
    assert losses("--out", "c", "--seed", "2") != first


def test_looking_changes_nothing(call: Call) -> None:
    """How often metrics are taken, and whether something is held out at the end of it, is not part of the training."""
    for name, every in (("a", "1"), ("b", "100")):
        call("train", "gan.dlspec", "--data", "digits", "--steps", "8", "--log-every", every, "--out", name)
    first, second = (load_file(f"{name}/model.safetensors") for name in "ab")
    assert all(np.array_equal(first[path], second[path]) for path in first)


def test_a_run_is_not_written_over(call: Call) -> None:
    call("train", "mlp.dlspec", "--data", "digits", "--steps", "1")
    status, out, err = call("train", "mlp.dlspec", "--data", "digits", "--steps", "1")
    assert (status, out) == (2, "")
    assert re.search(r"runs/Fit holds a run\n.*--resume", err)


@pytest.mark.parametrize("precision", ["bf16-mixed"])
def test_other_precisions_learn_too(precision: str, call: Call) -> None:
    status, _, _ = call(
        "train", "mlp.dlspec", "--data", "digits", "--epochs", "3", "--precision", precision, "--out", "run"
    )
    assert status == 0
    assert records("run")[-1]["objectives"]["f"] < 1.0
    assert load_file("run/model.safetensors")["f.0.weight"].dtype == np.float32
