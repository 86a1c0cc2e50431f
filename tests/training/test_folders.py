"""Folders of images and masks in pairs, and the splits that somebody made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trains import Call, records, training

from dlspec.backends.runtime import RunError
from dlspec.training.batches import Batches, settled
from dlspec.training.opening import open_data
from dlspec.training.table import match

SEGMENT = """\
network Net(image: float[N, 3, 8, 8]) -> scores { image -> Conv(3, 3, padding=1) }
train Segment {
    data (image: float[N, 3, 8, 8], mask: int[N, 8, 8])
        -> RandomHorizontalFlip -> RandomCrop(8, padding=2)
    shared f = Net
    loss = cross_entropy(image -> f, mask)
    minimize loss over f using SGD(lr=0.1)
}
"""
PALETTE = [0, 0, 0, 255, 0, 0, 0, 255, 0]


def pairs(folder: Path, count: int, mode: str = "P", size: int = 8) -> None:
    """Images whose red is the class of each pixel times 100, and masks with a palette or grey."""
    for inner in ("images", "masks"):
        (folder / inner).mkdir(parents=True)
    for index in range(count):
        mask = np.random.default_rng(index).integers(0, 3, (size, size), np.uint8)
        pixels = np.stack([100 * mask, np.full_like(mask, index), mask], 2)
        Image.fromarray(pixels).save(folder / "images" / f"{index:02}.png")
        picture = Image.fromarray(mask)
        if mode == "P":
            picture.putpalette(PALETTE)
        picture.save(folder / "masks" / f"{index:02}.{'gif' if index == 1 else 'png'}")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("mode", ["P", "L"])
@pytest.mark.parametrize("given", [["set"], ["mask=set/masks", "image=set/images"]])
def test_an_image_and_its_mask_have_one_name(mode: str, given: list[str]) -> None:
    pairs(Path("set"), 6, mode)
    made = match(training(SEGMENT, "Segment"), open_data(given, {"image": 4, "mask": 3}, None))
    batches = Batches(made, np.arange(6), 6, 0)
    for batch in (settled(made, np.arange(6)), batches.at(3)):
        red = batch["image"][:, 0] * 255 / 100
        assert np.array_equal(red.round().long().numpy(), batch["mask"].numpy())
        assert set(batch["mask"].unique().tolist()) == {0, 1, 2}
    batches.close()


def test_masks_are_scaled_to_the_nearest() -> None:
    pairs(Path("set"), 3)
    text = SEGMENT.replace("8, 8]", "5, 4]").replace(" -> RandomCrop(8, padding=2)", "")
    made = match(training(text, "Segment"), open_data(["set"], {"image": 4, "mask": 3}, (5, 4)))
    mask = settled(made, np.arange(3))["mask"]
    assert mask.shape == (3, 5, 4)
    assert set(mask.unique().tolist()) <= {0, 1, 2}


def test_images_of_two_sizes_by_the_names_of_the_data() -> None:
    for name, size in (("small", 4), ("large", 8)):
        Path("set", name).mkdir(parents=True)
        for index in range(3):
            Image.new("L", (size, size), index).save(f"set/{name}/{index}.png")
    text = """\
