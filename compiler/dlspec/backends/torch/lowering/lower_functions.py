"""Operators as expressions: activations, arithmetic, reductions and what has no weights."""

from __future__ import annotations

from typing import Any

from dlspec.backends.torch.lowering.lower_modules import whole
from dlspec.backends.torch.lowering.registry import Lower, Size, lowers, takes_a_list
from dlspec.backends.torch.python.expressions import (
    Attribute,
    Binary,
    Call,
    Const,
    Keyword,
    Name,
    Nested,
    Py,
    Sequence,
    Subscript,
    Unary,
    call,
    method,
)
from dlspec.backends.torch.python.symbols import Arg
from dlspec.ir.fields import Number
from dlspec.ir.op import Op
from dlspec.ir.types import DType
from dlspec.ops import (
    OPERATORS,
    combine,
    constant,
    dropout,
    elementwise,
    gradient,
    matrix,
    random,
    recurrent,
    reduce,
    softmax,
    solve,
)

# One to one ------------------------------------------------------------------------------------------------------------


@lowers(*(operator for operator in OPERATORS if operator.torch_function))
def named(e: Lower, op: Op, xs: list[Py]) -> Py:
    assert op.torch_function
    required = tuple(Arg(getattr(op, field.name), field.name) for field in op.fields if field.required)
    optional = tuple(
        Keyword(field.name, Arg(getattr(op, field.name), field.name), field.converted_default)
        for field in op.fields
        if not field.required
    )
    in_place = (Keyword("inplace", Const(e.inplace), False),) if op.inplace else ()
    return Call(Name(op.torch_function), (*xs, *required), optional + in_place)


# Activations and dropout -----------------------------------------------------------------------------------------------

_SOFTMAXES: dict[type[Op], str] = {
    softmax.Softmax: "softmax",
    softmax.LogSoftmax: "log_softmax",
    softmax.Softmin: "softmin",
}


@lowers(*_SOFTMAXES)
def soften(e: Lower, op: softmax.Normalised, xs: list[Py]) -> Py:
    axis = op.axis(e.node.inputs[0].type.rank) if op.dim is None else op.dim
    return call(f"F.{_SOFTMAXES[type(op)]}", xs[0], dim=Const(axis))


_TRAINING = Name("self.training")


@lowers(dropout.Identity)
def identity(e: Lower, op: Op, xs: list[Py]) -> Py:
    return xs[0]


@lowers(dropout.Dropout)
def drop(e: Lower, op: dropout.Dropout, xs: list[Py]) -> Py:
    return call("F.dropout", xs[0], Arg(op.p, "p"), training=_TRAINING)


@lowers(dropout.AlphaDropout)
def drop_alpha(e: Lower, op: dropout.AlphaDropout, xs: list[Py]) -> Py:
    return call("F.alpha_dropout", xs[0], Arg(op.p, "p"), training=_TRAINING)


@lowers(dropout.ChannelDropout)
def drop_channels(e: Lower, op: dropout.ChannelDropout, xs: list[Py]) -> Py:
    return call(f"F.dropout{e.axes}d", xs[0], Arg(op.p, "p"), training=_TRAINING)


@lowers(dropout.StochasticDepth, dropout.DropPath)
def drop_path(e: Lower, op: dropout.StochasticDepth, xs: list[Py]) -> Py:
    return call(
        e.helper("stochastic_depth"), xs[0], Arg(op.p, "p"), mode=(Arg(op.mode, "mode"), "row"), training=_TRAINING
    )


# Functions of one tensor -----------------------------------------------------------------------------------------------


@lowers(elementwise.Neg)
def negate(e: Lower, op: Op, xs: list[Py]) -> Py:
    return Unary("-", xs[0])


@lowers(elementwise.Not)
def invert(e: Lower, op: Op, xs: list[Py]) -> Py:
    return Unary("~", xs[0])


