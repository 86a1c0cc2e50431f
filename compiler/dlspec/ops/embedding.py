"""Rows of a table, by index."""

from __future__ import annotations

from dlspec.ir.dims import Dim
from dlspec.ir.init import Init, normal
from dlspec.ir.op import Needs, Op, OpError, Types, Weight
from dlspec.ir.types import TensorType
from dlspec.ops.window import require_bound


class Embedding(Op):
    """Looks up rows of a table: integers [...] below num_embeddings become [..., embedding_dim].

    The table is drawn from N(0, 1). The row padding_idx, counted from the end where negative, starts as zeros and gets
    no gradient. No FLOPs.

    ONNX: Gather. Bengio et al., 2003, "A Neural Probabilistic Language Model".
    """

    torch = "Embedding"
    out_size = "embedding_dim"
    torch_sizes = (1,)

    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None = None
    weight_init: Init | None = None

    def check(self) -> None:
        require_bound(self.num_embeddings, 1, "num_embeddings")
        require_bound(self.embedding_dim, 1, "embedding_dim")
        if self.padding_idx is not None and not -self.num_embeddings <= self.padding_idx < self.num_embeddings:
            message = f"`padding_idx` of {self.padding_idx} is not a row of a table with {self.num_embeddings} rows"
            raise OpError(message, code="DL0208")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        if not x.dtype.is_integer:
            hint = 'declare the input as int[...], or convert it: cast(x, "int")'
            raise OpError(f"Embedding takes integers, not {x}", hint)
        return TensorType(self._table().dtype, (*x.shape, self.embedding_dim))

    def _table(self) -> Weight:
        init = self.weight_init or normal()
        if self.padding_idx is not None and self.weight_init is None:
            init = Init(init.kind, (*init.arguments, ("zero_row", self.padding_idx % self.num_embeddings)))
        return Weight("weight", (self.num_embeddings, self.embedding_dim), init)

    def classes(self, inputs: Types) -> tuple[int, Dim, int | None]:
        return 0, self.num_embeddings, None

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return (self._table(),)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 0


OPERATORS: tuple[type[Op], ...] = (Embedding,)
