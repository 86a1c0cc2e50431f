from __future__ import annotations

import numpy as np
import pytest

from dlspec.backends.spread import BINS, spread, spreads

CASES = {
    "plain": np.array([[-1.0, 0.0], [3.0, 2.0]], np.float32),
    "half": np.array([1, 2, 60000], np.float16),
    "ints": np.arange(100),
    "truth": np.array([True, False, True]),
    "one": np.array(0.1),
    "zeros": np.zeros((3, 4)),
    "holes": np.array([1.0, np.nan, np.inf, -np.inf, 0.0]),
    "huge": np.array([1e308, 1.5e308, -1e308, 1.7e308]),
    "small": np.array([5e-324, 1e-310, 0.0]),
}


@pytest.mark.parametrize("name", CASES)
def test_spread(name: str) -> None:
    values = CASES[name]
    found = spread(values)
    finite = [float(value) for value in values.ravel() if np.isfinite(value)]
    assert (found.least, found.most) == (min(finite), max(finite))
    shrink = max(map(abs, finite)) or 1.0
    shrunk = np.array(finite) / shrink
    assert found.mean == pytest.approx(shrunk.mean() * shrink, rel=1e-9, abs=1e-300)
    assert found.std == pytest.approx(shrunk.std() * shrink, rel=1e-9, abs=1e-300)
    assert found.zeros == finite.count(0.0)
    assert found.odd == values.size - len(finite)
    assert len(found.bins) == BINS
    assert sum(found.bins) == len(finite)
    assert all(type(value) in (int, float) for value in (*found[:6], *found.bins))


def test_ends_of_the_histogram() -> None:
    found = spread(np.array([0.0, 0.0, 0.0, 10.0]))
    assert (found.bins[0], found.bins[-1]) == (3, 1)


def test_nothing_finite() -> None:
    assert spread(np.array([np.nan, np.inf]))[:6] == (None, None, None, None, 0, 2)
    assert spreads({"a": np.zeros((0, 3)), "b": np.ones(2)}).keys() == {"b"}