@lowers(elementwise.Clamp)
def clamp(e: Lower, op: elementwise.Clamp, xs: list[Py]) -> Py:
    if e.node.inputs[0].type.dtype.is_integer:
        low, high = (Const(None if bound is None else int(bound)) for bound in (op.min, op.max))
    else:
        low, high = Arg(op.min, "min"), Arg(op.max, "max")
    return method(xs[0], "clamp", min=(low, None), max=(high, None))


@lowers(elementwise.Cast)
def cast(e: Lower, op: elementwise.Cast, xs: list[Py]) -> Py:
    if op.dtype is e.node.inputs[0].type.dtype:
        return xs[0]
    if e.like is not None and op.dtype is e.like_type:
        return method(xs[0], "to", Attribute(e.like, "dtype"))
    return method(xs[0], "to", Name(f"torch.{op.dtype.label}"))


# Functions of several --------------------------------------------------------------------------------------------------

_BINARY: dict[type[Op], str] = {
    combine.Add: "+",
    combine.Mul: "*",
    combine.Sub: "-",
    combine.Div: "/",
    combine.FloorDiv: "//",
    combine.Mod: "%",
    combine.Pow: "**",
    combine.Equal: "==",
    combine.NotEqual: "!=",
    combine.Less: "<",
    combine.LessEqual: "<=",
    combine.Greater: ">",
    combine.GreaterEqual: ">=",
}


@lowers(*_BINARY)
def binary(e: Lower, op: Op, xs: list[Py]) -> Py:
    if isinstance(op, combine.Add) and takes_a_list(e.node):
        return call("sum", Sequence(tuple(xs)))
    result = xs[0]
    for x in xs[1:]:
        result = Binary(_BINARY[type(op)], result, x)
    return result


_LOGIC: dict[type[Op], str] = {combine.And: "&", combine.Or: "|", combine.Xor: "^"}


@lowers(*_LOGIC)
def logic(e: Lower, op: Op, xs: list[Py]) -> Py:
    return Binary(_LOGIC[type(op)], *xs)


@lowers(combine.Max, combine.Min)
def extreme(e: Lower, op: Op, xs: list[Py]) -> Py:
    name = "torch.maximum" if isinstance(op, combine.Max) else "torch.minimum"
    result = xs[0]
    for x in xs[1:]:
        result = call(name, result, x)
    return result


@lowers(combine.Where)
def where(e: Lower, op: Op, xs: list[Py]) -> Py:
    condition, *sides = xs
    if isinstance(condition, Const):
        condition = call("torch.tensor", condition, **e.made(DType.BOOL))
    if all(isinstance(side, Const | Size) for side in sides):
        sides[0] = call("torch.tensor", sides[0], **e.made(e.node.inputs[1].type.dtype))
    return call("torch.where", condition, *sides)


@lowers(combine.Concat)
def concat(e: Lower, op: combine.Concat, xs: list[Py]) -> Py:
    return call("torch.cat", Sequence(tuple(xs)), dim=(Arg(op.dim, "dim"), 0))


@lowers(combine.MeshGrid)
def meshgrid(e: Lower, op: combine.MeshGrid, xs: list[Py]) -> Py:
    made = call("torch.meshgrid", *xs, indexing=Arg(op.indexing, "indexing"))
    return made if len(xs) > 1 else Subscript(made, (Const(0),))


@lowers(combine.Stack)
def stack(e: Lower, op: combine.Stack, xs: list[Py]) -> Py:
    return call("torch.stack", Sequence(tuple(xs)), dim=(Arg(op.dim, "dim"), 0))


@lowers(matrix.MatMul)
def matmul(e: Lower, op: Op, xs: list[Py]) -> Py:
    return Binary("@", *xs)


@lowers(matrix.Einsum)
def einsum(e: Lower, op: matrix.Einsum, xs: list[Py]) -> Py:
    return call("torch.einsum", Arg(op.equation, "equation"), *xs)


