"""Columns of CSV and Parquet files as data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trains import Call, records

from dlspec.backends.runtime import RunError
from dlspec.training.tabular import chosen, open_table

FLOWERS = "long, wide,kind,count\n" + "".join(
    f"{5 + i % 2}.5,{i % 3},{('rose', 'aster')[i % 2]},{i}\n" for i in range(24)
)
SPEC = """\
network Net(x: float[N, 2]) -> y { x -> Linear(2) }
train Fit {
    data x: float[N, 2]
    data kind: int[N]
    shared f = Net
    loss = cross_entropy(x -> f, kind)
    minimize loss over f using SGD(lr=0.1)
}
"""


@pytest.fixture(autouse=True)
def flowers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text(FLOWERS)
    Path("t.tsv").write_text(FLOWERS.replace(",", "\t"))
    Path("fit.dlspec").write_text(SPEC)


def test_columns_are_numbers_or_classes() -> None:
    columns = open_table("t.csv")
    assert {name: (column.numbers.dtype.name, column.numbers.shape) for name, column in columns.items()} == {
        "long": ("float32", (24,)), "wide": ("int64", (24,)), "kind": ("int64", (24,)), "count": ("int64", (24,)),
    }  # fmt: skip
    assert columns["kind"].numbers.tolist()[:3] == [1, 0, 1]
    assert columns["kind"].origin == "kind of t.csv (aster, rose)"


@pytest.mark.parametrize(
    ("text", "rank", "first"),
    [
        ("t.csv:long,wide", 2, [[5.5, 0.0], [6.5, 1.0]]),
        ("t.tsv:wide, count", 2, [[0.0, 0.0], [1.0, 1.0]]),
        ("t.csv:count", 1, [0, 1]),
        ("t.csv:count", 2, [[0], [1]]),
        ("t.csv:kind", 1, [1, 0]),
        ("t.csv:kind", 2, [[0.0, 1.0], [1.0, 0.0]]),
    ],
)
def test_columns_side_by_side(text: str, rank: int, first: list[Any]) -> None:
    column = chosen(text, rank)
    numbers = np.eye(len(column.classes))[column.numbers] if column.one_hot else column.numbers
    assert numbers[:2].tolist() == first


def test_a_run_on_a_table(call: Call) -> None:
    arguments = "train", "fit.dlspec", "--data", "x=t.csv:long,wide", "--data", "kind=t.csv:kind", "--steps", "30"
    status, out, err = call(*arguments, "--batch-size", "8", "--log-every", "1", "--out", "run")
    assert (status, err) == (0, "")
    assert "data x: long, wide of t.csv, float32 [24, 2]" in out
    assert "data kind: kind of t.csv (aster, rose), int64 [24]" in out
    assert records("run")[-1]["objectives"]["f"] < records("run")[0]["objectives"]["f"]


@pytest.mark.parametrize(
    ("content", "given", "message"),
    [
        (FLOWERS, "x=t.csv:long,wid", "t.csv has no column `wid`"),
        (FLOWERS, "x=t.csv", "the column `kind` of t.csv is text"),
        (FLOWERS, "x=u.csv:long,wide", "there is no file u.csv"),
        (FLOWERS + "1,,rose,3\n", "x=t.csv:long,wide", "row 25 of t.csv has no `wide`"),
        (FLOWERS + "1,2\n", "x=t.csv:long,wide", "row 25 of t.csv has no `kind`"),
        (FLOWERS + "1,2,3,4,5\n", "x=t.csv:long,wide", "row 25 of t.csv has 5 values for 4 columns"),
        ("a,a\n1,2\n", "x=t.csv:a", "two columns `a`"),
        ("a,b\n", "x=t.csv:a", "no rows under"),
        ("", "x=t.csv:a", "no rows under"),
        ("a\n\xff", "x=t.csv:a", "cannot be read as a table"),
        (FLOWERS, "t.csv", "the data `x: float[N, 2]` of `Fit` is not given"),
    ],
)
def test_refused(content: str, given: str, message: str, call: Call) -> None:
    Path("t.csv").write_bytes(content.encode("latin-1"))
    status, out, err = call("train", "fit.dlspec", "--data", given, "--out", "run")
    assert (status, out) == (2, "")
    assert message in err
    assert not Path("run").exists()


def test_parquet() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = {"x": [0.5, 1.5], "kind": ["b", "a"], "wide": [[1], [2]]}
    parquet.write_table(sys.modules["pyarrow"].table(table), "t.parquet")
    with pytest.raises(RunError, match=r"`wide` of .* is list"):
        open_table("t.parquet")
    del table["wide"]
    parquet.write_table(sys.modules["pyarrow"].table(table), "t.parquet")
    columns = {name: column.numbers.tolist() for name, column in open_table("t.parquet").items()}
    assert columns == {"x": [0.5, 1.5], "kind": [1, 0]}


def test_parquet_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RunError, match="needs pyarrow") as error:
        open_table("t.parquet")
    assert "dlspec[tables]" in error.value.hint


def test_a_broken_parquet_file() -> None:
    pytest.importorskip("pyarrow.parquet")
    Path("t.parquet").write_bytes(np.zeros(100).tobytes())
    with pytest.raises(RunError, match="is no Parquet file"):
        open_table("t.parquet")
