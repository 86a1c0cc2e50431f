"""Losses as calls of ``torch.nn.functional``."""

from __future__ import annotations

from typing import Any

from dlspec.backends.torch.lower_modules import whole
from dlspec.backends.torch.python import Call, Const, Keyword, Name, Py, call, method
from dlspec.backends.torch.registry import Lower, Size, lowers
from dlspec.ir.op import Op
from dlspec.ops import loss

_NAMES: dict[type[Op], str] = {
    loss.MSELoss: "mse_loss",
    loss.L1Loss: "l1_loss",
    loss.SmoothL1Loss: "smooth_l1_loss",
    loss.HuberLoss: "huber_loss",
    loss.NLLLoss: "nll_loss",
    loss.CrossEntropyLoss: "cross_entropy",
    loss.BCELoss: "binary_cross_entropy",
    loss.BCEWithLogitsLoss: "binary_cross_entropy_with_logits",
    loss.KLDivLoss: "kl_div",
    loss.MarginRankingLoss: "margin_ranking_loss",
    loss.HingeEmbeddingLoss: "hinge_embedding_loss",
    loss.CosineEmbeddingLoss: "cosine_embedding_loss",
    loss.TripletMarginLoss: "triplet_margin_loss",
}


@lowers(*_NAMES)
def functional(e: Lower, op: loss.Loss, xs: list[Py]) -> Py:
    names = [name.removesuffix("?") for name in op.tensors]
    needed = sum(not name.endswith("?") for name in op.tensors)
    first = _tensor(e, xs[0])
    others = [_spread(e, op, position, xs[position], first) for position in range(1, needed)]
    optional = tuple(
        Keyword(name, x if _is_neutral(op, name, x) else _tensor(e, x), op.neutral.get(name, ...))
        for name, x in zip(names[needed:], xs[needed:], strict=False)
    )
    fields = tuple(Keyword(f.name, _field(getattr(op, f.name)), f.converted_default) for f in op.fields)
    made = Call(Name(f"F.{_NAMES[type(op)]}"), (first, *others), optional + fields)
    if isinstance(op, loss.KLDivLoss) and op.reduction == "mean":
        # Its own "mean" warns, and is to become that over the batch.
        reductions = tuple(Keyword("reduction", Const("none")) if f.name == "reduction" else f for f in fields)
        return method(Call(made.function, made.args, reductions), "mean")
    return made


def _tensor(e: Lower, x: Py) -> Py:
    return e.tensor(x) if isinstance(x, Const | Size) else x


def _is_neutral(op: loss.Loss, name: str, x: Py) -> bool:
    return isinstance(x, Const) and x.value == op.neutral.get(name)


def _field(value: Any) -> Py:
    return Const(whole(value) if isinstance(value, float) else value)


def _spread(e: Lower, op: loss.Loss, position: int, x: Py, first: Py) -> Py:
    """A number in the shape of what it is compared with: torch would broadcast it, and warn."""
    inputs = e.node.inputs
    shape = inputs[0].type.shape
    if isinstance(op, loss.Classification) or inputs[position].type.rank:
        return x
    if isinstance(op, loss.CosineEmbeddingLoss):
        return method(_tensor(e, x), "expand", *e.sizes(shape[:-1])) if len(shape) > 1 else _tensor(e, x)
    if not isinstance(x, Const):
        return method(_tensor(e, x), "expand_as", first)
    match x.value:
        case 0:
            return call("torch.zeros_like", first)
        case 1:
            return call("torch.ones_like", first)
        case _:
            return call("torch.full_like", first, x)
