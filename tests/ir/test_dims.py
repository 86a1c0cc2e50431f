"""Symbolic sizes: the normal form, its text, values and bounds."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.fuzz.timing import timed

from dlspec.ir.atoms import Extremum, FloorDiv, Symbol
from dlspec.ir.computed import conv_size, scaled, smax, smin
from dlspec.ir.dims import (
    Dim,
    DimError,
    Expr,
    ceildiv,
    floordiv,
    from_terms,
    lower_bound,
    product,
    symbol,
    symbols,
    terms,
    total,
    upper_bound,
)
from dlspec.ir.evaluation import evaluate, substitute

H, W, N = symbol("H"), symbol("W"), symbol("N")
HALF = conv_size(H, 3, 2, 2)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (H // 2 // 2, H // 4),
        (ceildiv(H, 4), (H - 1) // 4 + 1),
        (H * W // W, H),
        (conv_size(HALF, 3, 2, 2), ceildiv(H, 4)),
        ((5 * H) // 4, H + H // 4),
        ((2 * H) // 4, H // 2),
        ((2 * H + 1) // 4, H // 2),
        ((H // 2 + 1) // 2, (H + 2) // 4),
        (((H - 1) // 2 + 1 - 1) // 2 + 1, (H - 1) // 4 + 1),
        (-(-H // 4), ceildiv(H, 4)),
        (H // -4, -ceildiv(H, 4)),
        (conv_size(H, 3, 1, 2), H),
        (conv_size(H, 4, 4), H // 4),
        (conv_size(H, 7, 2, 6), HALF),
        (conv_size(H, 3, 1, 4, dilation=2), H),
        (ceildiv(H * W, W), H),
        ((W - 1) // W, 0),
        ((-1) // W, -1),
        ((H**2 - W**2) // (H - W), H + W),
        ((N * H + N) // (2 * N), (H + 1) // 2),
        (H // W // 2, H // (2 * W)),
        ((3 * H) // 2 // 2, (3 * H) // 4),
        (H % 4 % 2, H % 2),
        ((H % 4) // 4, 0),
        (H - H, 0),
        (0 * H, 0),
        (H**0, 1),
        (W * H, H * W),
        (smax(H, 1), H),
        (smin(H, 1), 1),
        (smax(H, W, smax(W, H)), smax(W, H)),
        (smax(H, H + 2), H + 2),
        (smin(2 * H, H), H),
        (smax(3, 5), 5),
    ],
)
def test_equal_sizes_are_equal(left: Dim, right: Dim) -> None:
    assert left == right
    assert hash(left) == hash(right)
    assert str(left) == str(right)


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (HALF, "(H - 1) // 2 + 1"),
        (H // 4, "H // 4"),
        (2 * H, "2 * H"),
        (H * W, "H * W"),
        (16 * (H // 16), "16 * (H // 16)"),
        (2 * HALF, "2 * ((H - 1) // 2 + 1)"),
        (2 * HALF - 1, "2 * ((H - 1) // 2) + 1"),
        (N * HALF**2, "N * ((H - 1) // 2 + 1) ** 2"),
        (64 * N * HALF * W, "64 * N * W * ((H - 1) // 2 + 1)"),
        (conv_size(H, 3, 2), "(H - 1) // 2"),
        (conv_size(conv_size(H, 3, 2), 3, 2), "(H - 3) // 4"),
        (H**2 + 1, "H ** 2 + 1"),
        (W - H, "W - H"),
        (3 - H, "3 - H"),
        (-H, "-H"),
        (-(H // 2), "-(H // 2)"),
        (-(H // W), "-(H // W)"),
        (-2 * (H // 2), "-2 * (H // 2)"),
        (-((H - 1) // 2) - H // W, "-((H - 1) // 2) - H // W"),
        (H // (2 * W), "H // (2 * W)"),
        (smax(H, 3), "max(H, 3)"),
        (2 * smin(H, W), "2 * min(H, W)"),
        (scaled(H, 2.0), "2 * H"),
        (scaled(H // 2, 1.1), "H // 2 + H // 20"),
        (scaled(H + 1, 1.15) + 1, "int((H + 1) * 1.15) + 1"),
    ],
)
def test_text(dim: Dim, text: str) -> None:
    assert str(dim) == text
    assert repr(dim) == text


def test_constants_are_ints() -> None:
    for dim in (H - H + 3, H // H, (H + 5) - H, product([2, 3]), total([1, 2]), smax(1, 2), conv_size(224, 7, 2, 6)):
        assert type(dim) is int
    assert conv_size(33, 3, 2, 2) == 17


def test_order_and_truth_are_errors() -> None:
    comparisons: list[Callable[[], object]] = [
        lambda: H < 3,  # type: ignore[operator]
        lambda: H >= W,  # type: ignore[operator]
        lambda: 3 > H,  # type: ignore[operator]  # noqa: SIM300
        lambda: bool(H),
    ]
    for compare in comparisons:
        with pytest.raises(TypeError, match="depends on the sizes"):
            compare()
    with pytest.raises(TypeError):
        H + 1.5  # type: ignore[operator]
    assert H != 3
    assert H != "H"


def test_errors_say_what_is_missing() -> None:
    with pytest.raises(DimError, match="no size is given for H, W") as caught:
        evaluate(H * W + N, {"N": 1})
    assert caught.value.missing == ("H", "W")
    with pytest.raises(DimError, match="division by zero"):
        floordiv(H, 0)
    with pytest.raises(DimError, match="division by zero"):
        evaluate(H // (W - 1), {"H": 1, "W": 1})
    with pytest.raises(DimError, match="negative power"):
        H**-1  # type: ignore[operator]


def test_terms_give_the_structure() -> None:
    dim = 3 * N * (H // W) ** 2 + 2 * smax(H, 4) + 5
    (three, first), (two, second), (five, third) = terms(dim)
    assert (three, two, five) == (3, 2, 5)
    assert third == ()
    (n, one), (floor, squared) = first
    assert isinstance(n, Symbol)
    assert n.name == "N"
    assert one == 1
    assert isinstance(floor, FloorDiv)
    assert (floor.numerator, floor.divisor) == (H, W)
    assert squared == 2
    ((extremum, _),) = second
    assert isinstance(extremum, Extremum)
    assert extremum.kind == "max"
    assert extremum.operands == (H, 4)
    assert from_terms(terms(dim)) == dim
    assert terms(0) == ()
    assert terms(7) == ((7, ()),)
    with pytest.raises(AttributeError):
        n.name = "M"  # type: ignore[misc]


def test_copies_are_equal() -> None:
    dim = N * (H // W) + smax(H, 4)
    for other in (copy.copy(dim), copy.deepcopy(dim), pickle.loads(pickle.dumps(dim))):
        assert other == dim
        assert hash(other) == hash(dim)
        assert other - dim == 0


@pytest.mark.parametrize(
    ("dim", "low", "high"),
    [
        (H, 1, None),
        (-H, None, -1),
        (HALF, 1, None),
        (H // 4, 0, None),
        (H % 4, 0, 3),
        (H - H // 2, 1, None),
        (2 * (H // 2) - H, -1, 0),
        (H * H - H, 0, None),
        (H - W, None, None),
        (7 // H, 0, 7),
        (smin(H, 9) - 10, -9, -1),
        (N * H - N, 0, None),
        (scaled(H + 9, 1.15), 11, None),
        (scaled(smin(H, 9), 0.7), 0, 6),
    ],
)
def test_bounds(dim: Dim, low: int | None, high: int | None) -> None:
    assert (lower_bound(dim), upper_bound(dim)) == (low, high)


def test_bounds_with_minima() -> None:
    assert lower_bound((H - 5) // 2 + 1, {"H": 5}) == 1
    assert lower_bound(H * W, {"H": 4, "W": 3}) == 12


def test_substitute_is_partial_and_simultaneous() -> None:
    assert substitute(H * W, {"H": W, "W": H}) == H * W
    assert substitute(H // 2 + W, {"H": 2 * N}) == N + W
    assert substitute(HALF * W, {"H": 33}) == 17 * W
    assert substitute(HALF, {"H": 33, "Q": 1}) == 17
    assert symbols(HALF * N) == {"H", "N"}


@settings(max_examples=3000, deadline=None)
@given(
    st.one_of(
        st.integers(1, 999).map(lambda n: n / 100),
        st.tuples(st.integers(1, 400), st.integers(1, 400)).map(lambda pair: pair[0] / pair[1]),
        st.floats(1e-6, 1e6),
    ),
    st.one_of(st.integers(1, 300), st.integers(1, 300).map(lambda n: 100 * n), st.integers(1, 2**31 - 1)),
)
def test_products_with_numbers_are_those_of_float64(factor: float, size: int) -> None:
    assert evaluate(scaled(H, factor), {"H": size}) == scaled(size, factor) == int(float(size) * factor)
    assert substitute(scaled(2 * H, factor), {"H": size}) == int(float(2 * size) * factor)


def test_large_sums_are_fast() -> None:
    parts = [i * N * conv_size(H, 3, 2, 2) * (W // (1 + i % 7)) for i in range(1000)] * 100
    result, seconds = timed(lambda: total(parts), 2)
    assert seconds < 2
    assert len(terms(result)) == 7


# --- on random expressions ------------------------------------------------------------------------------------------

# An expression as Python evaluates it, beside the Dim: what the tests compare is never computed by the module itself.
Pair = tuple[Dim, Callable[[dict[str, int]], int]]

NAMES = ("H", "W", "N")


def _constant(value: int) -> Pair:
    return value, lambda env: value


def _symbol(name: str) -> Pair:
    return symbol(name), lambda env: env[name]


def _join(kind: str, a: Pair, b: Pair) -> Pair:
    (left, f), (right, g) = a, b
    if kind == "+":
        return left + right, lambda env: f(env) + g(env)
    if kind == "-":
        return left - right, lambda env: f(env) - g(env)
    if kind == "*":
        return left * right, lambda env: f(env) * g(env)
    if kind == "max":
        return smax(left, right), lambda env: max(f(env), g(env))
    if kind == "min":
        return smin(left, right), lambda env: min(f(env), g(env))
    if right == 0:
        return a
    if kind == "%":
        return left % right, lambda env: f(env) % g(env)
    if kind == "ceil":
        return -(-left // right), lambda env: -(-f(env) // g(env))
    return left // right, lambda env: f(env) // g(env)


def _divide(a: Pair, divisor: int) -> Pair:
    return _join("//", a, _constant(divisor))


LEAVES = st.one_of(st.sampled_from(NAMES).map(_symbol), st.integers(-9, 9).map(_constant))
KINDS = st.sampled_from(["+", "-", "*", "+", "-", "//", "%", "ceil", "max", "min"])
PAIRS: st.SearchStrategy[Pair] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(_join, KINDS, inner, inner),
        st.builds(_divide, inner, st.integers(1, 8)),
        st.builds(_divide, inner, st.integers(-8, -1)),
    ),
    max_leaves=7,
)
ENVS = st.fixed_dictionaries({name: st.one_of(st.integers(1, 6), st.integers(1, 1000)) for name in NAMES})


def _true_value(pair: Pair, env: dict[str, int]) -> int:
    try:
        return pair[1](env)
    except ZeroDivisionError:
        assume(False)
        raise


def _value(dim: Dim, env: dict[str, int]) -> int:
    return dim if isinstance(dim, int) else evaluate(dim, env)


@settings(max_examples=1500, deadline=None)
@given(PAIRS, ENVS)
def test_normal_form_keeps_the_value(pair: Pair, env: dict[str, int]) -> None:
    expected = _true_value(pair, env)
    assert _value(pair[0], env) == expected


@settings(max_examples=500, deadline=None)
@given(PAIRS, ENVS)
def test_text_means_the_same(pair: Pair, env: dict[str, int]) -> None:
    expected = _true_value(pair, env)
    assert eval(str(pair[0]), {"max": max, "min": min}, dict(env)) == expected


@settings(max_examples=500, deadline=None)
@given(PAIRS, ENVS)
def test_text_reads_back_as_the_same(pair: Pair, env: dict[str, int]) -> None:
    expected = _true_value(pair, env)
    names = {name: symbol(name) for name in NAMES}
    again = eval(str(pair[0]), {"max": smax, "min": smin}, names)
    assert isinstance(again, (int, Expr))
    assert _value(again, env) == expected


@settings(max_examples=700, deadline=None)
@given(PAIRS, ENVS)
def test_bounds_are_sound(pair: Pair, env: dict[str, int]) -> None:
    value = _true_value(pair, env)
    minima = {"H": env["H"], "W": 1}
    for known in ({}, minima):
        low, high = lower_bound(pair[0], known), upper_bound(pair[0], known)
        assert low is None or low <= value
        assert high is None or high >= value


@settings(max_examples=500, deadline=None)
@given(PAIRS, PAIRS, ENVS)
def test_substitution_keeps_the_value(pair: Pair, by: Pair, env: dict[str, int]) -> None:
    inner = _true_value(by, env)
    assume(inner >= 1)
    expected = _true_value(pair, env | {"H": inner})
    assert _value(substitute(pair[0], {"H": by[0]}), env) == expected


@settings(max_examples=500, deadline=None)
@given(PAIRS, PAIRS, ENVS)
def test_equal_means_equal(a: Pair, b: Pair, env: dict[str, int]) -> None:
    if a[0] == b[0]:
        assert hash(a[0]) == hash(b[0])
        assert _true_value(a, env) == _true_value(b, env)
    assert a[0] + b[0] - b[0] == a[0]
    assert a[0] * b[0] == b[0] * a[0]


@settings(max_examples=300, deadline=None)
@given(st.lists(PAIRS, max_size=6))
def test_total_is_the_sum(pairs: list[Pair]) -> None:
    expected: Dim = 0
    for dim, _ in pairs:
        expected = expected + dim
    assert total(dim for dim, _ in pairs) == expected


CONVS = st.tuples(st.integers(1, 7), st.integers(1, 4), st.integers(0, 6), st.integers(1, 3))


@settings(max_examples=300, deadline=None)
@given(st.lists(CONVS, min_size=1, max_size=5), st.integers(1, 500))
def test_conv_chains(convs: list[tuple[int, int, int, int]], size: int) -> None:
    dim: Dim = H
    value = size
    for kernel, stride, padding, dilation in convs:
        dim = conv_size(dim, kernel, stride, padding, dilation)
        value = (value + padding - dilation * (kernel - 1) - 1) // stride + 1
    assert evaluate(dim, {"H": size}) == value
    # One floor is enough for a chain of them: the form stays as small as one layer's.
    assert len(terms(dim)) <= 2
