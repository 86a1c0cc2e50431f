"""Numbers that nobody means, in every field that takes numbers: they are refused with a code where they are written, or
what is made of them compiles for both backends, and agrees where it is small enough to run."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import pytest
from harness import Case, tables

from dlspec.backends.onnx.model import build
from dlspec.backends.torch import source
from dlspec.backends.verify import verify
from dlspec.ir.fields import Field, describe
from dlspec.ir.graph import Graph
from dlspec.ir.op import Op
from dlspec.ir.types import DType
from dlspec.pipeline import check_source, elaborate, open_source
from dlspec.source import Source

NUMBERS = (
    "0",
    "-1",
    "2 ** 31",
    "-(2 ** 31)",
    "2 ** 63",
    "10 ** 30",
    "10 ** 400",
    "1e300",
    "1e-320",
    "inf",
    "-inf",
    "0.5",
)
NUMERIC = frozenset({"int", "Ints", "Padding", "Axes", "Sizes", "Shape", "Dim", "float", "Floats", "Data", "Init"})
SMALL = 1 << 20


class Row(NamedTuple):
    op: Op
    field: Field
    case: Case


def written(case: Case, op: Op) -> str | None:
    """The call of a case in the language, with ``{}`` for arguments; None where it is not written as one."""
    inputs = [f"input{index}" for index in range(len(case.inputs))]
    if op.layer and len(inputs) == 1:
        return f"input0 -> {type(op).__name__}({{}})"
    if op.function and not (op.tensors and op.tensors[0].startswith("*")):
        return f"{op.function}({', '.join([*inputs, '{}'])})"
    return None


def spec(case: Case, call: str, arguments: dict[str, str]) -> str:
    inputs = ", ".join(
        f"input{index}: {item.dtype}[{', '.join(map(str, item.shape))}]" for index, item in enumerate(case.given)
    )
    given = ", ".join(f"{name}={value}" for name, value in arguments.items())
    return f"network Net({inputs}) -> y {{ {call.format(given)} }}\n"


def arguments_of(op: Op) -> dict[str, str]:
    return {
        field.name: text(getattr(op, field.name))
        for field in op.fields
        if field.kind not in ("Init", "Items") and getattr(op, field.name) != field.converted_default
    }


def text(value: Any) -> str:
    return f'"{value.label}"' if isinstance(value, DType) else describe(value)


def forms(value: Any, number: str) -> Iterator[str]:
    """The number, and the number at each place of the list that stands there."""
    yield number
    yield f"[{number}, {number}]"
    if isinstance(value, tuple):
        for index in range(len(value)):
            yield f"[{', '.join(number if i == index else text(item) for i, item in enumerate(value))}]"


def rows() -> Iterator[Any]:
    seen: set[tuple[type[Op], str]] = set()
    for _, case in tables("CASES"):
        for field in case.op.fields:
            if field.kind in NUMERIC and (type(case.op), field.name) not in seen and written(case, case.op):
                seen.add((type(case.op), field.name))
                yield pytest.param(Row(case.op, field, case), id=f"{type(case.op).__name__}.{field.name}")


@pytest.mark.parametrize("row", list(rows()))
def test_numbers_in_a_field(row: Row) -> None:
    call = written(row.case, row.op)
    assert call is not None
    for number in NUMBERS:
        for form in forms(getattr(row.op, row.field.name), number):
            made = spec(row.case, call, arguments_of(row.op) | {row.field.name: form})
            compiled_or_refused(made)


def compiled_or_refused(text: str) -> None:
    source_ = Source("net.dlspec", text)
    found = check_source(source_).errors
    for diagnostic in found:
        assert diagnostic.span.text, text
    if found:
        return
    graph = elaborate(open_source(source_), "Net")
    assert source(graph)
    build(graph)
    if elements(graph) < SMALL and not graph.nodes[-1].op.random:
        assert [fault for fault in verify(graph).faults if fault != "no value could be compared"] == [], text


def elements(graph: Graph) -> int:
    """Those of the largest tensor or weight."""
    shapes = [value.type.shape for node in graph.nodes for value in node.outputs]
    shapes += [parameter.shape for parameter in graph.parameters.values()]
    return max(prod(size for size in shape if isinstance(size, int)) for shape in shapes)
