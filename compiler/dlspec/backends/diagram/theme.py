"""Colours. Families of layers have those of Okabe and Ito, which people with any colour vision can tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

ThemeName: TypeAlias = Literal["light", "dark", "print"]

_BLUE, _SKY, _GREEN, _YELLOW = "#0072b2", "#56b4e9", "#009e73", "#f0e442"
_ORANGE, _RED, _PURPLE, _GREY = "#e69f00", "#d55e00", "#cc79a7", "#999999"

HUES: dict[str, str] = {
    "conv": _BLUE, "linear": _RED, "matrix": _RED, "embedding": _RED, "recurrent": _RED,
    "norm": _PURPLE, "activation": _YELLOW, "softmax": _YELLOW,
    "pooling": _GREEN, "reduce": _GREEN, "resize": _GREEN,
    "combine": _ORANGE, "elementwise": _ORANGE, "dropout": _GREY, "random": _GREY,
    "shape": _GREY, "slicing": _GREY, "pad": _GREY, "constant": _GREY,
    "block": _SKY, "network": _SKY, "repeat": _SKY, "scan": _SKY,
    "input": _GREY, "output": _GREY, "update": _PURPLE, "fault": _RED,
}  # fmt: skip
"""The hue of each family; families that do alike share one, and their boxes have their names in them."""


@dataclass(frozen=True, slots=True)
class Theme:
    """What is drawn in which colour. ``tint`` is how much of its hue a box has, from 0 to 1; open blocks have less."""

    name: ThemeName
    background: str
    text: str
    muted: str
    line: str
    accent: str
    fault: str
    tint: float
    block_tint: float

    def fill(self, family: str) -> str:
        return mix(self.background, HUES.get(family, _GREY), self.tint)

    def ground(self, level: int) -> str:
        """The ground of an open block: every second one is a little darker."""
        return mix(self.background, self.line, self.block_tint * (1 + level % 2))

    def border(self, family: str) -> str:
        return mix(self.text, HUES.get(family, _GREY), 0.75)


THEMES: dict[ThemeName, Theme] = {
    "light": Theme("light", "#ffffff", "#1b1f24", "#57606a", "#57606a", "#0b5cad", "#c1121f", 0.22, 0.05),
    "dark": Theme("dark", "#14181d", "#e8eaed", "#b6bec8", "#a4adb8", "#7cc4ff", "#ff6b6b", 0.26, 0.06),
    "print": Theme("print", "#ffffff", "#000000", "#333333", "#000000", "#000000", "#c1121f", 0.12, 0.0),
}


def mix(one: str, other: str, share: float) -> str:
    """A colour between two, with that share of the other."""
    channels = [
        round(int(one[i : i + 2], 16) * (1 - share) + int(other[i : i + 2], 16) * share) for i in (1, 3, 5)
    ]  # fmt: skip
    return "#" + "".join(f"{channel:02x}" for channel in channels)
