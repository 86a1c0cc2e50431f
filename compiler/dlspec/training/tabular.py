"""Tables of named columns as data: CSV, and Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from dlspec.backends.runtime import RunError
from dlspec.diagnostics import did_you_mean, first_line
from dlspec.training.extras import need

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
    Columns: TypeAlias = Mapping[str, Array]

_READERS = (".csv", ".tsv", ".parquet")
_SHOWN = 6
"""Columns or classes that a message lists."""


def is_table(text: str) -> bool:
    """Whether ``FILE`` or ``FILE:COLUMNS`` is a table."""
    return Path(text.partition(":")[0]).suffix.lower() in _READERS


class Column(NamedTuple):
    """Numbers, or the numbers of classes that have names. ``origin`` says what it is."""

    numbers: Array
    origin: str
    classes: Sequence[str] = ()
    one_hot: bool = False


def open_table(text: str) -> dict[str, Column]:
    """The columns of ``FILE``, texts as classes. Raises `RunError`."""
    path = Path(text)
    return {name: _column(path, name, column) for name, column in _read(path).items()}


def chosen(text: str, rank: int) -> Column:
    """The columns that ``FILE:A,B`` names, or all of ``FILE``, side by side: [examples, columns].

    One alone is [examples] where the data has that ``rank``; of texts it is then their classes by number, and else one
    hot. Raises `RunError`.
    """
    import numpy as np

    file, _, wanted = text.partition(":")
    path = Path(file)
    columns = _read(path)
    names = [name.strip() for name in wanted.split(",")] if wanted else list(columns)
    for name in names:
        if name not in columns:
            listed = ", ".join(list(columns)[:_SHOWN])
            raise RunError(f"{path} has no column `{name}`", did_you_mean(name, columns) or f"there is {listed}")
    if len(names) == 1:
        column = _column(path, names[0], columns[names[0]])
        if column.classes:
            return column._replace(one_hot=rank != 1)
        return column if rank == 1 else column._replace(numbers=column.numbers[:, None])
    for name in names:
        if columns[name].dtype.kind in "US":
            hint = f"give it alone, or leave it out: {file}:{','.join(n for n in names if n != name)}"
            raise RunError(f"the column `{name}` of {path} is text, which does not stand among numbers", hint)
    side = [columns[name].astype(np.float32) if rank > 1 else columns[name] for name in names]
    return Column(np.stack(side, 1), f"{_listed(names)} of {path}")


def _column(path: Path, name: str, column: Array) -> Column:
    import numpy as np

    if column.dtype.kind not in "US":
        return Column(column, f"{name} of {path}")
    found, places = np.unique(column, return_inverse=True)
    classes = [str(each) for each in found]
    return Column(places.astype(np.int64), f"{name} of {path} ({_listed(classes)})", classes)


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:_SHOWN])}{' ...' if len(names) > _SHOWN else ''}"


def _read(path: Path) -> Columns:
    try:
        return _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    except FileNotFoundError:
        raise RunError(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path} cannot be read as a table: {first_line(error)}") from None


def _csv(path: Path) -> Columns:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, "excel-tab" if path.suffix.lower() == ".tsv" else "excel")
        names = [name.strip() for name in next(reader, list[str]())]
        rows = [row for row in reader if row]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None or not rows:
        what = f"two columns `{twice}`" if twice is not None else "no rows under the names of its columns"
        raise RunError(f"{path} has {what}")
    for number, row in enumerate(rows, 1):
        if len(row) != len(names) or not all(map(str.strip, row)):
            missing = names[next((i for i, cell in enumerate(row) if not cell.strip()), len(row)) % len(names)]
            what = f"no `{missing}`" if len(row) <= len(names) else f"{len(row)} values for {len(names)} columns"
            raise RunError(f"row {number} of {path} has {what}", "take out the rows that are not whole")
    return {name: _typed([row[place] for row in rows]) for place, name in enumerate(names)}


def _typed(cells: Sequence[str]) -> Array:
    """Whole numbers, numbers, or texts without the spaces around them."""
    import numpy as np

    for dtype, number in ((np.int64, int), (np.float32, float)):
        try:
            return np.array([number(cell) for cell in cells], dtype)
        except (ValueError, OverflowError):
            continue
    return np.array([cell.strip() for cell in cells])


def _parquet(path: Path) -> Columns:
    import numpy as np

    library = need("pyarrow.parquet", f"reading {path}", "pip install 'dlspec[tables]', or write it as .csv")
    try:
        table: Any = library.read_table(path)
    except ValueError as error:
        raise RunError(f"{path} is no Parquet file that can be read: {first_line(error)}") from None
    columns: dict[str, Array] = {}
    for name in table.column_names:
        column = table.column(name)
        if column.null_count:
            raise RunError(f"`{name}` of {path} has {column.null_count} values missing")
        array = np.asarray(column.to_pylist())
        if array.ndim != 1 or array.dtype.kind not in "USbiuf":
            raise RunError(f"`{name}` of {path} is {column.type}, which is no number or text")
        columns[name] = array.astype(str) if array.dtype.kind == "b" else array
    return columns
