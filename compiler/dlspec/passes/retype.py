"""Other element types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.ir.edit import Editor, edited
from dlspec.ir.graph import Graph, Node, Parameter, Value
from dlspec.ir.types import DType, TensorType
from dlspec.ir.verify import verified

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@verified
def with_dtype(graph: Graph, dtype: DType) -> Graph:
    """The network in another floating-point type: what is float32 in it has that type."""
    weights: dict[Parameter, Parameter] = {}

    def other(old: DType) -> DType:
        return dtype if old is DType.FLOAT32 else old

    def weight(old: Parameter) -> Parameter:
        return weights.setdefault(old, old.copied(old.path, other(old.dtype)))

    def rule(edit: Editor, node: Node) -> Sequence[Value]:
        given = {field.name: getattr(node.op, field.name) for field in node.op.fields}
        dtypes = {name: other(value) for name, value in given.items() if isinstance(value, DType)}
        return edit.keep(node, node.op.changed(**dtypes) if dtypes else node.op, tuple(map(weight, node.weights)))

    return edited(graph, rule, retype=lambda type: TensorType(other(type.dtype), type.shape))


def converted_weights(weights: Mapping[str, Array], graph: Graph) -> dict[str, Array]:
    """Weights in the element types of a graph's."""
    return {path: weights[path].astype(numpy_dtype(p.dtype)) for path, p in graph.parameters.items() if path in weights}


def numpy_dtype(dtype: DType) -> Any:
    """The NumPy type; of bfloat16 that of ml_dtypes, which comes with onnx."""
    import numpy as np

    if dtype is DType.BFLOAT16:
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(dtype.label)