@lowers(solve.SolveTriangular)
def solve_triangular(e: Lower, op: solve.SolveTriangular, xs: list[Py]) -> Py:
    return call("torch.linalg.solve_triangular", *xs, upper=Arg(op.upper, "upper"))


# Gradients -------------------------------------------------------------------------------------------------------------


@lowers(gradient.Detach)
def detach(e: Lower, op: Op, xs: list[Py]) -> Py:
    return method(xs[0], "detach")


@lowers(gradient.Grad)
def differentiate(e: Lower, op: Op, xs: list[Py]) -> Py:
    y, x = xs
    total = method(y, "sum") if e.node.inputs[0].type.rank else y
    return Subscript(call("torch.autograd.grad", total, x, create_graph=Const(True)), (Const(0),))


# Reductions ------------------------------------------------------------------------------------------------------------

_REDUCTIONS: dict[type[Op], str] = {
    reduce.Mean: "mean",
    reduce.Sum: "sum",
    reduce.AMax: "amax",
    reduce.AMin: "amin",
    reduce.All: "all",
    reduce.Any: "any",
    reduce.ArgMax: "argmax",
    reduce.ArgMin: "argmin",
}


def _over(dim: Any) -> dict[str, Any]:
    return {} if dim is None else {"dim": Const(dim)}


@lowers(*_REDUCTIONS)
def reduction(e: Lower, op: Any, xs: list[Py]) -> Py:
    keep = {"keepdim": (Arg(op.keepdim, "keepdim"), False)}
    if op.dim is None and op.keepdim:
        rank = e.node.inputs[0].type.rank
        if isinstance(op, reduce.ArgMax | reduce.ArgMin):
            return method(method(xs[0], _REDUCTIONS[type(op)]), "reshape", Const((1,) * rank))
        return method(xs[0], _REDUCTIONS[type(op)], dim=Const(tuple(range(rank))), **keep)
    return method(xs[0], _REDUCTIONS[type(op)], **_over(op.dim), **keep)


@lowers(reduce.LogSumExp)
def logsumexp(e: Lower, op: reduce.LogSumExp, xs: list[Py]) -> Py:
    axes = tuple(range(e.node.inputs[0].type.rank)) if op.dim is None else op.dim
    return method(xs[0], "logsumexp", dim=Const(axes), keepdim=(Arg(op.keepdim, "keepdim"), False))


@lowers(reduce.Prod)
def prod(e: Lower, op: reduce.Prod, xs: list[Py]) -> Py:
    """One axis at a time, from the last: ``torch.prod`` takes no more."""
    rank = e.node.inputs[0].type.rank
    axes = reduce.reduced_axes(op.dim, e.node.inputs[0].type, "Prod")
    if op.dim is None and not op.keepdim:
        return method(xs[0], "prod")
    result = xs[0]
    for axis in reversed(axes):
        result = method(result, "prod", dim=Const(axis), keepdim=(Arg(op.keepdim, "keepdim"), False))
    return result if axes or not rank else method(result, "clone")


@lowers(reduce.Var, reduce.Std)
def spread(e: Lower, op: reduce.Spread, xs: list[Py]) -> Py:
    name = "var" if isinstance(op, reduce.Var) else "std"
    keywords = {"correction": (Arg(op.correction, "correction"), 1), "keepdim": (Arg(op.keepdim, "keepdim"), False)}
    return method(xs[0], name, dim=(Arg(op.dim, "dim"), None), **keywords)


@lowers(reduce.Norm)
def norm(e: Lower, op: reduce.Norm, xs: list[Py]) -> Py:
    keywords = {"dim": (Arg(op.dim, "dim"), None), "keepdim": (Arg(op.keepdim, "keepdim"), False)}
    return call("torch.linalg.vector_norm", xs[0], ord=(Arg(whole(op.p), "p"), 2), **keywords)


@lowers(reduce.CumSum, reduce.CumProd)
def running(e: Lower, op: reduce.Running, xs: list[Py]) -> Py:
    return method(xs[0], "cumsum" if isinstance(op, reduce.CumSum) else "cumprod", dim=Arg(op.dim, "dim"))


