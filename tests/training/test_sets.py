"""Data sets of torchvision, and of Hugging Face's `datasets`. For the second a module stands in that has those of its
functions that are called: it shows what is made of columns, not that the library has them."""

from __future__ import annotations

import struct
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bench.peers import torchvision_models
from PIL import Image
from trains import Call, records, training

from dlspec.backends.runtime import RunError
from dlspec.training.batches import settled
from dlspec.training.opening import open_data
from dlspec.training.table import Table, match

TRAIN = """\
network Net(x: float[N, 1, 28, 28]) -> scores {{ x -> Flatten -> Linear(10) }}
train Fit {{
    data {data}
    data y: int[N]
    shared f = Net
    minimize cross_entropy(x -> f, y) over f using SGD(lr=0.1)
}}
"""
X = "x: float[N, 1, 28, 28] -> Normalize(0.5, 0.5)"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def mnist() -> None:
    """The four files of MNIST, with 30 images to train on and 10 to test: all pixels of one have its number."""
    if find_spec("torchvision") is None:
        pytest.skip("needs torchvision")
    torchvision_models()
    folder = Path("sets/MNIST/raw")
    folder.mkdir(parents=True)
    for name, count in (("train", 30), ("t10k", 10)):
        pixels = np.repeat(np.arange(count, dtype=np.uint8), 28 * 28).tobytes()
        (folder / f"{name}-images-idx3-ubyte").write_bytes(struct.pack(">4I", 0x803, count, 28, 28) + pixels)
        labels = bytes(index % 10 for index in range(count))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, count) + labels)


def opened(text: str, data: str = X, resize: tuple[int, int] | None = None) -> Table:
    made = training(TRAIN.format(data=data), "Fit")
    return match(made, open_data([text], {one.value.name: one.value.type.rank for one in made.data}, resize))


@pytest.mark.usefixtures("mnist")
def test_a_set_of_torchvision() -> None:
    batch = settled(opened("torchvision:MNIST:sets"), np.array([29, 3]))
    assert ((batch["x"][:, 0, 5, 5] * 0.5 + 0.5) * 255).round().tolist() == [29, 3]
    assert batch["y"].tolist() == [9, 3]
    assert opened("torchvision:MNIST:sets:test").examples == 10
    large = settled(opened("torchvision:MNIST:sets", "x: float[N, 1, 28, 28]", (28, 28)), np.array([4]))
    assert large["x"].shape == (1, 1, 28, 28)


@pytest.mark.usefixtures("mnist")
def test_a_run_on_it(call: Call) -> None:
    Path("fit.dlspec").write_text(TRAIN.format(data=X))
    run = "train", "fit.dlspec", "--data", "torchvision:MNIST:sets:train", "--val-data", "torchvision:MNIST:sets:test"
    status, out, err = call(*run, "--steps", "2", "--batch-size", "10", "--out", "a")
    assert (status, err) == (0, "")
    assert "data y: MNIST of sets, train's classes by number, int64 [30]" in out
    assert records("a")[-1]["held_out"]["objectives"]["f"] > 0


WRONG = [
    ("torchvision:MNIST:sets:val", "torchvision's MNIST has no split `val`"),
    ("torchvision:MNIST", "torchvision:MNIST does not say where it is"),
    ("torchvision:MNISt:sets", "did you mean `MNIST`"),
    ("torchvision:FashionMNIST:sets", "torchvision's FashionMNIST of sets is not there"),
    ("torchvision:SEMEION:sets:test", "torchvision's SEMEION has no splits"),
    ("x=torchvision:MNIST:sets", "a data set is given alone, without a name"),
]


@pytest.mark.usefixtures("mnist")
@pytest.mark.parametrize(("given", "message"), WRONG, ids=[given for given, _ in WRONG])
def test_sets_that_are_none(given: str, message: str) -> None:
    with pytest.raises(RunError) as error:
        opened(given)
    assert message in f"{error.value} {error.value.hint}"


