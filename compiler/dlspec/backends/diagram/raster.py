"""PNG and PDF: the marks of the SVG, in fonts that look the same everywhere. Text stays text in the PDF."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from typing import Any

from dlspec.backends.diagram.engine import EngineError
from dlspec.backends.diagram.fonts import VERA, NoFont, font_files, needs_others, others
from dlspec.backends.diagram.looks import BOLD, SIZES
from dlspec.backends.diagram.metrics import FONTS, clean
from dlspec.backends.diagram.paint import Fill, Letters, Painted, Rect, Sheet, Stroke, patches
from dlspec.backends.diagram.sketch import Point
from dlspec.backends.diagram.svg import svg
from dlspec.backends.diagram.theme import THEMES, ThemeName

_HEADER = 33  # bytes of the signature and the first chunk
_INSTALL = "pip install 'dlspec[draw]'"
LARGEST = 16_000
"""The most pixels a PNG is wide or high."""
PRINTED = 300.0
"""The pixels of an inch on paper."""


def png(drawing: Sheet, theme: ThemeName = "light", scale: float = 2.0) -> bytes:
    """The picture as PNG, with ``scale`` pixels for each of its own. Raises `EngineError` where resvg is missing
    for one that is too large, and for text that no font has."""
    try:
        from resvg_py import svg_to_bytes

        system = needs_others(drawing)
    except ImportError:
        raise EngineError("PNG needs resvg and reportlab", _INSTALL) from None
    paper = drawing.paper
    if paper is not None:
        pixels = round(paper.value if paper.unit == "px" else paper.points / 72 * PRINTED)
        scale = (pixels - 0.4) / drawing.width  # resvg rounds up what the SVG says, which is rounded too
    width, height = round(drawing.width * scale), round(drawing.height * scale)
    if max(width, height) > LARGEST:
        raise EngineError(
            f"the PNG would have {width:,} x {height:,} pixels, and programs that show one take {LARGEST:,}",
            "draw less with --depth or in lines with --wrap, or write it as .svg or .pdf", "DL0609",
        )  # fmt: skip
    made = bytes(
        svg_to_bytes(
            svg_string=svg(replace(drawing, paper=None), theme, FONTS if system else VERA, tips=False), zoom=scale,
            skip_system_fonts=not system, font_files=list(font_files()),
        )
    )  # fmt: skip
    return made if paper is None or paper.unit == "px" else _with_density(made)


def _with_density(made: bytes) -> bytes:
    """A PNG that says how many pixels it has on a metre, in a chunk behind its header (PNG 1.2, 4.2.4.2)."""
    density = round(PRINTED / 0.0254)
    chunk = b"pHYs" + struct.pack(">IIB", density, density, 1)
    whole = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return made[:_HEADER] + whole + made[_HEADER:]


def pdf(drawing: Sheet, theme: ThemeName = "light") -> bytes:
    """The picture as a PDF of one page, a point for a pixel or as on paper, fonts embedded. Raises `EngineError` without
    reportlab, and for text that the fonts lack."""
    try:
        from reportlab.pdfbase.pdfmetrics import registerFont  # pyright: ignore[reportUnknownVariableType]
        from reportlab.pdfbase.ttfonts import TTFont
        from reportlab.pdfgen.canvas import Canvas
    except ImportError:
        raise EngineError("PDF needs reportlab", _INSTALL) from None
    strange = sorted(others(drawing))
    for name, file in zip(("Regular", "Bold"), font_files(), strict=True):
        font = TTFont(name, file)
        registerFont(font)
        known: Any = font.face
        if missing := [character for character in strange if ord(character) not in known.charToGlyph]:
            raise NoFont(f"{VERA}, the font of a PDF, lacks", missing, "write it as .svg, .html or .png")
    file = io.BytesIO()
    make: Any = Canvas  # its types take `initialFontName` for a number
    canvas = make(
        file, (drawing.width * drawing.scale, drawing.paper_height), pageCompression=1, initialFontName="Regular",
        invariant=1,
    )  # fmt: skip
    canvas.setTitle(clean(drawing.scene.graph.name))
    canvas.setCreator("dlspec")
    canvas.scale(drawing.scale, drawing.scale)
    page = _Page(canvas, drawing.height)
    for painted in patches(drawing, THEMES[theme]):
        page.paint(painted)
    canvas.save()
    return file.getvalue()


class _Page:
    """Paints marks on a canvas whose y runs upwards."""

    def __init__(self, canvas: Any, height: float) -> None:
        self._canvas = canvas
        canvas.setLineJoin(1)
        self._height = height
        self._place: Point = 0.0, 0.0

    def paint(self, painted: Painted) -> None:
        self._place = painted.x + painted.origin[0], painted.y + painted.origin[1]
        for mark in painted.patch.marks:
            match mark:
                case Rect():
                    self._rect(mark)
                case Stroke():
                    self._stroke(mark)
                case Fill():
                    self._fill(mark)
                case Letters():
                    self._letters(mark)

    def _at(self, point: Point) -> Point:
        return self._place[0] + point[0], self._height - self._place[1] - point[1]

    def _pen(self, colour: str, width: float, dashed: bool) -> None:
        self._canvas.setStrokeColor(colour)
        self._canvas.setLineWidth(width)
        self._canvas.setDash([4, 3] if dashed else [])

    def _rect(self, mark: Rect) -> None:
        self._canvas.setFillColor(mark.fill)
        if mark.stroke:
            self._pen(mark.stroke, mark.stroke_width, mark.dashed)
        x, y = self._at((mark.x, mark.y + mark.height))
        radius = min(mark.round, mark.width / 2, mark.height / 2)
        self._canvas.roundRect(x, y, mark.width, mark.height, radius, stroke=int(bool(mark.stroke)), fill=1)

    def _stroke(self, mark: Stroke) -> None:
        self._pen(mark.colour, mark.width, mark.dashed)
        path = self._canvas.beginPath()
        (x, y), *rest = mark.points
        path.moveTo(*self._at((x, y)))
        for index, (cx, cy) in enumerate(rest):
            if index + 1 < len(rest):
                nx, ny = rest[index + 1]
                before, after = abs(cx - x) + abs(cy - y), abs(nx - cx) + abs(ny - cy)
                cut = min(mark.bend, before / 2, after / 2)
                if before and after:
                    start = (cx - cut * (cx - x) / before, cy - cut * (cy - y) / before)
                    end = (cx + cut * (nx - cx) / after, cy + cut * (ny - cy) / after)
                    path.lineTo(*self._at(start))
                    # A quadratic curve as a cubic one: its handles are two thirds of the way to the corner.
                    handles = [(a + (cx - a) * 2 / 3, b + (cy - b) * 2 / 3) for a, b in (start, end)]
                    path.curveTo(*self._at(handles[0]), *self._at(handles[1]), *self._at(end))
                    x, y = cx, cy
            else:
                path.lineTo(*self._at((cx, cy)))
        self._canvas.drawPath(path, stroke=1, fill=0)

    def _fill(self, mark: Fill) -> None:
        self._canvas.setFillColor(mark.colour)
        path = self._canvas.beginPath()
        path.moveTo(*self._at(mark.points[0]))
        for point in mark.points[1:]:
            path.lineTo(*self._at(point))
        path.close()
        if mark.stroke:
            self._pen(mark.stroke, 1.0, False)
        self._canvas.drawPath(path, stroke=int(bool(mark.stroke)), fill=1)

    def _letters(self, mark: Letters) -> None:
        x, y = self._at((mark.words.x, mark.words.y + mark.words.drop))
        for span, colour in zip(mark.words.line, mark.colours, strict=True):
            self._canvas.setFont("Bold" if span.style in BOLD else "Regular", SIZES[span.style])
            self._canvas.setFillColor(colour)
            self._canvas.drawString(x, y, span.text)
            x += span.width