@lowers(recurrent.LSTM)
def lstm(e: Lower, op: recurrent.LSTM, xs: list[Py]) -> Py:
    assert e.member is not None
    x, *states = xs
    return Nested(call(e.member, x, *([Sequence(tuple(states), "(")] if states else [])))


# Tensors that are made -------------------------------------------------------------------------------------------------


@lowers(combine.Const, constant.Size)
def number(e: Lower, op: Any, xs: list[Py]) -> Py:
    return call(
        "torch.tensor",
        Arg(op.value, "value") if isinstance(op, combine.Const) else e.size(op.value, "value"),
        **e.made(op.dtype),
    )


@lowers(constant.Param, constant.Tied)
def weight(e: Lower, op: constant.Stored, xs: list[Py]) -> Py:
    if e.member is None:
        raise e.unsupported(f"the layer of the weight `{e.node.weights[0].path}` is not in the network any more")
    return e.member


def _shape(e: Lower, shape: tuple[Any, ...]) -> Py:
    return Sequence(e.sizes(shape, "shape"), "(")


@lowers(random.Normal)
def normal(e: Lower, op: random.Normal, xs: list[Py]) -> Py:
    drawn: Py = call("torch.randn", _shape(e, op.shape), **e.made(op.dtype))
    if op.std != 1 or e.varies("std"):
        drawn = Binary("*", Arg(op.std, "std"), drawn)
    return Binary("+", Arg(op.mean, "mean"), drawn) if op.mean or e.varies("mean") else drawn


@lowers(random.Uniform)
def uniform(e: Lower, op: random.Uniform, xs: list[Py]) -> Py:
    drawn: Py = call("torch.rand", _shape(e, op.shape), **e.made(op.dtype))
    if e.varies("low") or e.varies("high"):
        high, low = Arg(op.high, "high"), Arg(op.low, "low")
        drawn = Binary("*", Binary("-", high, low) if op.low or e.varies("low") else high, drawn)
    elif op.high - op.low != 1:
        drawn = Binary("*", Const(op.high - op.low), drawn)
    return Binary("+", Arg(op.low, "low"), drawn) if op.low or e.varies("low") else drawn


@lowers(random.Full)
def full(e: Lower, op: random.Full, xs: list[Py]) -> Py:
    value = Const(bool(op.value)) if op.dtype is DType.BOOL else Arg(op.value, "value")
    if op.dtype.is_integer:
        value = Arg(int(op.value), "value")
    return call("torch.full", _shape(e, op.shape), value, **e.made(op.dtype))


@lowers(random.Zeros, random.Ones)
def filled(e: Lower, op: random.Zeros | random.Ones, xs: list[Py]) -> Py:
    return call(f"torch.{type(op).__name__.lower()}", _shape(e, op.shape), **e.made(op.dtype))


@lowers(random.Arange)
def arange(e: Lower, op: random.Arange, xs: list[Py]) -> Py:
    start = () if op.start == 0 and op.step == 1 else (_number(e, op.start, "start"),)
    step = () if op.step == 1 else (Arg(op.step, "step"),)
    return call("torch.arange", *start, _number(e, op.end, "end"), *step, **e.made(op.element))


def _number(e: Lower, number: Number, field: str) -> Py:
    return Arg(number, field) if isinstance(number, float) else e.size(number, field)


@lowers(random.Linspace)
def linspace(e: Lower, op: random.Linspace, xs: list[Py]) -> Py:
    return call(
        "torch.linspace", Arg(op.start, "start"), Arg(op.end, "end"), e.size(op.steps, "steps"), **e.made(op.dtype)
    )


@lowers(random.Eye)
def eye(e: Lower, op: random.Eye, xs: list[Py]) -> Py:
    columns = () if op.m is None else (e.size(op.m, "m"),)
    return call("torch.eye", e.size(op.n, "n"), *columns, **e.made(op.dtype))
