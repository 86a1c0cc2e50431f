"""Tables of operators against PyTorch: what a case is, and what is done with one.

A family's table is ``CASES`` in ``cases_<family>.py``. Beside it may stand ``REFUSED``, what an operator must not
accept, and ``UNSUPPORTED``, what it accepts and ONNX cannot express; both hold ``(make, inputs, part of the message)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import Session
from dlspec.backends.weights import draw
from dlspec.ir.dims import Dim, symbol
from dlspec.ir.evaluation import evaluate
from dlspec.ir.graph import Graph, Output
from dlspec.ir.node import Node, Parameter, Value
from dlspec.ir.op import Needs, Op, Requirement, Types
from dlspec.ir.scope import Scope
from dlspec.ir.types import DTYPES, TensorType
from dlspec.source import Source, Span

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Input:
    """An input tensor. Floats are normal, or uniform from ``low`` to ``high``; ints are drawn from ``low`` up to, but
    not including, ``high`` (0 and 10 unless told). ``values`` are taken as they are."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    low: float | None = None
    high: float | None = None
    values: Any = None


@dataclass(frozen=True)
class Case:
    """An operator, what flows into it, and what it is in PyTorch.

    * ``torch`` makes an ``nn.Module`` that takes the inputs, or a plain function of tensors.
    * ``symbols`` says for an input, by its position, which of its axes are symbolic: a name or a number for each.
      Unless told the batch and the spatial axes are, except those of size 1; axes of the same size have the same
      symbol.
    * ``training_differs``: the module does something else in training mode.
    * ``macs``: set to False where PyTorch's counter does not know the operator.
    """

    op: Op
    inputs: tuple[tuple[int, ...] | Input, ...]
    torch: Callable[[], Callable[..., Any]]
    symbols: Mapping[int, tuple[str | int, ...]] = field(default_factory=dict[int, "tuple[str | int, ...]"])
    tolerance: tuple[float, float] = (1e-4, 1e-5)
    training_differs: bool = False
    macs: bool = True

    def __post_init__(self) -> None:
        for index, names in self.symbols.items():
            shape = self.given[index].shape
            assert len(names) == len(shape), f"{self.op}: symbols {names} for the shape {shape}"
            assert all(isinstance(n, str) or n == size for n, size in zip(names, shape, strict=True)), names

    @property
    def given(self) -> tuple[Input, ...]:
        return tuple(item if isinstance(item, Input) else Input(item) for item in self.inputs)

    @property
    def types(self) -> Types:
        return tuple(as_type(item) for item in self.inputs)

    @property
    def symbolic_types(self) -> Types:
        return tuple(
            TensorType(type.dtype, tuple(symbol(axis) if isinstance(axis, str) else axis for axis in axes))
            for type, axes in zip(self.types, self._axes, strict=True)
        )

    @property
    def sizes(self) -> dict[str, int]:
        """What the symbols are in ``inputs``."""
        pairs = (
            pair
            for item, axes in zip(self.given, self._axes, strict=True)
            for pair in zip(axes, item.shape, strict=True)
        )
        sizes: dict[str, int] = {}
        for axis, size in pairs:
            if isinstance(axis, str):
                assert sizes.setdefault(axis, size) == size, f"{self.op}: {axis} is {sizes[axis]} and {size}"
        return sizes

    @property
    def _axes(self) -> list[tuple[str | int, ...]]:
        return [self.symbols.get(index, _default_axes(item)) for index, item in enumerate(self.given)]

    def other_sizes(self, requirements: Iterable[Requirement]) -> dict[str, int]:
        """Sizes that differ in every symbol and satisfy what the operator demands."""
        demands = list(requirements)
        for step in (3, 1, 2, 4, 6, 8, 12, 24):
            sizes = {name: size + step for name, size in self.sizes.items()}
            if all(_holds(demand, sizes) for demand in demands):
                return sizes
        raise AssertionError(f"{self.op}: no second sizes satisfy what it demands; say which axes are `symbols`")

    def arrays(self, types: Types, seed: int = 0) -> list[Array]:
        """Inputs with the shapes of these types, which are numbers."""
        generator = np.random.default_rng(seed)
        return [_array(item, shape_of(type), generator) for item, type in zip(self.given, types, strict=True)]


Refusal: TypeAlias = tuple[Callable[[], Op], tuple[tuple[int, ...] | Input, ...], str]


def as_type(item: tuple[int, ...] | Input) -> TensorType:
    return TensorType(DTYPES[item.dtype], item.shape) if isinstance(item, Input) else TensorType(DTYPES["float"], item)


def shape_of(type: TensorType) -> tuple[int, ...]:
    assert all(isinstance(dim, int) for dim in type.shape), f"{type} is not known"
    return tuple(int(dim) for dim in type.shape if isinstance(dim, int))


def _default_axes(item: Input) -> tuple[str | int, ...]:
    if item.values is not None:
        return item.shape
    return tuple(f"S{size}" if axis != 1 and size > 1 else size for axis, size in enumerate(item.shape))


