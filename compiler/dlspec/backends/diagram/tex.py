"""Text as LaTeX text, for any engine and any preamble: what stands for a character needs no package.

The tables of converters such as pylatexenc give macros of many packages (``\\CYRP``, ``\\twoheadrightarrow``), and a
picture that is included cannot load them.
"""

# ruff: noqa: RUF001 - signs that look like others are what this is about

from __future__ import annotations

import re
import unicodedata
from functools import cache

from dlspec.backends.diagram.metrics import clean

_SPECIAL = {
    "\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    # The usual encoding has other signs there, and packages of languages make the quotes commands.
    "$": r"\char36{}", '"': r"\char34{}", "'": r"\char39{}", "`": r"\char96{}", "-": "-{}",
    "\N{NO-BREAK SPACE}": "~", "…": r"\dots{}", "–": r"\textendash{}", "—": r"\textemdash{}",
    "‘": r"\textquoteleft{}", "’": r"\textquoteright{}", "“": r"\textquotedblleft{}", "”": r"\textquotedblright{}",
    "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}",
    "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}",
}  # fmt: skip

_MATHS = {
    "<": "<", ">": ">", "|": "|", "×": r"\times", "·": r"\cdot", "⋅": r"\cdot", "±": r"\pm", "∓": r"\mp", "÷": r"\div",
    "−": "-", "°": r"^\circ", "∘": r"\circ", "¬": r"\neg", "²": "^2", "³": "^3", "¹": "^1", "½": r"\frac12",
    "¼": r"\frac14", "¾": r"\frac34", "←": r"\leftarrow", "→": r"\rightarrow", "↑": r"\uparrow", "↓": r"\downarrow",
    "↔": r"\leftrightarrow", "⇐": r"\Leftarrow", "⇒": r"\Rightarrow", "⇔": r"\Leftrightarrow", "↦": r"\mapsto",
    "≤": r"\leq", "≥": r"\geq", "≠": r"\neq", "≈": r"\approx", "≡": r"\equiv", "∼": r"\sim", "∝": r"\propto",
    "∞": r"\infty", "∂": r"\partial", "∇": r"\nabla", "∑": r"\sum", "∏": r"\prod", "∫": r"\int", "√": r"\surd",
    "∈": r"\in", "∉": r"\notin", "∀": r"\forall", "∃": r"\exists", "∅": r"\emptyset", "∧": r"\wedge", "∨": r"\vee",
    "∩": r"\cap", "∪": r"\cup", "⊂": r"\subset", "⊆": r"\subseteq", "⊕": r"\oplus", "⊖": r"\ominus", "⊗": r"\otimes",
    "⊙": r"\odot", "⌊": r"\lfloor", "⌋": r"\rfloor", "⌈": r"\lceil", "⌉": r"\rceil", "⟨": r"\langle", "⟩": r"\rangle",
    "∥": r"\parallel", "⊥": r"\perp", "⋮": r"\vdots", "⋯": r"\cdots", "⋱": r"\ddots", "ℓ": r"\ell", "′": r"^\prime",
    "ς": r"\varsigma", "ε": r"\varepsilon", "ϵ": r"\epsilon", "φ": r"\varphi", "ϕ": r"\phi", "ϑ": r"\vartheta",
    "µ": r"\mu", "ο": "o", "•": r"\bullet", "§": r"\mathsection", "¶": r"\mathparagraph", "£": r"\mathsterling",
}  # fmt: skip
_GREEK = (
    "Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa Lambda Mu Nu Xi Omicron Pi Rho Sigma Tau Upsilon Phi Chi Psi"
    " Omega"
)
_LATIN = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True))
"""Greek capitals that TeX has no command for, since they look like Latin ones."""
_ACCENTS = {
    0x300: "`", 0x301: "'", 0x302: "^", 0x303: "~", 0x304: "=", 0x306: "u", 0x307: ".", 0x308: '"', 0x30A: "r",
    0x30B: "H", 0x30C: "v", 0x327: "c",
}  # fmt: skip
_EDGE = re.compile(r"^ | $|  +")


def tex(text: str) -> str:
    """The text in one line. A character that LaTeX has not by itself is named by its number, as [U+4F60]."""
    text = unicodedata.normalize("NFC", clean(text))
    kept = _EDGE.sub(lambda spaces: "\N{NO-BREAK SPACE}" * len(spaces[0]), text)
    return "".join([_character(c) for c in kept])


@cache
def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    maths = _MATHS.get(character) or _greek(character)
    if maths:
        return rf"\ensuremath{{{maths}}}"
    if " " <= character <= "~":
        return character
    return _accented(character) or f"[U+{ord(character):04X}]"


def _greek(character: str) -> str:
    if character in _LATIN:
        return rf"\mathrm{{{_LATIN[character]}}}"
    name = unicodedata.name(character, "")
    case, _, letter = name.removeprefix("GREEK ").partition(" LETTER ")
    letter = "Lambda" if letter == "LAMDA" else letter.title()
    if letter not in _GREEK.split() or case not in ("SMALL", "CAPITAL"):
        return ""
    return "\\" + (letter if case == "CAPITAL" else letter.lower())


def _accented(character: str) -> str:
    base, *marks = unicodedata.normalize("NFD", character)
    if len(marks) != 1 or ord(marks[0]) not in _ACCENTS or not (base.isascii() and base.isalpha()):
        return ""
    return rf"\{_ACCENTS[ord(marks[0])]}{{{base}}}"
