"""Lengths on paper."""

from __future__ import annotations

import re
from dataclasses import dataclass

_POINTS = {"in": 72.0, "cm": 72 / 2.54, "mm": 72 / 25.4, "pt": 1.0, "px": 0.75}


@dataclass(frozen=True, slots=True)
class Length:
    """A length in one of the units in, cm, mm, pt (1/72 in) and px (1/96 in)."""

    value: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> Length:
        """Reads "3.3in". Raises ValueError."""
        found = re.fullmatch(r"(\d{1,5}(?:\.\d{1,4})?)(in|cm|mm|pt|px)", text, re.ASCII)
        length = cls(float(found[1]), found[2]) if found else None
        if length is None or not 36 <= length.points <= 14_400:
            raise ValueError(
                f"{text[:40]!r} is no width from 0.5in to 200in: write it as 3.3in, 16cm, 80mm, 240pt or 800px"
            )
        return length

    @property
    def points(self) -> float:
        return self.value * _POINTS[self.unit]

    def of(self, points: float) -> Length:
        """Another length in the same unit."""
        return Length(points / _POINTS[self.unit], self.unit)

    def __str__(self) -> str:
        return f"{self.value:.4f}".rstrip("0").rstrip(".") + self.unit
