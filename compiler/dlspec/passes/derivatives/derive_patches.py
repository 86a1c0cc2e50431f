"""Windows as columns, and images sampled by grids."""

from __future__ import annotations

from itertools import product as combinations

from dlspec.ir.dims import Dim, Expr, product
from dlspec.ops import grid, patches
from dlspec.ops.algebra import Term
from dlspec.passes.derivatives.registry import Cotangents, derives, expands
from dlspec.passes.derivatives.step import Step, compared, reshaped, where


@derives(patches.Unfold)
def unfold(s: Step, op: patches.Unfold) -> Cotangents:
    return (s.g.call("fold", output_size=s.x.type.spatial, **op.window),)


@derives(patches.Fold)
def fold(s: Step, op: patches.Fold) -> Cotangents:
    return (s.g.call("unfold", **op.window),)


@expands(grid.AffineGrid)
def affine_grid(s: Step, op: grid.AffineGrid) -> Term:
    """The middles of all elements, and a 1, times the map."""
    theta, sizes = s.x, op.size[2:]
    kind = theta.type.dtype.label
    coordinates: list[Term] = []
    for size in sizes:
        count = s.algebra.call("arange", end=size, dtype=kind)
        if op.align_corners:
            steps = s.algebra.call("maximum", count.lifted(size - 1), count.lifted(1))
            coordinates.append((count * 2 / steps - 1) if size != 1 else count)
        else:
            coordinates.append((count * 2 + 1) / count.lifted(size) - 1)
    shape = [*sizes, 1]
    columns = [
        reshaped(each, [-1 if at == axis else 1 for at in range(len(sizes) + 1)]).call("expand", shape=shape)
        for axis, each in enumerate(coordinates)
    ]
    ones = s.algebra.call("ones", shape=shape, dtype=kind)
    places = columns[-1].call("concat", *reversed(columns[:-1]), ones, dim=-1)
    flat = reshaped(places, [product(sizes), len(sizes) + 1])
    mapped = flat.call("matmul", theta.call("transpose", dim0=1, dim1=2))
    return reshaped(mapped, [theta.type.shape[0], *sizes, len(sizes)])


@expands(grid.GridSample)
def grid_sample(s: Step, op: grid.GridSample) -> Term:
    """For each place the sum of the elements around it, by weights that are products over the axes."""
    x, places = s.xs
    sizes, axes = x.type.spatial, x.type.rank - 2
    columns = [places.call("Index", items=(("rest",), ("at", axes - 1 - axis))) for axis in range(axes)]
    taps = [_taps(op, column, size) for column, size in zip(columns, sizes, strict=True)]
    image = x.call("flatten", start_dim=2)
    batch, channels = s.y.type.shape[:2]
    count = product(s.y.type.spatial)
    total: Term | None = None
    for chosen in combinations(*taps):
        at: Term | None = None
        weight: Term | None = None
        for (place, share), size in zip(chosen, sizes, strict=True):
            at = place if at is None else at * size + place
            weight = share if weight is None else weight * share
        assert at is not None
        assert weight is not None
        index = reshaped(at, [batch, 1, count]).call("cast", dtype="int64")
        taken = image.call("gather", index.call("expand", shape=(batch, channels, count)), dim=2)
        part = taken * reshaped(weight, [batch, 1, count])
        total = part if total is None else total + part
    assert total is not None
    return reshaped(total, s.y.type.shape)


def _taps(op: grid.GridSample, places: Term, size: Dim) -> list[tuple[Term, Term]]:
    """The elements along an axis that make one of the output, and their weights."""
    last = places.lifted(size - 1)
    at = (places + 1) * 0.5 * last if op.align_corners else ((places + 1) * places.lifted(size) - 1) * 0.5
    if op.mode != "bicubic":
        at = _inside(op, at, size)
    if op.mode == "nearest":
        return [_tap(op, at.call("round"), None, size)]
    low = at.call("floor")
    share = at - low
    if op.mode == "bilinear":
        return [_tap(op, low, 1 - share, size), _tap(op, low + 1, share, size)]
    outer, inner = (-0.75, 3.75, -6.0, 3.0), (1.25, -2.25, 0.0, 1.0)
    weights = [_polynomial(outer, share + 1), _polynomial(inner, share), _polynomial(inner, 1 - share),
               _polynomial(outer, 2 - share)]  # fmt: skip
    return [_tap(op, _inside(op, low + (step - 1), size), weight, size) for step, weight in enumerate(weights)]


def _tap(op: grid.GridSample, at: Term, weight: Term | None, size: Dim) -> tuple[Term, Term]:
    """An element, which has no weight outside of the image."""
    one = at * 0 + 1 if weight is None else weight
    outside = compared("lt", at, 0).call("logical_or", at.call("gt", at.lifted(size - 1)))
    return _clamped(at, size), where(outside, one * 0, one)


def _clamped(at: Term, size: Dim) -> Term:
    return at.call("maximum", at.lifted(0)).call("minimum", at.lifted(size - 1))


def _inside(op: grid.GridSample, at: Term, size: Dim) -> Term:
    """A place outside as one inside, at the border or mirrored."""
    if op.padding_mode == "zeros":
        return at
    if op.padding_mode == "reflection":
        low: float = 0.0 if op.align_corners else -0.5
        span = at.lifted(size - 1 if op.align_corners else size)
        if isinstance(size, Expr) or not (op.align_corners and size == 1):
            away = (at - low).call("abs")
            turns = (away / span).call("floor")
            rest = away - turns * span
            even = compared("eq", turns - (turns * 0.5).call("floor") * 2, 0)
            at = where(even, rest, span - rest) + low
        else:
            at = at * 0
    return _clamped(at, size)


def _polynomial(coefficients: tuple[float, ...], x: Term) -> Term:
    result = x * 0 + coefficients[0]
    for coefficient in coefficients[1:]:
        result = result * x + coefficient
    return result