train Enlarge {
    data small: float[N, 1, 4, 4]
    data large: float[N, 1, 8, 8]
    param w: float[1] = 1.0
    minimize mean(small * w) + mean(large * w) over w using SGD(lr=1e-2)
}
"""
    made = match(training(text, "Enlarge"), open_data(["set"], {"small": 4, "large": 4}, None))
    batch = settled(made, np.array([2, 0]))
    assert batch["small"].shape == (2, 1, 4, 4)
    assert (batch["large"][:, 0, 0, 0] * 255).round().tolist() == [2, 0]


def test_a_run_with_what_is_held_out_given(call: Call) -> None:
    Path("seg.dlspec").write_text(
        SEGMENT.replace("\n        -> RandomHorizontalFlip -> RandomCrop(8, padding=2)", " -> RandomCrop(8)")
    )
    pairs(Path("set/train"), 8)
    pairs(Path("set/val"), 4)
    run = "train", "seg.dlspec", "--epochs", "1", "--batch-size", "4"
    status, out, err = call(*run, "--data", "set", "--out", "whole")
    assert (status, err) == (0, "")
    assert "8 examples to train on, 4 held out" in out
    assert "held out mask: 4 images of set/val/masks as numbers of classes" in out
    parts = ["--data", "image=set/train/images", "--data", "mask=set/train/masks"]
    held = ["--val-data", "image=set/val/images", "--val-data", "mask=set/val/masks"]
    assert call(*run, *parts, *held, "--out", "named")[0] == 0
    assert records("whole") == records("named")
    shown = call("train", "seg.dlspec", "--data", "set/val", "--out", "whole", "--eval")[1]
    assert f"f {records('whole')[-1]['held_out']['objectives']['f']:.4g}" in shown
    alone = call(*run, "--data", "set/train", "--out", "whole", "--resume")
    assert (alone[0], "the run that goes on had other numbers" in alone[2]) == (2, True)


def _without(path: str) -> Callable[[], None]:
    return Path(path).unlink


def _colours() -> None:
    for index in range(3):
        Image.new("RGB", (8, 8)).save(f"set/masks/{index:02}.{'gif' if index == 1 else 'png'}", "PNG")


WRONG: list[tuple[Callable[[], object], list[str], str]] = [
    (_without("set/masks/02.png"), ["set"], "set/images/02.png has none of its name in set/masks"),
    (_without("set/images/00.png"), ["set"], "set/masks/00.png has none of its name in set/images"),
    (_colours, ["set"], "00.png has the colours RGB, and numbers of classes are asked for"),
    (lambda: Path("set/images/00.png").rename("set/images/01.jpg"), ["set"], "have one name"),
    (lambda: Path("set/masks/00.png").write_bytes(b"P"), ["set"], "set/masks/00.png is not an image that can be read"),
    (lambda: Path("more").mkdir(), ["image=set/images", "mask=more"], "more has no images"),
    (lambda: None, ["image=set/images"], "the data `mask: int[N, 8, 8]` of `Segment` is not given"),
    (lambda: None, ["image=set/images", "image=set/masks"], "the data `image` is given twice"),
]


@pytest.mark.parametrize(("damage", "given", "message"), WRONG, ids=[message for _, _, message in WRONG])
def test_pairs_that_are_none(damage: Callable[[], object], given: list[str], message: str) -> None:
    pairs(Path("set"), 3)
    damage()
    with pytest.raises(RunError) as error:
        settled(match(training(SEGMENT, "Segment"), open_data(given, {"image": 4, "mask": 3}, None)), np.arange(3))
    assert message in str(error.value)


def test_a_mask_of_black_and_white_that_is_no_class(call: Call) -> None:
    Path("seg.dlspec").write_text(SEGMENT)
    pairs(Path("set"), 3)
    Image.new("L", (8, 8), 255).save("set/masks/02.png")
    status, _, err = call("train", "seg.dlspec", "--data", "set", "--out", "run")
    assert (status, Path("run").exists()) == (2, False)
    assert "`mask` has the number 255, and `cross_entropy` at seg.dlspec:6 knows 0 to 2" in err
    assert "ignore_index=255, or `float[N, 1, 8, 8]` for a mask of shades?" in err


CLASSES = """\
train Fit {
    data image: float[N, 3, 4, 4]
    data label: int[N]
    param w: float[1] = 1.0
    shown = cast(max(label), "float")
    minimize mean(image * w) over w using SGD(lr=1e-2)
}
"""


def test_classes_that_are_held_out_have_the_numbers_of_those_trained_on(call: Call) -> None:
    Path("fit.dlspec").write_text(CLASSES)
    for folder in ("zoo/training/ant", "zoo/training/bee", "zoo/training/cat", "zoo/test/cat", "other/cow"):
        Path(folder).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(f"{folder}/0.png")
        Image.new("RGB", (4, 4)).save(f"{folder}/1.png")
    run = "train", "fit.dlspec", "--epochs", "1", "--batch-size", "2"
    assert call(*run, "--data", "zoo", "--out", "a")[0] == 0
    assert records("a")[-1]["held_out"]["named"]["shown"] == 2.0
    assert "shown 2\n" in call("train", "fit.dlspec", "--data", "zoo/test", "--out", "a", "--eval")[1]
    status, _, err = call(*run, "--data", "zoo/training", "--val-data", "other", "--out", "b")
    assert (status, "the class `cow` is none of those that are trained on" in err) == (2, True)
    for arguments, message in (
        (
            ["--data", "zoo", "--val-fraction", "0.5"],
            "--val-fraction draws what is held out, and zoo/test is that already",
        ),
        (["--data", "zoo", "--eval", "a/checkpoints/3.pt"], "zoo has splits, and one set is asked for"),
        (["--data", "zoo", "--val-data", "zoo/test"], "zoo has splits, and one set is asked for"),
        (["--data", "zoo/test", "--val-data", "zoo/test", "--eval", "x.pt"], "--val-data is for training"),
    ):
        status, _, err = call(*run, *arguments, "--out", "c")
        assert (status, message in err, Path("c").exists()) == (2, True, False), err


def test_texts_that_are_held_out_have_the_numbers_of_those_trained_on(call: Call) -> None:
    Path("fit.dlspec").write_text(CLASSES.replace("image: float[N, 3, 4, 4]", "image: float[N, 1]"))
    Path("a.csv").write_text("image,label\n0.5,ant\n0.5,bee\n0.5,cat\n0.5,dog\n")
    Path("b.csv").write_text("image,label\n0.5,dog\n0.5,cat\n")
    run = "train", "fit.dlspec", "--data", "image=a.csv:image", "--data", "label=a.csv:label", "--epochs", "1"
    held = "--val-data", "image=b.csv:image", "--val-data", "label=b.csv:label", "--batch-size", "2", "--out", "a"
    assert call(*run, *held)[0] == 0
    assert records("a")[-1]["held_out"]["named"]["shown"] == 3.0
