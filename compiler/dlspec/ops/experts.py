"""Experts, of which each token has a few that are chosen for it."""

from __future__ import annotations

from typing import ClassVar

from dlspec.ir.dims import Dim, product
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import TensorType, format_shape
from dlspec.ops.rules import broadcast, require_float, same_dtype


class RoutedLinear(Op):
    """The linear map of the last axis by the expert of each row: `x[row] @ weight[index[row]].T`.

    `weight` is [experts, out, in] and `index` the experts of all rows: where it is [..., chosen] and x [..., 1, in] a token
    has several. What comes out is [..., chosen, out]. An expert computes the rows that are its own and nothing else, and
    so many MACs are counted: one per output element and input feature. `summary` prints beside them what all experts would
    take for all tokens, of which the last axis of `index` has the chosen ones.

    ONNX: for each expert NonZero, Gather, MatMul and ScatterND, written out. Shazeer et al., 2017, "Outrageously Large
    Neural Networks: The Sparsely-Gated Mixture-of-Experts Layer".
    """

    tensors: ClassVar[tuple[str, ...]] = ("x", "weight", "index")
    positions: ClassVar[tuple[str, ...]] = ("index",)
    layer = False
    function = "routed_linear"

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, weight, index = inputs
        require_float(x, "`routed_linear`")
        same_dtype((x, weight), "`routed_linear`")
        if not index.dtype.is_integer:
            message = f"`routed_linear` takes integers as numbers of experts, not {index}"
            raise OpError(message, "topk gives them: values, index = topk(scores, 2)", "DL0207")
        if weight.rank != 3 or not x.rank or not index.rank:
            shapes = ", ".join(format_shape(each.shape) for each in inputs)
            raise OpError(
                f"`routed_linear` takes x [..., in], a weight [experts, out, in] and an index [...], not {shapes}",
                code="DL0202",
            )
        message = f"`routed_linear`: the weight {weight} is for {weight.shape[2]} features, and x has {x.shape[-1]}"
        need.equal(weight.shape[2], x.shape[-1], message)
        return x.with_shape(*self.rows(need, x, index), weight.shape[1])

    def rows(self, need: Needs, x: TensorType, index: TensorType) -> tuple[Dim, ...]:
        """All rows that are computed: those of x and the experts chosen for them."""
        return broadcast(need, (x.with_shape(*x.shape[:-1]), index), "`routed_linear`")

    def classes(self, inputs: Types) -> tuple[int, Dim, int | None] | None:
        return (2, inputs[1].shape[0], None) if inputs[1].rank else None

    def macs(self, inputs: Types, outputs: Types) -> Dim:
        return outputs[0].elements * inputs[0].shape[-1]

    def idle_macs(self, inputs: Types, outputs: Types) -> Dim:
        everything = product(outputs[0].shape[:-2]) * product(inputs[1].shape)
        return everything - self.macs(inputs, outputs)


OPERATORS: tuple[type[Op], ...] = (RoutedLinear,)
