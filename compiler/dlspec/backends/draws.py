"""Numbers for what draws: codes from their distributions, the ways between two of them, and noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from dlspec.ir.graph import Prior

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

Way: TypeAlias = Literal["linear", "spherical"]

STANDARD = Prior("Normal", (0.0, 1.0))

KNOWN = ("Normal", "Laplace", "Uniform")
"""The families that can be drawn from."""


def draw(prior: Prior, shape: Sequence[int], generator: np.random.Generator) -> Array:
    """Numbers of a distribution that is known, float64."""
    drawn = {"Normal": generator.normal, "Laplace": generator.laplace, "Uniform": generator.uniform}[prior.family]
    first, second = prior.parameters
    return drawn(first, second, tuple(shape))


def way(start: Array, end: Array, steps: int, kind: Way) -> Array:
    """So many codes from one to another, both included: [steps, *shape] of two of a shape.

    ``linear`` is the straight line. ``spherical`` turns by equal angles (Shoemake, 1985, "Animating rotation with quaternion
    curves"), so that codes keep the length that those of a normal distribution have; the straight line where the two have
    one direction, or opposite ones.
    """
    import numpy as np

    shares = np.linspace(0.0, 1.0, steps).reshape(-1, *[1] * start.ndim)
    length = float(np.linalg.norm(start) * np.linalg.norm(end))
    cosine = float(np.sum(start * end)) / length if length else 1.0
    angle = float(np.arccos(np.clip(cosine, -1.0, 1.0)))
    if kind == "linear" or np.sin(angle) < 1e-6:
        return (1 - shares) * start + shares * end
    return (np.sin((1 - shares) * angle) * start + np.sin(shares * angle) * end) / np.sin(angle)
