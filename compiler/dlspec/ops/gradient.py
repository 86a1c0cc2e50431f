"""What is said of gradients in a graph."""

from __future__ import annotations

from typing import ClassVar

from dlspec.ir.dims import Dim
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import TensorType
from dlspec.ops.rules import DataMovement


class Detach(DataMovement):
    """The same tensor, through which no gradient flows back."""

    layer = True
    function = "detach"
    view = True
    cuts_gradient = True
    elementwise = True

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return inputs[0]


class Grad(Op):
    """The gradient of the sum of `y` with respect to `x`: a tensor of the shape of `x`, to be differentiated again.

    Where the first axis of both is the batch and samples do not mix, it holds the gradient of each sample. In ONNX it is
    the nodes that compute it. In the body of a `scan` it goes back through its turn and no further. The work of going back
    through the graph is not counted in FLOPs.

    Griewank and Walther, 2008, "Evaluating Derivatives".
    """

    tensors: ClassVar[tuple[str, ...]] = ("y", "x")
    layer = False
    function = "grad"

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        y, x = inputs
        if not (y.dtype.is_float and x.dtype.is_float):
            raise OpError(
                f"`grad` differentiates floating-point numbers by each other, not {y} by {x}",
                'convert the tensor first: cast(x, "float")', "DL0207",
            )  # fmt: skip
        return x

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 0


OPERATORS: tuple[type[Op], ...] = (Detach, Grad)


def differentiates(graph: Graph) -> bool:
    """Whether something is computed from a gradient."""
    return any(isinstance(node.op, Grad) for node in graph.nodes)


def cuts(node: Node) -> bool:
    """Whether no gradient passes a node: it is asked not to, or what it computes has none."""
    return node.op.cuts_gradient or not any(value.type.dtype.is_float for value in node.outputs)
