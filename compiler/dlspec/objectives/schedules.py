"""Numbers that change while training: functions of the steps taken so far."""

from __future__ import annotations

from collections.abc import Callable
from math import pi

from dlspec.ops.algebra import Term


def ramp(step: Term, start: float, end: float, steps: int) -> Term:
    """From ``start`` to ``end`` in a straight line within ``steps`` steps, and ``end`` from then on."""
    return (step / steps).call("clamp", max=1.0) * (end - start) + start


def cosine(step: Term, start: float, end: float, steps: int) -> Term:
    """From ``start`` to ``end`` along half a cosine within ``steps`` steps, and ``end`` from then on."""
    angle = (step / steps).call("clamp", max=1.0) * pi
    return (angle.call("cos") + 1.0) * ((start - end) / 2) + end


def staircase(step: Term, start: float, gamma: float, every: int) -> Term:
    """``start``, multiplied by ``gamma`` after each ``every`` steps."""
    return start * gamma ** (step / every).call("floor")


def logistic(step: Term, start: float, end: float, middle: int, slope: float) -> Term:
    """From ``start`` to ``end`` along a sigmoid that is half way at step ``middle``."""
    return ((step - middle) * slope).call("sigmoid") * (end - start) + start


SCHEDULES: dict[str, tuple[Callable[..., Term], tuple[str, ...]]] = {
    "ramp": (ramp, ("start", "end", "steps")),
    "cosine": (cosine, ("start", "end", "steps")),
    "step": (staircase, ("start", "gamma", "every")),
    "logistic": (logistic, ("start", "end", "middle", "slope")),
}
"""The schedules by name, with their arguments. Steps are whole and positive."""
