"""Preconditions: what a demand on sizes derives is exactly what it needs."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product as grid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlspec.ir.computed import conv_size, scaled, smax
from dlspec.ir.condition import Condition
from dlspec.ir.conditions import Conditions, Outcome
from dlspec.ir.dims import Dim, DimError, ceildiv, symbol
from dlspec.ir.evaluation import evaluate

H, W, N = symbol("H"), symbol("W"), symbol("N")
congruent, at_least, equal = Condition.congruent, Condition.at_least, Condition.equal


def _texts(outcome: Outcome) -> list[str]:
    assert not outcome.impossible, outcome.reason
    return [str(condition) for condition in outcome.conditions]


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (congruent(H, 16), "H % 16 == 0"),
        (congruent(H, 4, (0, 1)), "H % 4 in (0, 1)"),
        (congruent(H + W, 2, 1), "(H + W) % 2 == 1"),
        (congruent(H, 4, -1), "H % 4 == 3"),
        (at_least(H, 33), "H >= 33"),
        (at_least(H - W, 0), "H >= W"),
        (at_least(H - W, 1), "H >= W + 1"),
        (at_least(512 - H, 0), "H <= 512"),
        (at_least(H * W, 2), "H * W >= 2"),
        (equal(H, W), "H == W"),
    ],
)
def test_text(condition: Condition, text: str) -> None:
    assert str(condition) == text
    names = condition.symbols
    for values in grid(range(1, 40), repeat=len(names)):
        env = dict(zip(sorted(names), values, strict=True))
        assert eval(text, {}, dict(env)) == condition.holds(env)


def test_a_condition_needs_all_sizes() -> None:
    with pytest.raises(DimError, match="W"):
        equal(H, W).holds({"H": 3})
    with pytest.raises(ValueError, match="positive"):
        congruent(H, 0)


@pytest.mark.parametrize(
    ("left", "right", "known", "derived"),
    [
        (2 * (H // 2), H, [], ["H % 2 == 0"]),
        (16 * (H // 16), H, [], ["H % 16 == 0"]),
        (8 * (H // 8), H, [congruent(H, 16)], []),
        (16 * (H // 16), H, [congruent(H, 4)], ["H % 16 == 0"]),
        (2 * (H // 2) + 1, H, [], ["H % 2 == 1"]),
        (H // 2, (H - 1) // 2 + 1, [], ["H % 2 == 0"]),
        (H * (W // 2 * 2), H * W, [], ["W % 2 == 0"]),
        (4 * (H // 2) * (W // 2), H * W, [], ["H % 2 == 0", "W % 2 == 0"]),
        (2 * (H // 16), H // 8, [], ["H % 16 in (0, 1, 2, 3, 4, 5, 6, 7)"]),
        (2 * ((H + W) // 2), H + W, [], ["(H + W) % 2 == 0"]),
        (100_000 * (H // 100_000), H, [], ["H % 100000 == 0"]),
        (H - H // 2, (H + 1) // 2, [], []),
        (2 * conv_size(H, 3, 2, 2), H, [], ["H % 2 == 0"]),
        (4 * ceildiv(H, 4), H, [congruent(H, 8)], []),
        (H, W, [], ["H == W"]),
        (W, H, [], ["H == W"]),
        (N * H * W, N * H * H, [], ["H == W"]),
        (2 * (W // 2), H, [equal(H, W)], ["H % 2 == 0"]),
        (H, 3, [], ["H == 3"]),
        (H + 3, W, [], ["W == H + 3"]),
        (W, 2 * H, [congruent(W, 4)], ["W == 2 * H", "H % 2 == 0"]),
        (2 * H, 3 * W, [], ["2 * H == 3 * W"]),
        (smax(H, 3), H, [], ["max(H, 3) == H"]),
        (smax(H, 3), H, [at_least(H, 3)], []),
        (W * (H // W), H, [], ["W * (H // W) == H"]),
    ],
)
def test_equal(left: Dim, right: Dim, known: list[Condition], derived: list[str]) -> None:
    conditions = Conditions(known)
    assert _texts(conditions.require_equal(left, right)) == derived
    assert conditions.require_equal(left, right).true
    assert conditions.implies(equal(left, right))


@pytest.mark.parametrize(
    ("left", "right", "known", "reason"),
    [
        (H, H + 1, [], "H and H + 1 differ for every size"),
        (2 * H, 2 * W + 1, [], "2 * H and 2 * W + 1 differ for every size"),
        (H + W, 1, [], "differ for every size"),
        (H // 2, 7, [], "no regular set of sizes satisfies H // 2 == 7"),
        (H * W, 49, [], "no regular set of sizes satisfies H * W == 49"),
        (2 * (H // 2), H, [congruent(H, 2, 1)], "no sizes with H % 2 == 1 satisfy H % 2 == 0"),
        (H, 3, [congruent(H, 2)], "H == 3 contradicts H % 2 == 0"),
        (H, 3, [at_least(H, 5)], "differ for every size"),
        (H, W, [congruent(H, 2, 1), congruent(W, 2)], "H == W contradicts W % 2 == 0"),
        (H, W + 2, [equal(H, W)], "differ for every size"),
    ],
)
def test_impossible(left: Dim, right: Dim, known: list[Condition], reason: str) -> None:
    conditions = Conditions(known)
    before = conditions.simplified()
    outcome = conditions.require_equal(left, right)
    assert outcome.impossible
    assert not outcome.true
    assert reason in outcome.reason
    assert conditions.simplified() == before


@pytest.mark.parametrize(
    ("dim", "bound", "known", "derived"),
    [
        ((H - 5) // 2 + 1, 1, [], ["H >= 5"]),
        (H, 33, [], ["H >= 33"]),
        (H // 16, 1, [], ["H >= 16"]),
        (H // 16, 1, [congruent(H, 16)], []),
        (H // 32 - H // 64 - 3, 1, [], ["H >= 224"]),
        (H % 4, 1, [], ["H % 4 in (1, 2, 3)"]),
        (5 - H, 1, [], ["H <= 4"]),
        (N * H * W, 2, [], ["H * N * W >= 2"]),
        (N * H * W, 2, [at_least(W, 2)], []),
        (H - H // 2, 1, [], []),
        (H - W, 0, [equal(H, W)], []),
        (scaled(H, 0.7), 1, [], ["H >= 2"]),
        (scaled(H, 1.15) // 2 - 1, 3, [], ["H >= 7"]),
        (scaled(H, 0.7), 63, [], ["H >= 91"]),
    ],
)
def test_at_least(dim: Dim, bound: int, known: list[Condition], derived: list[str]) -> None:
    conditions = Conditions(known)
    assert _texts(conditions.require_at_least(dim, bound)) == derived
    assert conditions.implies(at_least(dim, bound))


def test_at_least_impossible() -> None:
    assert Conditions().require_at_least(2 - H, 2).impossible
    assert Conditions().require_at_least(-H, 1).impossible
    assert Conditions([at_least(4 - H, 0)]).require_at_least(H, 5).impossible
    assert Conditions([at_least(H, 5)]).require_at_least(4 - H, 0).impossible


def test_divisible() -> None:
    conditions = Conditions()
    assert _texts(conditions.require_divisible(3 * H, 4)) == ["H % 4 == 0"]
    assert conditions.require_divisible(H + 8, 4).true
    assert conditions.require_divisible(H + 1, 4).impossible
    assert conditions.require_divisible(12, 4).true
    assert conditions.require_divisible(13, 4).impossible
    assert _texts(conditions.require_divisible(H // 4, 2)) == ["H % 8 == 0"]
    assert _texts(conditions.require_divisible(N * W, 2)) == ["(N * W) % 2 == 0"]
    assert conditions.require_divisible(H, 2).true
    # What one symbol says settles what was kept for two.
    assert _texts(conditions.require_divisible(W, 2)) == ["W % 2 == 0"]
    assert str(conditions) == "H % 8 == 0, W % 2 == 0"


def test_a_unet_tightens_from_the_bottom_up() -> None:
    conditions = Conditions()
    sizes = [H, H // 2, H // 4, H // 8, H // 16]
    x: Dim = sizes.pop()
    while sizes:
        skip = sizes.pop()
        assert not conditions.require_equal(2 * x, skip).impossible
        x = 2 * x
    assert str(conditions) == "H % 16 == 0"


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ([congruent(H, 8), congruent(H, 16)], "H % 16 == 0"),
        ([congruent(H, 16), at_least(H, 16)], "H % 16 == 0"),
        ([congruent(H, 16), at_least(H, 33)], "H % 16 == 0, H >= 48"),
        ([at_least(H, 1)], ""),
        ([at_least(H, 33), at_least(H, 20)], "H >= 33"),
        ([congruent(H, 4, 1), congruent(H, 3, 2)], "H % 12 == 5"),
        ([congruent(H, 6, (0, 2, 4))], "H % 2 == 0"),
        ([congruent(H, 4, (0, 1)), congruent(H, 4, (1, 2))], "H % 4 == 1"),
        ([congruent(W, 2), congruent(H, 4)], "H % 4 == 0, W % 2 == 0"),
        ([equal(H, W), congruent(W, 4), equal(W, symbol("D"))], "D == H, D == W, D % 4 == 0"),
        ([congruent(W, 4), equal(H, W), congruent(H, 6)], "H == W, H % 12 == 0"),
        ([at_least(W, 9), equal(H, W)], "H == W, H >= 9"),
    ],
)
def test_simplified(given_: list[Condition], shown: str) -> None:
    assert str(Conditions(given_)) == shown
    assert str(Conditions(reversed(given_))) == shown


def test_contradictions() -> None:
    conditions = Conditions([congruent(H, 4, 1)])
    outcome = conditions.assume(congruent(H, 6, 0))
    assert outcome.reason == "no sizes with H % 4 == 1 satisfy H % 6 == 0"
    with pytest.raises(ValueError, match="no sizes"):
        Conditions([congruent(H, 2), congruent(H, 2, 1)])


def test_trying_leaves_no_trace() -> None:
    conditions = Conditions([congruent(H, 4)])
    assert not conditions.implies(congruent(H, 8))
    assert conditions.copy().assume(congruent(H, 8)).derived
    assert str(conditions) == "H % 4 == 0"
    assert conditions.least("H") == 4
    assert conditions.least("W") == 1


def test_resolve() -> None:
    conditions = Conditions([equal(H, W)])
    assert conditions.resolve(H * W) == H**2
    conditions.assume(equal(H, 8))
    assert conditions.resolve(H + W) == 16
    assert conditions.least("W") == 8


# --- against brute force --------------------------------------------------------------------------------------------


Env = dict[str, int]


def _fitting(conditions: Iterable[Condition], sizes: Iterable[Env]) -> list[Env]:
    demanded = list(conditions)
    return [env for env in sizes if all(condition.holds(env) for condition in demanded)]


LAYERS = st.lists(
    st.one_of(
        st.tuples(st.just("conv"), st.integers(1, 5), st.integers(1, 3), st.integers(0, 3)),
        st.tuples(st.just("up"), st.just(2), st.just(2), st.just(0)),
        st.tuples(st.just("floor"), st.integers(2, 4), st.just(1), st.just(0)),
    ),
    max_size=4,
)


def _through(dim: Dim, layers: list[tuple[str, int, int, int]]) -> Dim:
    for kind, kernel, stride, padding in layers:
        dim = (
            conv_size(dim, kernel, stride, padding)
            if kind == "conv"
            else kernel * dim
            if kind == "up"
            else dim // kernel
        )
    return dim


KNOWN = st.lists(
    st.one_of(
        st.builds(congruent, st.just(H), st.sampled_from([2, 3, 4, 8]), st.just(0)),
        st.builds(congruent, st.just(H), st.just(6), st.sets(st.integers(0, 5), min_size=2)),
        st.builds(at_least, st.just(H), st.integers(1, 20)),
    ),
    max_size=2,
)


def _known(conditions: list[Condition]) -> Conditions:
    result = Conditions()
    for condition in conditions:
        result.assume(condition)
    return result


@settings(max_examples=500, deadline=None)
@given(LAYERS, LAYERS, KNOWN)
def test_joins_need_exactly_what_is_derived(
    left: list[tuple[str, int, int, int]], right: list[tuple[str, int, int, int]], known: list[Condition]
) -> None:
    a, b = _through(H, left), _through(H, right)
    conditions = _known(known)
    before = conditions.copy()
    outcome = conditions.require_equal(a, b)
    # Far out, so that single sizes that happen to fit are left behind.
    allowed = _fitting(before, ({"H": size} for size in range(100_000, 100_700)))
    good = [env for env in allowed if evaluate(a, env) == evaluate(b, env)]
    if outcome.impossible or any(condition.kind == "equality" for condition in outcome.conditions):
        assert not good
    else:
        assert good == _fitting(conditions, allowed)
        assert outcome.true == (good == allowed)
        near = _fitting(conditions, ({"H": size} for size in range(1, 200)))
        assert all(evaluate(a, env) == evaluate(b, env) for env in near)


@settings(max_examples=500, deadline=None)
@given(LAYERS, st.integers(-3, 12), KNOWN, st.booleans())
def test_bounds_need_exactly_what_is_derived(
    layers: list[tuple[str, int, int, int]], bound: int, known: list[Condition], against: bool
) -> None:
    dim = _through(H, layers)
    if against:
        dim = H - dim
    conditions = _known(known)
    before = conditions.copy()
    outcome = conditions.require_at_least(dim, bound)
    allowed = _fitting(before, ({"H": size} for size in range(1, 900)))
    good = [env for env in allowed if evaluate(dim, env) >= bound]
    if outcome.impossible:
        assert not good
    else:
        assert good == _fitting(conditions, allowed)


@settings(max_examples=300, deadline=None)
@given(LAYERS, st.integers(1, 12), KNOWN)
def test_divisibility_needs_exactly_what_is_derived(
    layers: list[tuple[str, int, int, int]], by: int, known: list[Condition]
) -> None:
    dim = _through(H, layers)
    conditions = _known(known)
    before = conditions.copy()
    outcome = conditions.require_divisible(dim, by)
    allowed = _fitting(before, ({"H": size} for size in range(1, 900)))
    good = [env for env in allowed if evaluate(dim, env) % by == 0]
    if outcome.impossible:
        assert not good
    else:
        assert good == _fitting(conditions, allowed)


STEPS = st.tuples(st.integers(1, 4), st.integers(-2, 2))
LINES = st.lists(
    st.one_of(
        st.builds(lambda s, m, r: congruent(s, m, r), st.sampled_from([H, W]), st.integers(2, 6), st.integers(0, 5)),
        st.builds(lambda s, b: at_least(s, b), st.sampled_from([H, W]), st.integers(1, 9)),
        st.builds(lambda p, q: equal(p[0] * H + p[1], q[0] * W + q[1]), STEPS, STEPS),
        st.builds(lambda p, q: congruent(p[0] * H + q[0] * W, 4, p[1]), STEPS, STEPS),
        st.builds(lambda p, q: at_least(p[0] * H - q[0] * W, q[1]), STEPS, STEPS),
        st.builds(lambda p, q: equal(p * (H // p) * q * (W // q), H * W), st.integers(1, 3), st.integers(1, 3)),
    ),
    max_size=5,
)


@settings(max_examples=500, deadline=None)
@given(LINES)
def test_the_simplified_list_says_the_same(given_: list[Condition]) -> None:
    conditions = Conditions()
    everything = [{"H": h, "W": w} for h, w in grid(range(1, 30), repeat=2)]
    fitting = everything
    for condition in given_:
        outcome = conditions.assume(condition)
        also = _fitting([condition], fitting)
        if outcome.impossible:
            assert not also
            continue
        if outcome.true:
            assert also == fitting
        fitting = also
    assert fitting == _fitting(conditions, everything)
