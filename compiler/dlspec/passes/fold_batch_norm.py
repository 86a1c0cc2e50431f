"""BatchNorm in the weights of the layer before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.ir.edit import Editor, edited
from dlspec.ir.graph import Graph
from dlspec.ir.init import ZEROS
from dlspec.ir.node import Node, Parameter, Value
from dlspec.ir.verify import verified
from dlspec.ops.conv import Conv, ConvTranspose
from dlspec.ops.dropout import Identity
from dlspec.ops.linear import Linear
from dlspec.ops.norm import BatchNorm
from dlspec.passes.whole_uses import needed_whole

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@verified
def fold_batch_norm(graph: Graph) -> Graph:
    """The network at inference, with each BatchNorm behind a convolution or Linear in that layer's weights.

    An Identity stands where it was. Layers that are used twice or whose result is used elsewhere stay as they are.
    `folded_weights` has the weights.
    """
    pairs = _foldable(graph)
    norms = set(pairs.values())

    def rule(edit: Editor, node: Node) -> Sequence[Value]:
        if node in norms:
            return edit.keep(node, Identity(), ())
        if node not in pairs:
            return edit.keep(node)
        weight = node.weights[0]
        bias = Parameter(_bias_path(node), (_channels(node),), weight.dtype, "param", ZEROS, weight.span)
        return edit.keep(node, node.op.changed(bias=True), (weight, bias))

    outputs = [output for output in graph.outputs if not output.training]
    return edited(graph, rule, outputs, nodes=needed_whole(graph, (output.value for output in outputs)))


def folded_weights(graph: Graph, weights: Mapping[str, Array]) -> dict[str, Array]:
    """The weights of ``fold_batch_norm(graph)`` that compute what these compute in ``graph``. Folded in float64."""
    import numpy as np

    left = fold_batch_norm(graph).parameters
    made = {path: array for path, array in weights.items() if path in left}
    for layer, norm in _foldable(graph).items():
        if layer.weights[0].path not in left:
            continue
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
    nodes = graph.inference_nodes()
    owners: dict[Parameter, int] = {}
    for node in nodes:
        for weight in node.weights:
            owners[weight] = owners.get(weight, 0) + 1
    shown = {output.value for output in graph.outputs if not output.training}
    pairs: dict[Node, Node] = {}
    for norm in nodes:
        layer = norm.inputs[0].producer if norm.inputs else None
        if not isinstance(norm.op, BatchNorm) or not norm.op.track_running_stats or layer is None:
            continue
        fits = isinstance(layer.op, Conv) or (isinstance(layer.op, ConvTranspose) and layer.op.groups == 1)
        fits = fits or (isinstance(layer.op, Linear) and layer.outputs[0].type.rank == 2)
        (result,) = layer.outputs
        uses = [user for user in result.uses if not user.training]
        if (
            fits
            and uses == [norm]
            and result not in shown
            and all(owners[w] == 1 for w in (*layer.weights, *norm.weights))
        ):
            pairs[layer] = norm
    return pairs


def _bias_path(layer: Node) -> str:
    return f"{layer.weights[0].path.rpartition('.')[0]}.bias"


def _channels(layer: Node) -> int:
    size = layer.outputs[0].type.shape[1]
    assert isinstance(size, int)
    return size
