"""Graphs made of graphs, for the backends: BatchNorm folded away, another element type, training's outputs shown, draws
fixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from math import sqrt
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.ir.dims import symbols
from dlspec.ir.graph import Graph, Node, Output, Parameter, Scope, Value
from dlspec.ir.init import ZEROS
from dlspec.ir.op import Op
from dlspec.ir.program import Template
from dlspec.ir.types import DType, TensorType
from dlspec.objectives.training import Training
from dlspec.ops.combine import Less
from dlspec.ops.conv import Conv, ConvTranspose
from dlspec.ops.dropout import Identity
from dlspec.ops.elementwise import Cast
from dlspec.ops.linear import Linear
from dlspec.ops.norm import BatchNorm
from dlspec.ops.random import Bernoulli, Full, Normal, Uniform

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
    nodes = set(graph.needed(output.value for output in outputs))
    templates = {template: Template(template.name, template.declaration) for template in graph.templates}
    made = Graph(graph.name, _copied(graph.root, None, templates))
    made.keep(templates.values())
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
            stack.append((child, _copied(child, copy, templates), 0))
        elif child in nodes:
            op, weights = replace(child)
            types = tuple(retype(value.type) for value in child.outputs)
            copies[child] = Node(
                op, tuple(values[v] for v in child.inputs), weights, copy, child.name, child.span, types, child.origin
            )
            values |= dict(zip(child.outputs, copies[child].outputs, strict=True))
            made.parameters |= {weight.path: weight for weight in weights}
    for scope, copy in scopes:
        copy.arguments = {
            name: values.get(value, value) if isinstance(value, Value) else value
            for name, value in scope.arguments.items()
        }
        copy.inputs = {name: values[value] for name, value in scope.inputs.items() if value in values}
        copy.bound = {values[value]: name for value, name in scope.bound.items() if value in values}
        copy.flow = values.get(scope.flow) if scope.flow is not None else None
        copy.given, copy.names = scope.given, scope.names
        if all(value in values for value in scope.outputs):
            copy.outputs = tuple(values[value] for value in scope.outputs)
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
    became: dict[Any, Any] = {**values, **dict(scopes)}
    made.former = {old: became.get(new) for old, new in graph.former.items()} | became
    return made


def _copied(scope: Scope, parent: Scope | None, templates: dict[Template, Template]) -> Scope:
    template = None if scope.template is None else templates[scope.template]
    return Scope(
        scope.kind, parent, scope.span, scope.label, scope.declaration, scope.definition, {}, scope.shared, scope.path,
        scope.origin, template,
    )  # fmt: skip


def as_inference(graph: Graph) -> Graph:
    """The network with the outputs of training among those of inference."""
    made = rewritten(graph, graph.outputs, lambda node: (node.op, node.weights))
    for node in made.nodes:
        node.training = False
    for output in made.outputs:
        output.training = False
    made.parameters = {path: made.parameters[path] for path in graph.parameters if path in made.parameters}
    return made


def with_fixed_draws(graph: Graph, deviations: float = 0.0) -> Graph:
    """The network with every random draw replaced by its mean, and so many standard deviations more: what can be compared
    of one that draws. A Bernoulli draw becomes its probability."""

    def replace(node: Node) -> Replacement:
        match node.op:
            case Normal(shape=shape, mean=mean, std=std, dtype=dtype):
                return Full(shape, mean + deviations * std, dtype), ()
            case Uniform(shape=shape, low=low, high=high, dtype=dtype):
                return Full(shape, (low + high) / 2 + deviations * (high - low) / sqrt(12), dtype), ()
            case Bernoulli():
                return Identity(), ()
            case _:
                return node.op, node.weights

    if not any(node.op.random for node in graph.nodes):
        return graph
    made = rewritten(graph, graph.outputs, replace)
    made.parameters = {path: made.parameters[path] for path in graph.parameters if path in made.parameters}
    return made


# Objectives ------------------------------------------------------------------------------------------------------------


def draws(graph: Graph) -> dict[str, Node]:
    """The random draws that the outputs need, by the names that they have as inputs: ``normal``, ``uniform``,
    ``normal_2`` ... in their order."""
    taken = {value.name for value in graph.inputs} | {output.name for output in graph.outputs} | graph.parameters.keys()
    named: dict[str, Node] = {}
    for node in graph.needed(output.value for output in graph.outputs):
        if node.op.random:
            base = "normal" if isinstance(node.op, Normal) else "uniform"
            numbered = (base if number == 1 else f"{base}_{number}" for number in count(1))
            named[next(name for name in numbered if name not in taken and name not in named)] = node
    return named


def noise_ranges(graph: Graph) -> dict[str, tuple[float, float]]:
    """Between which numbers the draws are that are uniform, by the names of `draws`."""
    ops = {name: node.op for name, node in draws(graph).items()}
    return {
        name: (op.low, op.high) if isinstance(op, Uniform) else (0.0, 1.0)
        for name, op in ops.items()
        if not isinstance(op, Normal)
    }


def noise_as_inputs(graph: Graph) -> Graph:
    """The graph with its random draws as further inputs, by the names of `draws`.

    An input holds the very numbers that are drawn, from the distribution that the spec gives. Where ones are drawn with
    a probability, the input is uniform between 0 and 1, and there is a one where it is less.
    """
    made = rewritten(graph, graph.outputs, lambda node: (node.op, node.weights))
    names = {node: name for name, node in draws(made).items()}
    instead: dict[Value, Value] = {}
    nodes: list[Node] = []
    for node in made.nodes:
        node.inputs = tuple(instead.get(value, value) for value in node.inputs)
        if node not in names:
            nodes.append(node)
            continue
        (drawn,) = node.outputs
        noise = Value(names[node], drawn.type, None, node.span)
        made.inputs.append(noise)
        steps = [] if isinstance(node.op, Normal | Uniform) else _ones(noise, node)
        instead[drawn] = steps[-1].outputs[0] if steps else noise
        nodes += steps
        at = node.scope.children.index(node)
        node.scope.children[at : at + 1] = steps
    made.nodes = nodes
    made.outputs = [Output(o.name, instead.get(o.value, o.value), o.training) for o in made.outputs]
    made.parameters = {path: made.parameters[path] for path in graph.parameters if path in made.parameters}
    return made


def _ones(noise: Value, node: Node) -> list[Node]:
    """The nodes that make ones of uniform numbers with the probability that a node has as its input."""
    (p,) = node.inputs
    less = Node(
        Less(), (noise, p), (), node.scope, f"{node.name}.lt", node.span, (TensorType(DType.BOOL, p.type.shape),)
    )
    cast = Node(Cast(p.type.dtype), less.outputs, (), node.scope, node.name, node.span, (p.type,))
    del node.scope.children[-2:]
    return [less, cast]


def objective(graph: Graph, output: str) -> Graph:
    """What one output needs: its nodes, weights and inputs, and those inputs that show their sizes.

    Raises KeyError for a name that is no output.
    """
    chosen = {one.name: one for one in graph.outputs}[output]
    made = rewritten(graph, [chosen], lambda node: (node.op, node.weights))
    read = {value for node in made.nodes for value in node.inputs} | {made.outputs[0].value}
    needed = {
        name for node in made.nodes for value in node.outputs for dim in value.type.shape for name in symbols(dim)
    }
    for value in (*(v for v in made.inputs if v in read), *(v for v in made.inputs if v not in read)):
        shown = {str(dim) for dim in value.type.shape}
        if value in read or needed & shown:
            read.add(value)
            needed -= shown
    made.inputs = [value for value in made.inputs if value in read]
    known = {name for value in made.inputs for dim in value.type.shape for name in symbols(dim)}
    made.symbols = {name: default for name, default in graph.symbols.items() if name in known}
    made.conditions = tuple(condition for condition in graph.conditions if condition.symbols <= known)
    made.parameters = {path: made.parameters[path] for path in graph.parameters if path in made.parameters}
    return made


def objectives(training: Training, update: str | None = None) -> Graph:
    """What computes the objectives of a train, or that of one update, from data and noise.

    An output has the name of its update, with ``_objective`` behind it where a weight or an input is called so. Raises
    KeyError for a name that is no update.
    """
    graph = noise_as_inputs(training.graph)
    made = graph if update is None else objective(graph, update)
    taken = {value.name for value in graph.inputs} | graph.parameters.keys()
    for output in made.outputs:
        output.name = f"{output.name}_objective" if output.name in taken else output.name
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
