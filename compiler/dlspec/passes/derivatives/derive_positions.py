"""Elements that are chosen by positions, and written there."""

from __future__ import annotations

from dlspec.ir.dims import product
from dlspec.ir.op import Needs
from dlspec.ops import ordering, positions
from dlspec.ops.algebra import Term
from dlspec.ops.rules import broadcast, one_axis
from dlspec.passes.derivatives.derive_shape import placed
from dlspec.passes.derivatives.registry import Cotangents, derives, expands
from dlspec.passes.derivatives.step import NoDerivative, Step, compared, filled, reshaped, where, zeros


@derives(ordering.TopK, ordering.Sort)
def ordered(s: Step, op: ordering.TopK | ordering.Sort) -> Cotangents:
    return (zeros(s.algebra, s.x.type).call("scatter", s.ys[1], s.g, dim=op.axis(s.x.type)),)


@derives(positions.IndexSelect)
def index_select(s: Step, op: positions.IndexSelect) -> Cotangents:
    x, index = s.xs
    axis = one_axis(op.dim, x.type.rank, "`index_select`")
    flat = reshaped(index, [-1 if at == axis else 1 for at in range(x.type.rank)])
    places = flat.call("expand", shape=s.g.type.shape).call("cast", dtype="int64")
    return zeros(s.algebra, x.type).call("scatter_add", places, s.g, dim=axis), None


@derives(positions.Gather)
def gather(s: Step, op: positions.Gather) -> Cotangents:
    x, index = s.xs
    return zeros(s.algebra, x.type).call("scatter_add", index, s.g, dim=op.dim), None


@expands(positions.TakeAlongDim)
def take_along_dim(s: Step, op: positions.TakeAlongDim) -> Term:
    x, index = s.xs
    if op.dim is None:
        return reshaped(x, [-1]).call("gather", reshaped(index, [-1]), dim=0)
    have, want = op.shapes(Needs(), x.type, index.type)
    return x.call("expand", shape=have).call("gather", index.call("expand", shape=want), dim=op.dim)


@expands(positions.Narrow)
def narrow(s: Step, op: positions.Narrow) -> Term:
    x, start = s.xs
    places = start.call("cast", dtype="int64") + s.algebra.call("arange", end=op.length)
    return x.call("index_select", places, dim=op.dim)


@expands(positions.IndexTensors)
def index_tensors(s: Step, op: positions.IndexTensors) -> Term:
    """The axes that are chosen from as one, and positions on that."""
    x, *indices = s.xs
    axes, place = op.axes(x.type.rank), op.place(tuple(each.type for each in s.xs))
    whole = x.call("Index", items=op.plain.items)
    sizes = [whole.type.shape[axis] for axis in axes]
    common = broadcast(Needs(), tuple(index.type for index in indices), "an index")
    at: Term | None = None
    for index, size in zip(indices, sizes, strict=True):
        index = index.call("cast", dtype="int64")
        index = where(compared("lt", index, 0), index + size, index)
        at = index if at is None else at * size + index
    assert at is not None
    others = [axis for axis in range(whole.type.rank) if axis not in axes]
    moved = whole.call("permute", dims=(*others[:place], *axes, *others[place:]))
    rest = [moved.type.shape[axis] for axis in (*range(place), *range(place + len(axes), moved.type.rank))]
    joined = reshaped(moved, [*rest[:place], product(sizes), *rest[place:]])
    taken = joined.call("index_select", reshaped(at.call("expand", shape=common), [product(common)]), dim=place)
    return reshaped(taken, [*rest[:place], *common, *rest[place:]])


def _of_elements(s: Step, op: positions.Scattering, g: Term) -> Term:
    """What comes back to the elements that are written, from the positions where they stand."""
    _, index, src = s.xs
    back = g.call("gather", index, dim=op.dim)
    if src.type.rank:
        for axis, size in enumerate(src.type.shape):
            if back.type.shape[axis] != size:
                back = placed(back, axis, 0, size)
    return back


def _without(s: Step, op: positions.Scattering, g: Term) -> Term:
    """Zeros where an element was written."""
    return g.call("scatter", s.xs[1], g.lifted(0.0), dim=op.dim)


@derives(positions.Scatter)
def scatter(s: Step, op: positions.Scatter) -> Cotangents:
    return _without(s, op, s.g), None, _of_elements(s, op, s.g)


@derives(positions.ScatterAdd)
def scatter_add(s: Step, op: positions.ScatterAdd) -> Cotangents:
    return s.g, None, _of_elements(s, op, s.g)


@derives(positions.ScatterReduce)
def scatter_reduce(s: Step, op: positions.ScatterReduce) -> Cotangents:
    x, index, src = s.xs
    if op.reduce == "prod":
        raise NoDerivative(s.node, "`scatter_reduce` by products")
    g = s.g
    if op.reduce == "mean":
        counts = filled(s.algebra, x.type, float(op.include_self))
        ones = filled(s.algebra, src.type.with_shape(*index.type.shape), 1.0)
        counts = counts.call("scatter_add", index, ones, dim=op.dim)
        g = g / counts.call("maximum", counts.lifted(1.0))
    own, elements = g, _of_elements(s, op, g)
    if op.reduce in ("amax", "amin"):
        # As torch has it: in equal parts to all that are the extreme one.
        kind = x.type.dtype.label
        kept = x.call("eq", s.y).call("cast", dtype=kind)
        chosen = src.call("eq", _of_elements(s, op, s.y)).call("cast", dtype=kind)
        share = g / kept.call("scatter_add", index, chosen, dim=op.dim)
        own, elements = kept * share, chosen * _of_elements(s, op, share)
    return own if op.include_self else _without(s, op, own), None, elements


@derives(positions.MaskedFill)
def masked_fill(s: Step, op: positions.MaskedFill) -> Cotangents:
    return where(s.xs[1], zeros(s.algebra, s.g.type), s.g), None
