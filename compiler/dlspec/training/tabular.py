"""Tables of named columns as data: CSV, and Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

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


def open_table(text: str) -> dict[str, tuple[Array, str]]:
    """The columns of ``FILE``, each with what it is: numbers, or the numbers of classes for texts. Raises `RunError`."""
    path = Path(text)
    return {name: (_numbers(column)[0], _origin(path, name, column)) for name, column in _read(path).items()}


def chosen(text: str, rank: int) -> tuple[Array, str]:
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
        column = columns[names[0]]
        numbers, classes = _numbers(column)
        made = (
            numbers if rank == 1 else np.eye(len(classes), dtype=np.float32)[numbers] if classes else numbers[:, None]
        )
        return made, _origin(path, names[0], column)
    for name in names:
        if columns[name].dtype.kind in "US":
            hint = f"give it alone, or leave it out: {file}:{','.join(n for n in names if n != name)}"
            raise RunError(f"the column `{name}` of {path} is text, which does not stand among numbers", hint)
    side = [columns[name].astype(np.float32) if rank > 1 else columns[name] for name in names]
    return np.stack(side, 1), f"{', '.join(names[:_SHOWN])}{' ...' if len(names) > _SHOWN else ''} of {path}"


def _origin(path: Path, name: str, column: Array) -> str:
    classes = _numbers(column)[1]
    shown = f" ({', '.join(classes[:_SHOWN])}{' ...' if len(classes) > _SHOWN else ''})" if classes else ""
    return f"{name} of {path}{shown}"


def _numbers(column: Array) -> tuple[Array, list[str]]:
    """A column as numbers, and the classes of which these are the places, where it is text."""
    import numpy as np

    if column.dtype.kind not in "US":
        return column, []
    classes, places = np.unique(column, return_inverse=True)
    return places.astype(np.int64), [str(each) for each in classes]


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
