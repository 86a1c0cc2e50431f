"""Graphs made of graphs, for the backends: BatchNorm folded away, another element type, training's outputs shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.ir.graph import Graph, Node, Output, Parameter, Scope, Value
from dlspec.ir.init import ZEROS
from dlspec.ir.op import Op
from dlspec.ir.types import DType, TensorType
from dlspec.ops.conv import Conv, ConvTranspose
from dlspec.ops.dropout import Identity
from dlspec.ops.linear import Linear
from dlspec.ops.norm import BatchNorm

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

Replacement: TypeAlias = "tuple[Op, tuple[Parameter, ...]]"


def rewritten(
    graph: Graph,
    outputs: list[Output],
    replace: Callable[[Node], Replacement],
    retype: Callable[[TensorType], TensorType] = lambda type: type,
) -> Graph:
    """A copy of what the outputs need, scopes included, with operators and their weights replaced node by node.

    Shapes stay. Parameters are in the order in which the copied nodes have them.
    """
    needed = {output.value for output in outputs}
    nodes: set[Node] = set()
    for node in reversed(graph.nodes):
        if not needed.isdisjoint(node.outputs):
            nodes.add(node)
            needed.update(node.inputs)
    made = Graph(graph.name, _copied(graph.root, None))
    values: dict[Value, Value] = {}
    for value in graph.inputs:
        values[value] = Value(value.name, retype(value.type), None, value.span)
    made.inputs = [values[value] for value in graph.inputs]
    copies: dict[Node, Node] = {}
    scopes: list[tuple[Scope, Scope]] = []
    stack: list[tuple[Scope, Scope, int]] = [(graph.root, made.root, 0)]
    while stack:
        scope, copy, position = stack.pop()
        if position == 0:
            scopes.append((scope, copy))
        if position == len(scope.children):
            continue
        stack.append((scope, copy, position + 1))
        child = scope.children[position]
        if isinstance(child, Scope):
            stack.append((child, _copied(child, copy), 0))
        elif child in nodes:
            op, weights = replace(child)
            types = tuple(retype(value.type) for value in child.outputs)
            copies[child] = Node(
                op, tuple(values[v] for v in child.inputs), weights, copy, child.name, child.span, types
            )
            values |= dict(zip(child.outputs, copies[child].outputs, strict=True))
            made.parameters |= {weight.path: weight for weight in weights}
    for scope, copy in scopes:
        copy.arguments = {
            name: values.get(value, value) if isinstance(value, Value) else value
            for name, value in scope.arguments.items()
        }
    made.nodes = [copies[node] for node in graph.nodes if node in nodes]
    made.outputs = [Output(output.name, values[output.value], output.training) for output in outputs]
    made.symbols, made.sizes, made.settings, made.conditions = (
        graph.symbols,
        graph.sizes,
        graph.settings,
        graph.conditions,
    )
    for node, copy in copies.items():
        copy.training = node.training
    return made


def _copied(scope: Scope, parent: Scope | None) -> Scope:
    return Scope(
        scope.kind, parent, scope.span, scope.label, scope.declaration, scope.definition, {}, scope.shared, scope.path
    )


def as_inference(graph: Graph) -> Graph:
    """The network with the outputs of training among those of inference."""
    made = rewritten(graph, graph.outputs, lambda node: (node.op, node.weights))
    for node in made.nodes:
        node.training = False
    for output in made.outputs:
        output.training = False
    made.parameters = {path: made.parameters[path] for path in graph.parameters if path in made.parameters}
    return made


# Folding ---------------------------------------------------------------------------------------------------------------


def fold_batch_norm(graph: Graph) -> Graph:
    """The network at inference, with each BatchNorm behind a convolution or Linear in that layer's weights.

    Layers that are used twice or whose result is used elsewhere stay as they are. `folded_weights` has the weights.
    """
    pairs = _foldable(graph)
    norms = set(pairs.values())

    def replace(node: Node) -> Replacement:
        if node in norms:
            return Identity(), ()
        if node not in pairs:
            return node.op, node.weights
        weight = node.weights[0]
        bias = Parameter(_bias_path(node), (_channels(node),), weight.dtype, "param", ZEROS, weight.span)
        fields = {field.name: getattr(node.op, field.name) for field in node.op.fields}
        return type(node.op)(**(fields | {"bias": True})), (weight, bias)

    return rewritten(graph, [output for output in graph.outputs if not output.training], replace)


def folded_weights(graph: Graph, weights: Mapping[str, Array]) -> dict[str, Array]:
    """The weights of ``fold_batch_norm(graph)`` that compute what these compute in ``graph``. Folded in float64."""
    import numpy as np

    made = {path: array for path, array in weights.items() if path in fold_batch_norm(graph).parameters}
    for layer, norm in _foldable(graph).items():
        op = norm.op
        assert isinstance(op, BatchNorm)
        owned = {
            weight.path.rpartition(".")[2]: np.asarray(weights[weight.path], np.float64) for weight in norm.weights
        }
        scale = owned.get("weight", np.float64(1)) / np.sqrt(owned["running_var"] + op.eps)
        shift = owned.get("bias", np.float64(0)) - owned["running_mean"] * scale
        path, dtype = layer.weights[0].path, weights[layer.weights[0].path].dtype
        axis = 1 if isinstance(layer.op, ConvTranspose) else 0
        along = np.reshape(scale, [-1 if i == axis else 1 for i in range(weights[path].ndim)])
        made[path] = np.asarray(np.asarray(weights[path], np.float64) * along, dtype)
        old = np.asarray(weights[layer.weights[1].path], np.float64) if len(layer.weights) > 1 else np.float64(0)
        made[_bias_path(layer)] = np.asarray(old * scale + shift, dtype)
    return made


def _foldable(graph: Graph) -> dict[Node, Node]:
    """The layers that can take the BatchNorm behind them, with it."""
    users: dict[Value, int] = {}
    uses: dict[Parameter, int] = {}
    for node in graph.inference_nodes():
        for value in node.inputs:
            users[value] = users.get(value, 0) + 1
        for weight in node.weights:
            uses[weight] = uses.get(weight, 0) + 1
    for output in graph.outputs:
        if not output.training:
            users[output.value] = users.get(output.value, 0) + 1
    pairs: dict[Node, Node] = {}
    for norm in graph.inference_nodes():
        layer = norm.inputs[0].producer if norm.inputs else None
        if not isinstance(norm.op, BatchNorm) or not norm.op.track_running_stats or layer is None:
            continue
        fits = isinstance(layer.op, Conv) or (isinstance(layer.op, ConvTranspose) and layer.op.groups == 1)
        fits = fits or (isinstance(layer.op, Linear) and layer.outputs[0].type.rank == 2)
        alone = users[layer.outputs[0]] == 1 and all(uses[weight] == 1 for weight in (*layer.weights, *norm.weights))
        if fits and alone:
            pairs[layer] = norm
    return pairs


def _bias_path(layer: Node) -> str:
    return f"{layer.weights[0].path.rpartition('.')[0]}.bias"


def _channels(layer: Node) -> int:
    size = layer.outputs[0].type.shape[1]
    assert isinstance(size, int)
    return size


# Element types ---------------------------------------------------------------------------------------------------------


def with_dtype(graph: Graph, dtype: DType) -> Graph:
    """The network in another floating-point type: what is float32 in it has that type."""
    parameters: dict[Parameter, Parameter] = {}

    def weight(old: Parameter) -> Parameter:
        if old not in parameters:
            parameters[old] = Parameter(old.path, old.shape, other(old.dtype), old.kind, old.init, old.span)
        return parameters[old]

    def other(old: DType) -> DType:
        return dtype if old is DType.FLOAT32 else old

    def replace(node: Node) -> Replacement:
        fields = {field.name: getattr(node.op, field.name) for field in node.op.fields}
        changed = {name: other(value) for name, value in fields.items() if isinstance(value, DType)}
        op = type(node.op)(**(fields | changed)) if changed else node.op
        return op, tuple(weight(w) for w in node.weights)

    made = rewritten(graph, graph.outputs, replace, lambda type: TensorType(other(type.dtype), type.shape))
    made.parameters = {path: made.parameters[path] for path in graph.parameters if path in made.parameters}
    return made


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
