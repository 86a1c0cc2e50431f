"""How wide text is, in Bitstream Vera Sans, which has the widths of DejaVu Sans and is wider than most."""

from __future__ import annotations

import unicodedata
from functools import cache

FONTS = "'DejaVu Sans', 'Bitstream Vera Sans', Verdana, Geneva, sans-serif"
"""What pictures ask for: fonts of these widths, or nearly."""

# The printable characters of ASCII, from the space on, in thousandths of the size.
_REGULAR = (
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636,
    636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656,
    557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613,
    635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818,
    592, 592, 525, 636, 337, 636, 838,
)  # fmt: skip
_BOLD = (
    348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365, 696, 696, 696, 696, 696, 696,
    696, 696, 696, 696, 400, 400, 838, 838, 838, 580, 1000, 774, 762, 734, 830, 683, 683, 821, 837, 372, 372, 775,
    637, 995, 837, 850, 733, 850, 770, 720, 682, 812, 774, 1103, 771, 724, 725, 457, 365, 457, 838, 500, 500, 675,
    716, 593, 716, 678, 435, 716, 712, 343, 343, 665, 343, 1042, 712, 687, 716, 716, 493, 595, 478, 712, 652, 924,
    645, 652, 582, 712, 365, 712, 838,
)  # fmt: skip
TIMES = "\N{MULTIPLICATION SIGN}"
_OTHERS = {TIMES: 838, "·": 380, "…": 1000}
_WIDE, _USUAL = 1000, 780  # outside of ASCII: ideographs, and what most letters stay below


@cache
def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of a line in pixels, at a size in pixels."""
    table = _BOLD if bold else _REGULAR
    return sum([table[ord(c) - 32] if " " <= c <= "~" else _other(c) for c in text]) * size / 1000


def _other(character: str) -> int:
    if character in _OTHERS:
        return _OTHERS[character]
    if unicodedata.combining(character):
        return 0
    return _WIDE if unicodedata.east_asian_width(character) in "WF" else _USUAL


def clean(text: str) -> str:
    """The text in one line, without what no file of XML can hold."""
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text])


def shortened(text: str, longest: int = 200) -> str:
    """The text, with dots for what it is longer than that many characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
