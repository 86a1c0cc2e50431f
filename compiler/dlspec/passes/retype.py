"""Other element types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.diagnostics import Diagnostic, Diagnostics, DlspecError
from dlspec.ir.bounds import check_numbers
from dlspec.ir.edit import Editor, edited
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node, Parameter, Value
from dlspec.ir.op import OpError
from dlspec.ir.types import DType, TensorType
from dlspec.ir.verify import verified
from dlspec.ops.constant import Tied
from dlspec.ops.elementwise import Cast

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@verified
def with_dtype(graph: Graph, dtype: DType) -> Graph:
    """The network in another floating-point type: what is float32 in it has that type, but for the weights that its
    operators keep wide, such as running statistics.

    Raises `DlspecError` with the numbers that the type does not hold.
    """
    weights: dict[Parameter, Parameter] = {}
    found = Diagnostics()

    def other(old: DType) -> DType:
        return dtype if old is DType.FLOAT32 else old

    def at_end(value: object) -> bool:
        """The greatest or the least number of the type, as `finfo` gives it: it is that of the other type then."""
        return isinstance(value, float) and abs(value) == DType.FLOAT32.largest

    def weight(old: Parameter, wanted: DType | None) -> Parameter:
        return weights.setdefault(old, old.copied(old.path, other(old.dtype) if wanted is None else wanted))

    def rule(edit: Editor, node: Node) -> Sequence[Value]:
        given = {field.name: getattr(node.op, field.name) for field in node.op.fields}
        dtypes = {name: other(value) for name, value in given.items() if isinstance(value, DType)}
        ends = {
            name: other(DType.FLOAT32).largest * (1 if value > 0 else -1)
            for name, value in given.items()
            if at_end(value)
        }
        op = node.op.changed(**dtypes, **ends) if dtypes or ends else node.op
        held = weights.get(node.weights[0]) if isinstance(op, Tied) else None
        if isinstance(op, Tied) and held is not None and held.dtype is not op.dtype:  # its layer keeps it wide
            return edit.insert(Cast(op.dtype), edit.insert(op.changed(dtype=held.dtype), (), (held,)), name=node.name)
        inputs = tuple([value.type for value in edit.inputs(node)])
        try:
            check_numbers(op, inputs, ())
        except OpError as error:
            found.add(node.finding(error.message, error.hint, error.code))
        floats = any(type.dtype.is_float for type in inputs)
        wanted = [each.dtype for each in op.weights(inputs)] if floats else [None] * len(node.weights)
        return edit.keep(node, op, tuple(map(weight, node.weights, wanted)))

    made = edited(graph, rule, retype=lambda type: TensorType(other(type.dtype), type.shape))
    found.check()
    return made


def converted_weights(weights: Mapping[str, Array], graph: Graph) -> dict[str, Array]:
    """Weights in the element types of a graph's. Raises `DlspecError` with those that these do not hold."""
    found = Diagnostics()
    made: dict[str, Array] = {}
    for path, parameter in graph.parameters.items():
        if path in weights:
            try:
                made[path] = narrowed(weights[path], parameter)
            except DlspecError as error:
                found.extend(error.diagnostics)
    found.check()
    return made


def narrowed(array: Array, parameter: Parameter) -> Array:
    """Numbers of a weight in its element type, themselves where they are of it. Raises `DlspecError` where it does not hold
    them."""
    fault = _fault(array, parameter.dtype)
    if fault:
        hint = "bfloat16 has the range of float32" if parameter.dtype is DType.FLOAT16 else ""
        message = f"the weight `{parameter.path}` {fault}"
        raise DlspecError([Diagnostic("DL0209", message, parameter.span, hint=hint)])
    return array.astype(numpy_dtype(parameter.dtype), copy=False)


def _fault(array: Array, dtype: DType) -> str:
    """What becomes infinite in a type, or too small for all its digits: the largest number stands for the tensor, since
    what is smaller is rounded by no more than that is."""
    import numpy as np

    if not dtype.is_half or not array.size or array.dtype.name == dtype.label:
        return ""
    largest = max(-float(array.min()), float(array.max()))
    if not isfinite(largest):
        sizes = np.abs(array.astype(np.float64))
        largest = float(sizes.max(initial=0.0, where=np.isfinite(sizes)))
    fault = dtype.fault(largest)
    if not fault and 0 < largest < dtype.smallest:
        fault = f"is less than {dtype.label} holds with all its digits, which is from {dtype.smallest:.3g} on"
    return fault and f"has a largest number of {largest:.6g}, which {fault}"


def numpy_dtype(dtype: DType) -> Any:
    """The NumPy type; of bfloat16 that of ml_dtypes, which comes with onnx."""
    import numpy as np

    if dtype is DType.BFLOAT16:
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(dtype.label)