@pytest.mark.usefixtures("mnist")
def test_nothing_is_downloaded_unless_a_call_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import FashionMNIST

    asked: list[str] = []
    monkeypatch.setattr(FashionMNIST, "download", lambda self: asked.append(self.root))
    for download in (False, True):
        with pytest.raises(RunError, match="is not there"):
            open_data(["torchvision:FashionMNIST:sets"], {}, None, download)
        assert asked == ["sets"] * download
    with pytest.raises(RunError, match="torchvision does not download Flickr8k"):
        open_data(["torchvision:Flickr8k:sets"], {}, None, True)


@pytest.mark.usefixtures("mnist")
def test_a_damaged_file_of_a_set() -> None:
    path = Path("sets/MNIST/raw/train-images-idx3-ubyte")
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(RunError, match="torchvision's MNIST of sets cannot be read"):
        opened("torchvision:MNIST:sets")


class Column(list[Any]):
    pass


class Set:
    """What `datasets.Dataset` is here: columns by name, rows by number or by a list of numbers."""

    def __init__(self, columns: dict[str, list[Any]], names: dict[str, list[str]]) -> None:
        self._columns = columns
        self.column_names = list(columns)
        self.features = {name: SimpleNamespace(names=names.get(name)) for name in columns}

    def __len__(self) -> int:
        return len(self._columns[self.column_names[0]])

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self._columns[key]
        if isinstance(key, list):
            return {name: [column[index] for index in key] for name, column in self._columns.items()}
        return {name: column[key] for name, column in self._columns.items()}


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {
        "img": [Image.new("L", (28, 28), index) for index in range(6)],
        "label": [index % 3 for index in range(6)],
        "word": ["b", "a", "c"] * 2,
        "vector": [[index, 0.5] for index in range(6)],
        "ragged": [[0.5] * (1 + index) for index in range(6)],
    }
    made = Set(columns, {"label": ["x", "y", "z"]})
    module = SimpleNamespace(load_from_disk=lambda path: made if "plain" in path else {"train": made, "test": made})
    monkeypatch.setitem(sys.modules, "datasets", module)
    for name in ("plain", "parts"):
        Path(name).mkdir()


def test_columns_of_a_set_of_hugging_face(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    text = TRAIN.replace("y: int[N]", "label: int[N]\n    data word: int[N]\n    data vector: float[N, 2]").replace(
        ", y)", ", label)"
    )
    text = text.replace("minimize ", 'minimize mean(vector) + mean(cast(word, "float")) + ')
    made = training(text.format(data=X), "Fit")
    ranks = {one.value.name: one.value.type.rank for one in made.data}
    for given in ("huggingface:plain", "huggingface:parts:train"):
        batch = settled(match(made, open_data([given], ranks, None)), np.array([4, 1]))
        assert ((batch["x"][:, 0, 5, 5] * 0.5 + 0.5) * 255).round().tolist() == [4, 1]
        assert (batch["label"].tolist(), batch["word"].tolist()) == ([1, 1], [0, 0])
        assert batch["vector"].tolist() == [[4, 0.5], [1, 0.5]]
    for given, message in (
        ("huggingface:parts", "parts has the splits train, test, and one is asked for"),
        ("huggingface:parts:tset", "parts has the splits train, test, and no `tset`"),
        ("huggingface:plain:train", "plain has no splits"),
    ):
        with pytest.raises(RunError, match=message):
            open_data([given], ranks, None)
    ragged = dict(open_data(["huggingface:plain"], ranks, None).sources)["ragged"]
    with pytest.raises(RunError, match="ragged of plain"):
        ragged.rows(np.array([0, 3]))


@pytest.mark.parametrize(
    ("text", "package"), [("torchvision:MNIST:sets", "torchvision"), ("huggingface:x", "datasets")]
)
def test_without_their_library(text: str, package: str, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (package, f"{package}.datasets"):
        monkeypatch.setitem(sys.modules, name, None)
    Path("fit.dlspec").write_text(TRAIN.format(data=X))
    status, _, err = call("train", "fit.dlspec", "--data", text, "--out", "a")
    assert status == 2
    assert f"{text} needs {package}" in err
    assert "pip install 'dlspec[data]'" in err
    status, _, err = call("train", "fit.dlspec", "--data", "digits", "--download", "--out", "a")
    assert (status, "--download is for the data sets of" in err) == (2, True)