def _array(item: Input, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    dtype = DTYPES[item.dtype]
    if item.values is not None:
        return np.asarray(item.values, dtype.label).reshape(shape)
    if not dtype.is_float:
        low, high = int(item.low or 0), 2 if dtype.label == "bool" else int(10 if item.high is None else item.high)
        return generator.integers(low, high, shape).astype(dtype.label)
    if item.low is None and item.high is None:
        return generator.standard_normal(shape).astype(dtype.label)
    return generator.uniform(item.low or 0.0, 1.0 if item.high is None else item.high, shape).astype(dtype.label)


def _holds(demand: Requirement, sizes: Mapping[str, int]) -> bool:
    left, right = evaluate(demand.left, sizes), evaluate(demand.right, sizes)
    return {"==": left == right, ">=": left >= right, "%": right != 0 and left % right == 0}[demand.relation]


def accept(make: Callable[[], Op], inputs: Iterable[tuple[int, ...] | Input]) -> None:
    """Raises `OpError` or `FieldError` where the operator, its inputs or its weights are refused."""
    op = make()
    types = tuple(as_type(item) for item in inputs)
    infer(op, types)
    op.weights(types)


# One operator as a graph


def infer(op: Op, types: Types) -> tuple[Types, list[Requirement]]:
    """The types of the outputs, and what is demanded of sizes."""
    needs = Needs()
    result = op.infer(needs, types)
    return (result,) if isinstance(result, TensorType) else tuple(result), needs.requirements


def single_node_graph(op: Op, types: Types) -> Graph:
    """A network of one operator: inputs `input0`, `input1` ..., weights under their own names, outputs `output0` ..."""
    span = Span(Source("operator.dlspec", type(op).__name__), 0, len(type(op).__name__))
    root = Scope("network", None, span, declaration="Single")
    graph = Graph("Single", root)
    graph.inputs = [Value(f"input{index}", type, None, span) for index, type in enumerate(types)]
    graph.symbols = {name: None for type in types for name in sorted(type.symbols)}
    outputs, _ = infer(op, types)
    for weight in op.weights(types):
        graph.parameters[weight.name] = Parameter(
            weight.name, weight.shape, weight.dtype, weight.kind, weight.init, span
        )
    node = Node(op, tuple(graph.inputs), tuple(graph.parameters.values()), root, "operator", span, outputs)
    graph.nodes.append(node)
    graph.outputs = [Output(f"output{index}", value, False) for index, value in enumerate(node.outputs)]
    return graph


def weights_of(graph: Graph) -> dict[str, Array]:
    """Values for the weights that tell every element from every other, also where the initialiser is a constant."""
    values: dict[str, Array] = {}
    for path, parameter in graph.parameters.items():
        array = draw(parameter, seed=1)
        if parameter.init.kind == "constant" and parameter.dtype.is_float:
            generator = np.random.default_rng(len(values))
            spread = generator.uniform(0.5, 1.5, array.shape)
            array = (array * spread if array.any() else spread - 1).astype(array.dtype)
        values[path] = array
    return values


def onnx_session(graph: Graph, weights: Mapping[str, Array], opset: int | None = None) -> Session:
    return Session(to_bytes(build(graph, weights=weights, opset=opset)))


def run_onnx(session: Session, arrays: Sequence[Array]) -> list[Array]:
    outputs = session.run({f"input{index}": array for index, array in enumerate(arrays)})
    return list(outputs.values())


# PyTorch's side


def torch_module(case: Case, weights: Mapping[str, Array]) -> Callable[..., Any]:
    """The case's module in eval mode with these weights, or its function."""
    module = case.torch()
    if isinstance(module, nn.Module):
        module.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
        return module.eval()
    assert not weights, f"{case.op} has weights, and the function in its case has none: give an nn.Module"
    return module


def run_torch(module: Callable[..., Any], arrays: Sequence[Array]) -> list[Array]:
    with torch.no_grad():
        result = module(*(torch.from_numpy(array.copy()) for array in arrays))
    results = result if isinstance(result, tuple | list) else (result,)
    return [value.numpy() for value in results]


def assert_close(actual: Sequence[Array], expected: Sequence[Array], tolerance: tuple[float, float]) -> None:
    assert len(actual) == len(expected)
    for ours, theirs in zip(actual, expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        assert not np.isnan(theirs.astype(np.float64)).any(), "PyTorch itself gives NaN: choose other inputs"
        np.testing.assert_allclose(ours, theirs, rtol=tolerance[0], atol=tolerance[1], equal_nan=False)


# Tables


def tables(name: str) -> list[tuple[str, Any]]:
    """The rows of all families' tables of a name, each with a name of its own for pytest."""
    rows: list[tuple[str, Any]] = []
    for path in sorted(Path(__file__).parent.glob("cases_*.py")):
        family = path.stem.removeprefix("cases_")
        table = getattr(import_module(path.stem), name, [])
        rows += [(f"{family}-{index}-{_label(row)}", row) for index, row in enumerate(table)]
    return rows


def _label(row: Any) -> str:
    return (repr(row.op) if isinstance(row, Case) else str(row[2]))[:60]


def uncovered(operators: Iterable[type[Op]], cases: Iterable[Case]) -> list[str]:
    """What no case covers: operators without one, fields with one value only, choices that are never taken."""
    by_operator: dict[type[Op], list[Op]] = {}
    for case in cases:
        by_operator.setdefault(type(case.op), []).append(case.op)
    missing: list[str] = []
    for operator in operators:
        ops = by_operator.get(operator)
        if not ops:
            missing.append(f"{operator.__name__} has no case")
            continue
        for part in operator.fields:
            values = {repr(getattr(op, part.name)) for op in ops}
            for choice in part.choices:
                if repr(choice) not in values:
                    missing.append(f"{operator.__name__}({part.name}={choice!r}) has no case")
            if len(values) < 2:
                missing.append(f"{operator.__name__}.{part.name} is {values.pop()} in every case")
    return missing


__all__ = [
    "Array", "Case", "Dim", "Input", "Refusal", "accept", "as_type", "assert_close", "infer", "onnx_session",
    "run_onnx", "run_torch", "shape_of", "single_node_graph", "tables", "torch_module", "uncovered", "weights_of",
]  # fmt: skip
