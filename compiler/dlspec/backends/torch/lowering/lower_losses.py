"""Losses as calls of ``torch.nn.functional``."""

from __future__ import annotations

from typing import Any

from dlspec.backends.torch.lowering.lower_modules import whole
from dlspec.backends.torch.lowering.registry import Lower, Size, lowers
from dlspec.backends.torch.python.expressions import Binary, Call, Const, Keyword, Name, Py, call, method
from dlspec.ir.node import Value
from dlspec.ir.op import Op
from dlspec.ops import loss
from dlspec.ops.gradient import Grad

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
    each = tuple(Keyword("reduction", Const("none")) if f.name == "reduction" else f for f in fields)
    function = Name(f"F.{_NAMES[type(op)]}")
    if isinstance(op, loss.KLDivLoss) and op.reduction == "mean":
        # Its own "mean" warns, and is to become that over the batch.
        return method(Call(function, (first, *others), each), "mean")
    learned = [k.name for k, value in zip(optional, e.node.inputs[needed:], strict=False) if _learned(value)]
    if not learned or (isinstance(op, loss.CrossEntropyLoss) and e.node.inputs[1].type.dtype.is_float):
        return Call(function, (first, *others), optional + fields)
    if learned != ["weight"] or not isinstance(op, loss.BCELoss):
        hint = f'multiply the losses by it: {op.function}(..., reduction="none") * weight'
        raise e.unsupported(f"PyTorch has no gradient by the `{learned[-1]}` of `{op.function}`", hint)
    weight, *rest = optional
    losses = Binary("*", Call(function, (first, *others), (*rest, *each)), weight.value)
    return losses if op.reduction == "none" else method(losses, op.reduction)


def _learned(value: Value) -> bool:
    """Whether a gradient may go back to something that a tensor is computed from."""
    seen, todo = {value}, [value]
    while todo:
        value = todo.pop()
        node = value.producer
        if any(isinstance(use.op, Grad) and use.inputs[1] is value for use in value.uses):
            return True
        if node is None or node.op.cuts_gradient:
            continue
        if any(weight.kind == "param" and weight.dtype.is_float for weight in node.weights):
            return True
        new = [before for before in node.inputs if before not in seen and before.type.dtype.is_float]
        seen.update(new)
        todo += new
    return False


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
