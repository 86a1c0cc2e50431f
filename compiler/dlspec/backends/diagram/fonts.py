"""The fonts of PNG and PDF: Bitstream Vera Sans, which comes with reportlab, so that pictures look the same everywhere. A
PNG takes what it lacks from the fonts of the machine."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from dlspec.backends.diagram.engine import EngineError
from dlspec.backends.diagram.paint import Letters, Sheet, patches
from dlspec.backends.diagram.theme import THEMES

VERA = "Bitstream Vera Sans"
_KNOWN = "\N{LATIN SMALL LETTER Y WITH DIAERESIS}"
"""Vera has what is printable up to here."""
_NOWHERE = "\U0010ffff"
_MOST = 3


def font_files() -> tuple[str, str]:
    """The regular and the bold font. Raises ImportError without reportlab."""
    import reportlab

    folder = Path(reportlab.__file__).parent / "fonts"
    return str(folder / "Vera.ttf"), str(folder / "VeraBd.ttf")


def others(drawing: Sheet) -> set[str]:
    """The characters of a picture that are not of Western Europe."""
    return {
        character
        for painted in patches(drawing, THEMES["light"])
        for mark in painted.patch.marks
        if isinstance(mark, Letters)
        for span in mark.words.line
        for character in span.text
        if character > _KNOWN
    }


def needs_others(drawing: Sheet) -> bool:
    """Whether a PNG needs the fonts of the machine. Raises `EngineError` for what none of them has, and ImportError."""
    lacking = [character for character in sorted(others(drawing)) if not _is_drawn(character, False)]
    if missing := [character for character in lacking if not _is_drawn(character, True)]:
        raise NoFont(
            "no font here has", missing, "install one that has, or write it as .svg or .html, for the reader's fonts"
        )
    return bool(lacking)


class NoFont(EngineError):
    """Characters that no font has would be empty boxes."""

    def __init__(self, where: str, characters: list[str], hint: str) -> None:
        named = ", ".join(f"`{character}` (U+{ord(character):04X})" for character in characters[:_MOST])
        more = f" and {len(characters) - _MOST} more" if len(characters) > _MOST else ""
        super().__init__(f"{where} {named}{more}", hint, "DL0612")


@cache
def _is_drawn(character: str, system: bool) -> bool:
    """Whether a font has a character: else it looks like one that no font has."""
    return _rendered(character, system) != _rendered(_NOWHERE, system)


@cache
def _rendered(character: str, system: bool) -> bytes:
    from resvg_py import svg_to_bytes

    text = f'<text x="2" y="20" font-size="16" font-family="{VERA}">{character}</text>'
    picture = f'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30">{text}</svg>'
    return bytes(svg_to_bytes(svg_string=picture, skip_system_fonts=not system, font_files=list(font_files())))
