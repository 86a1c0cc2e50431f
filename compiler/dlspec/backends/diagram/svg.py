"""SVG: real text, no script, nothing loaded from elsewhere, the same bytes for the same picture."""

from __future__ import annotations

import html

from dlspec.backends.diagram.looks import BOLD, SIZES
from dlspec.backends.diagram.metrics import FONTS, clean, shortened
from dlspec.backends.diagram.paint import Fill, Letters, Mark, Patch, Rect, Sheet, Stroke, patches, tip
from dlspec.backends.diagram.sketch import Point
from dlspec.backends.diagram.theme import THEMES, ThemeName


def svg(drawing: Sheet, theme: ThemeName = "light", fonts: str = FONTS, tips: bool = True) -> str:
    """The picture as an SVG document. ``fonts`` is the list of families its text asks for. With ``tips`` each box is a
    group with what it says where the mouse is; without them nothing is nested."""
    width, height = coordinate(drawing.width), coordinate(drawing.height)
    size = f'width="{width}" height="{height}"'
    if drawing.paper is not None:
        size = f'width="{drawing.paper}" height="{drawing.paper.of(drawing.paper_height)}"'
    name = shortened(clean(drawing.scene.graph.name))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}"'
        f' role="img" aria-labelledby="title desc" font-family="{escape(fonts)}">',
        f'<title id="title">{escape(name)}</title>',
        f'<desc id="desc">{escape(tip(drawing.scene.root))}</desc>',
    ]
    texts = _Coordinates()
    forms: dict[Patch, _Form] = {}
    for patch, x, y, origin, box in patches(drawing, THEMES[theme]):
        form = forms.get(patch)
        if form is None:
            form = forms[patch] = _Form(patch, tips)
        if box is not None and tips:
            lines.append(f"<g><title>{escape(tip(box))}</title>")
        lines += form.at(x, y, origin, texts)
    return "\n".join([*lines, "</svg>", ""])


def escape(text: str) -> str:
    return html.escape(text, quote=False)


def coordinate(value: float) -> str:
    """A number as short as it gets, to a hundredth of a pixel."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


class _Coordinates(dict[float, str]):
    """Coordinates as text: most stand in a picture many times."""

    def __missing__(self, value: float) -> str:
        text = self[value] = coordinate(value)
        return text


class _Form:
    """The elements of a patch, with gaps for the coordinates that depend on where it stands."""

    def __init__(self, patch: Patch, grouped: bool) -> None:
        self._gaps: list[tuple[bool, float, float]] = []  # upright or not, a place, and what to add to it
        elements = [self._element(mark) for mark in patch.marks] + ["</g>"] * (patch.ends and grouped)
        self._text = "\n".join(elements)

    def at(self, x: float, y: float, origin: Point, texts: _Coordinates) -> list[str]:
        """The elements where the patch stands at a place."""
        if not self._text:
            return []
        left, top = origin
        return [
            self._text % tuple([texts[y + at + more + top if down else x + at + left] for down, at, more in self._gaps])
        ]

    def _x(self, value: float) -> str:
        self._gaps.append((False, value, 0.0))
        return "%s"

    def _y(self, value: float, more: float = 0.0) -> str:
        self._gaps.append((True, value, more))
        return "%s"

    def _element(self, mark: Mark) -> str:
        match mark:
            case Rect():
                return self._rect(mark)
            case Stroke():
                dashed = ' stroke-dasharray="4 3"' if mark.dashed else ""
                return (
                    f'<path d="{self._path(mark.points, mark.bend)}" fill="none" stroke="{mark.colour}"'
                    f' stroke-width="{coordinate(mark.width)}"{dashed}/>'
                )
            case Fill():
                corners = " ".join([f"{self._x(x)},{self._y(y)}" for x, y in mark.points])
                pen = f' stroke="{mark.stroke}" stroke-linejoin="round"' if mark.stroke else ""
                return f'<polygon points="{corners}" fill="{mark.colour}"{pen}/>'
            case Letters():
                return self._letters(mark)

    def _path(self, points: tuple[Point, ...], bend: float) -> str:
        """The data of a path through points, with round corners."""
        (x, y), *rest = points
        parts = [f"M{self._x(x)} {self._y(y)}"]
        for index, (cx, cy) in enumerate(rest):
            if index + 1 == len(rest):
                parts.append(f"L{self._x(cx)} {self._y(cy)}")
                break
            nx, ny = rest[index + 1]
            before, after = abs(cx - x) + abs(cy - y), abs(nx - cx) + abs(ny - cy)
            cut = min(bend, before / 2, after / 2)
            if not before or not after:
                continue
            ax, ay = cx - cut * (cx - x) / before, cy - cut * (cy - y) / before
            bx, by = cx + cut * (nx - cx) / after, cy + cut * (ny - cy) / after
            parts.append(f"L{self._x(ax)} {self._y(ay)}Q{self._x(cx)} {self._y(cy)} {self._x(bx)} {self._y(by)}")
            x, y = cx, cy
        return "".join(parts)

    def _rect(self, mark: Rect) -> str:
        round_ = f' rx="{coordinate(mark.round)}"' if mark.round else ""
        stroke = f' stroke="{mark.stroke}" stroke-width="{coordinate(mark.stroke_width)}"' if mark.stroke else ""
        dashed = ' stroke-dasharray="4 3"' if mark.dashed else ""
        return (
            f'<rect x="{self._x(mark.x)}" y="{self._y(mark.y)}" width="{coordinate(mark.width)}"'
            f' height="{coordinate(mark.height)}"{round_} fill="{mark.fill}"{stroke}{dashed}/>'
        )

    def _letters(self, mark: Letters) -> str:
        """A line of text. Its length is stated, so that it fits with another font too."""
        words = mark.words
        spans: list[str] = []
        for span, colour in zip(words.line, mark.colours, strict=True):
            bold = ' font-weight="bold"' if span.style in BOLD else ""
            text = escape(span.text).replace("%", "%%")
            spans.append(f'<tspan font-size="{coordinate(SIZES[span.style])}"{bold} fill="{colour}">{text}</tspan>')
        return (
            f'<text xml:space="preserve" x="{self._x(words.x)}" y="{self._y(words.y, words.drop)}"'
            f' textLength="{coordinate(words.width)}" lengthAdjust="spacingAndGlyphs">{"".join(spans)}</text>'
        )
