"""Where examples come from, how they are matched with `data`, and what is said where they do not fit."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trains import MLP, Call, training

from dlspec.backends.runtime import RunError
from dlspec.training.batches import Batches, batch_size, settled, split
from dlspec.training.extras import need
from dlspec.training.opening import open_data
from dlspec.training.table import Table, match

CLASSES = {"cat": 3, "ant": 2, "bee": 4}


def pictures(folder: Path, size: tuple[int, int] = (6, 5), mode: str = "RGB") -> None:
    """A folder for each class; every pixel of a picture has the number of its class and of itself, times ten."""
    for number, (name, count) in enumerate(sorted(CLASSES.items())):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            Image.new(mode, size[::-1], (10 * number, 10 * index, 200)).save(folder / name / f"{index}.png")


TEXT = """\
train Fit {{
    data {data}
    param w: float[1] = 1.0
    {body}
    minimize mean(({name} * w) ** 2) over w using SGD(lr=1e-2)
}}
"""


def table(data: str, given: list[str], body: str = "", resize: tuple[int, int] | None = None) -> Table:
    """The table of a `train` with this data; the first tensor of it is trained on."""
    made = training(TEXT.format(data=data, body=body, name=data.partition(":")[0]), "Fit")
    return match(made, open_data(given, {one.value.name: one.value.type.rank for one in made.data}, resize))


def test_a_folder_of_images_by_class(tmp_path: Path) -> None:
    pictures(tmp_path / "zoo")
    made = table("image: float[N, 3, 6, 5]\n    data label: int[N]", [str(tmp_path / "zoo")])
    batch = settled(made, np.arange(9))
    assert batch["label"].tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 2]  # ant, bee, cat
    assert batch["image"].shape == (9, 3, 6, 5)
    assert np.allclose(batch["image"][5].numpy(), np.array([10, 30, 200], np.float32)[:, None, None] / 255)


def test_a_folder_in_other_forms(tmp_path: Path) -> None:
    pictures(tmp_path / "zoo")
    zoo = [str(tmp_path / "zoo")]
    grey = table("x: float[N, 1, 6, 5]", zoo)
    assert np.allclose(settled(grey, np.arange(1))["x"], round(0.114 * 200) / 255, atol=1 / 255)
    assert settled(table("x: float[N, 90]", zoo), np.arange(2))["x"].shape == (2, 90)
    one_hot = table("x: float[N, 3, 6, 5]\n    data kind: float[N, 3]", zoo)
    assert settled(one_hot, np.array([4]))["kind"].tolist() == [[0, 1, 0]]
    resized = table("x: float[N, 3, 4, 4]", zoo, resize=(4, 4))
    assert settled(resized, np.arange(9))["x"].shape == (9, 3, 4, 4)
    flat = table("x: float[N, 3, H, W]", [str(tmp_path / "zoo" / "cat")])
    assert (flat.examples, flat.sizes) == (3, {"H": 6, "W": 5})


def test_deep_grey_images_and_a_class_without_images(tmp_path: Path) -> None:
    for name, value in (("a", 13107), ("b", 65535)):
        (tmp_path / "deep" / name).mkdir(parents=True)
        Image.fromarray(np.full((4, 4), value, np.uint16)).save(tmp_path / "deep" / name / "0.png")
    made = table("x: float[N, 1, 4, 4]", [str(tmp_path / "deep")])
    assert np.allclose(settled(made, np.arange(2))["x"][:, 0, 0, 0], [0.2, 1.0])
    (tmp_path / "deep" / "c").mkdir()
    with pytest.raises(RunError, match="the class c has no images"):
        table("x: float[N, 1, 4, 4]", [str(tmp_path / "deep")])


PAIR = """(image: float[N, 1, 6, 6] -> GaussianNoise(0.1), mask: int[N, 6, 6])
        -> RandomHorizontalFlip -> RandomCrop(6, padding=2)"""


def test_a_pair_is_changed_by_one_draw(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).integers(0, 2, (40, 8, 8))
    np.savez(tmp_path / "pair.npz", image=mask[:, None].astype(np.float32), mask=mask)
    made = match(
        training(TEXT.format(data=PAIR, body="", name="image"), "Fit"),
        open_data([str(tmp_path / "pair.npz")], [], None),
    )
    batches = Batches(made, np.arange(40), 8, 0)
    batch = batches.at(7)
    batches.close()
    assert batch["mask"].shape == (8, 6, 6)
    shown = batch["image"][:, 0].numpy()
    assert 0.05 < np.abs(shown - batch["mask"].numpy()).std() < 0.2  # its own noise
    assert np.array_equal(shown > 0.5, batch["mask"].numpy() > 0)
    held = settled(made, np.arange(3))
    assert np.array_equal(held["image"][:, 0].numpy(), mask[:3, 1:7, 1:7])
    np.savez(tmp_path / "pair.npz", image=mask[:, None].astype(np.float32), mask=mask[:, :7, :7])
    with pytest.raises(RunError, match="are changed by one draw, and have the sizes 8x8 and 7x7"):
        match(made.training, open_data([str(tmp_path / "pair.npz")], [], None))


def test_digits_by_shape_and_type() -> None:
    made = table("picture: float[N, 64]\n    data target: int[N]", ["digits"])
    batch = settled(made, np.arange(3))
    assert batch["target"].tolist() == [0, 1, 2]
    assert float(batch["picture"].max()) == 1.0
    large = table("x: float[N, 1, 32, 28]", ["digits"], resize=(32, 28))
    small = table("x: float[N, 1, 8, 8]", ["digits"])
    assert large.examples == 1797
    difference = settled(large, np.arange(9))["x"].mean((2, 3)) - settled(small, np.arange(9))["x"].mean((2, 3))
    assert float(difference.abs().max()) < 0.02
    assert settled(table("x: float[N, 10]", ["digits"]), np.array([2]))["x"].argmax() == 2


def test_arrays_by_name(tmp_path: Path) -> None:
    x, y = np.arange(12.0).reshape(4, 3), np.arange(4, dtype=np.int32)
    np.savez(tmp_path / "both.npz", x=x, y=y, more=y)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    both = "x: float[N, 3]\n    data y: int[N]"
    for given in (["both.npz"], ["x=x.npy", "y=y.npy"]):
        given = [text.replace("=", f"={tmp_path}/") if "=" in text else f"{tmp_path}/{text}" for text in given]
        made = table(both, given)
        batch = settled(made, np.array([2, 0]))
        assert batch["x"].tolist() == [[6, 7, 8], [0, 1, 2]]
        assert batch["y"].tolist() == [2, 0]
        assert "converted from float64 as they are" in str(made.columns[0])
    assert table("x: float[N, 3]", [f"{tmp_path}/x.npy"]).examples == 4
    np.savez(tmp_path / "one.npz", anything=x)
    for given in ("one.npz", "both.npz"):
        named = table("x: float[N, 3]", [f"x={tmp_path}/{given}"])
        assert settled(named, np.arange(2))["x"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_every_example_is_in_an_epoch_once_in_another_order_each_time(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.repeat(np.arange(20.0), 3).reshape(20, 3))
    made = table("x: float[N, 3]", [f"{tmp_path}/x.npy"])
    rows, held_out = split(20, 0.2, 0)
    assert sorted([*rows, *held_out]) == list(range(20))
    assert len(held_out) == 4
    batches = Batches(made, rows, 4, 0)
    epochs = [[int(x) for _ in range(4) for x in next(batches)["x"][:, 0]] for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(rows)
    assert epochs[0] != epochs[1]
    parts = [Batches(made, rows, 4, 0, process=process, processes=2).at(5)["x"] for process in range(2)]
    assert [int(x) for part in parts for x in part[:, 0]] == [int(x) for x in batches.at(5)["x"][:, 0]]
    batches.close()


def test_what_is_held_out() -> None:
    assert [len(part) for part in split(10, 0.2, 0)] == [8, 2]
    assert [len(part) for part in split(1, 0.1, 0)] == [1, 0]
    for fraction in (-0.1, 1.0, 0.99):
        with pytest.raises(RunError, match="leaves none of 10 examples"):
            split(10, fraction, 0)


def test_batches_of_the_size_that_the_spec_says(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((40, 3)))
    given = [f"{tmp_path}/x.npy"]
    fixed = table("x: float[8, 3]", given)
    assert batch_size(fixed, None, 40, 1) == 8
    assert batch_size(fixed, None, 40, 2) == 16
    with pytest.raises(RunError, match="takes batches of 8, not of 4"):
        batch_size(fixed, 4, 40, 1)
    even = table("x: float[N, 3]", given, body="h = reshape(x, [N // 4, 4, 3])")
    with pytest.raises(RunError, match="needs N % 4 == 0, and N = 6"):
        batch_size(even, 6, 40, 1)
    with pytest.raises(RunError, match="a batch of 50 is more than the 40 examples"):
        batch_size(even, 50, 40, 1)


FILES = {
    "x.npy": np.zeros((4, 3), np.float32),
    "wide.npy": np.zeros((4, 5), np.float32),
    "cube.npy": np.zeros((4, 3, 1), np.float32),
    "words.npy": np.array(["a", "b"]),
    "y.npy": np.zeros(5, np.int64),
    "w.npy": np.zeros((4, 2), np.float32),
}
ZIPPED = {"one.npz": {"a": FILES["x.npy"]}, "two.npz": {"x": FILES["x.npy"], "y": FILES["w.npy"]}}
X, XY = "x: float[N, 3]", "x: float[N, 3]\n    data y: int[N]"
WRONG = [
    (X, ["x=wide.npy"], "the data `x` has the shape [4, 5], and `Fit` takes float[N, 3]"),
    (X, ["x=cube.npy"], "the data `x` has the shape [4, 3, 1], and `Fit` takes float[N, 3]"),
    (X, ["x=words.npy"], "and `Fit` takes float32"),
    (X, ["x=none.npy"], "there is no file none.npy"),
    (X, ["none"], "there is no file or folder none"),
    (X, ["notes.txt"], "notes.txt is not NAME=x.npy, and not one folder or .npz alone"),
    (X, ["x=x.npy", "x=x.npy"], "the data `x` is given twice"),
    (X, ["x=two.npz", "w=two.npz"], "two.npz has no array `w`, but x, y"),
    (X, ["x=zoo"], "is none of float32 [9, 3, 6, 5] (9 images of zoo as RGB)"),
    (X, ["bad.npz"], "bad.npz is not a NumPy file that can be read"),
    (
        "x: float[N, 1, 3, 1] -> RandomCrop((3, 1))",
        ["x=cube.npy"],
        "`x` has the shape [4, 3, 1], and `Fit` takes float[N, 1, 3, 1]",
    ),
    (X, ["z=x.npy"], "the data `x: float[N, 3]` of `Fit` is not given"),
    (XY, ["x.npy"], "x.npy is one array, and the spec has the data x, y"),
    (XY, ["x=x.npy", "y=y.npy"], "`x` has the shape [4, 3], `y` has the shape [5]"),
    (XY, ["x=x.npy", "y=x.npy"], "the data `y` is float32, and `Fit` takes int64"),
    ("x: float[N, C]\n    data w: float[N, C]", ["x=x.npy", "w=w.npy"], "`w` has the shape [4, 2], and `Fit` takes"),
    (X, ["digits"], "the data `x: float[N, 3]` of `Fit` is none of float32 [1797, 1, 8, 8]"),
    ("x: float[N, D]", ["digits"], "could be digits' images, flattened or digits' classes, one hot"),
    ("x: float[N, 64]\n    data y: float[N, 64]", ["digits"], "`x` and `y` would both be digits' images, flattened"),
    ("x: float[N, 3, 8, 8]", ["zoo"], "is none of float32 [9, 3, 6, 5] (9 images of"),
    ("x: float[N, 3, 8, 8] -> RandomCrop(8)", ["zoo"], "is none of"),
    ("x: float[N, 3, 6, 5]", ["mixed"], "the images have several sizes (height x width)"),
    (X, ["empty"], "empty has no images"),
    ("x: float[N, 3]\n    data y: float[M, 3]", ["x=x.npy", "y=x.npy"], "whose first axis is the batch"),
]


@pytest.mark.parametrize(("data", "given", "message"), WRONG, ids=[str(given) + data for data, given, _ in WRONG])
def test_what_does_not_fit(
    data: str, given: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, array in FILES.items():
        np.save(name, array)
    for name, arrays in ZIPPED.items():
        np.savez(name, **arrays)
    Path("bad.npz").write_bytes(b"PK\x03\x04junk")
    Path("notes.txt").touch()
    Path("empty").mkdir()
    pictures(Path("zoo"))
    pictures(Path("mixed"))
    Image.new("RGB", (9, 9)).save("mixed/cat/9.png")
    with pytest.raises((RunError, OSError)) as refused:
        table(data, given)
    assert message in str(refused.value)


CALLS = [
    (["mlp.dlspec", "--data", "none"], 2, "there is no file or folder none"),
    (["mlp.dlspec", "--data", "torchvison:MNIST:x"], 2, "did you mean `torchvision`?"),
    (["mlp.dlspec", "--data", "none", "--resize", "8"], 2, "there is no file or folder none"),
    (["mlp.dlspec:Nope", "--data", "digits"], 2, "declares no train `Nope`"),
    (["two.dlspec", "--data", "digits"], 2, "declares 2 trains: say which"),
    (["nets.dlspec", "--data", "digits"], 2, "declares no train"),
    (["mlp.dlspec", "--data", "digits", "--resize", "a"], 2, "--resize a: write"),
    (
        ["mlp.dlspec", "--data", "x=mlp.dlspec", "--resize", "8"],
        2,
        "--resize is for images: of a folder, or the digits",
    ),
    (["mlp.dlspec", "--data", "digits", "--val-fraction", "1.5"], 2, "--val-fraction 1.5"),
    (["mlp.dlspec", "--data", "digits", "--set", "rate=1"], 2, "`Fit` has no setting `rate`"),
    (["mlp.dlspec", "--data", "digits", "--set", "lr=true"], 2, "error["),
    (["mlp.dlspec", "--data", "digits", "--size", "H=1"], 2, "`Fit` has no size `H`"),
    (["wrong.dlspec", "--data", "digits"], 1, "error[DL0704]"),
    (["mlp.dlspec"], 2, "--data"),
]


@pytest.mark.parametrize(("arguments", "status", "message"), CALLS, ids=[" ".join(c[0]) for c in CALLS])
def test_calls_that_are_wrong(arguments: list[str], status: int, message: str, call: Call) -> None:
    Path("two.dlspec").write_text(MLP + MLP[MLP.index("train") :].replace("Fit", "Again"))
    Path("nets.dlspec").write_text(MLP[: MLP.index("train")])
    Path("wrong.dlspec").write_text(MLP.replace("minimize loss", "minimize image"))
    before = set(Path().iterdir())
    found, out, err = call("train", *arguments)
    assert (found, out) == (status, "")
    assert message in err
    assert "Traceback" not in err
    assert set(Path().iterdir()) == before


@pytest.mark.parametrize(
    ("package", "name"),
    [("lightning_fabric", "lightning-fabric"), ("matplotlib", "matplotlib"), ("PIL", "pillow"), ("kornia", "kornia")],
)
def test_a_package_that_is_missing(package: str, name: str, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    status, _, err = call("train", "gan.dlspec", "--data", "digits")
    assert status == 2
    assert f"training needs {name}" in err
    assert "pip install 'dlspec[train]'" in err
    assert not Path("runs").exists()


def test_held_out_examples_that_are_no_batch_are_told(call: Call) -> None:
    np.save("x.npy", np.zeros((50, 3)))
    Path("even.dlspec").write_text(TEXT.format(data="x: float[N, 3]", name="x", body="h = reshape(x, [N // 4, 4, 3])"))
    status, out, _ = call("train", "even.dlspec", "--data", "x.npy", "--batch-size", "8", "--val-fraction", "0.2")
    assert status == 0
    assert "not looked at: 2 of what is held out" in out


@pytest.mark.parametrize(
    ("use", "labels", "message"),
    [
        ("cross_entropy(x -> f, label)", [0, 1, 2], ""),
        ("cross_entropy(x -> f, label)", [0, -100, 2], ""),
        ("cross_entropy(x -> f, label)", [0, 3, 2], "the number 3, and `cross_entropy` at t.dlspec:6 knows 0 to 2"),
        ("nll(x -> f -> LogSoftmax(1), label, ignore_index=7)", [0, 7, 2], ""),
        ("nll(x -> f -> LogSoftmax(1), label)", [0, -1, 2], "the number -1, and `nll` at t.dlspec:6 knows 0 to 2"),
        ("mean(x -> f) + mean(label -> Embedding(4, 2))", [0, 4, 2], "the number 4, and `Embedding` at"),
        (
            'mean((x -> f) * cast(one_hot(unsqueeze(label, 1)[:, 0], 3), "float"))',
            [5, 1, 2],
            "the number 5, and `one_hot` at",
        ),
    ],
)
def test_numbers_that_are_no_class(use: str, labels: list[int], message: str, call: Call) -> None:
    Path("t.dlspec").write_text(f"""network Net(x: float[N, 2]) -> y {{ x -> Linear(3) }}
train Fit {{
    data x: float[N, 2]
    data label: int[N]
    shared f = Net
    minimize {use} over f using SGD(lr=1e-2)
}}
""")
    np.savez("d.npz", x=np.zeros((3, 2), np.float32), label=np.array(labels))
    arguments = "train", "t.dlspec", "--data", "d.npz", "--val-fraction", "0", "--steps", "1", "--batch-size", "3"
    status, _, err = call(*arguments)
    assert (status, message in err) == (2 if message else 0, True)
    assert Path("runs").exists() is not bool(message)


def test_a_package_that_does_not_load_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As torchvision is beside a PyTorch that it was not built for."""
    (tmp_path / "built_for_another.py").write_text("raise RuntimeError('operator nms does not exist')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RunError, match="this needs built-for-another, which does not load here: operator nms"):
        need("built_for_another", "this")
    with pytest.raises(RunError, match=r"this needs nowhere-at-all$"):
        need("nowhere_at_all", "this")
