"""SVG: real text, no script, nothing loaded from elsewhere, the same bytes for the same picture."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from dlspec.backends.diagram.layout import Drawing, Point
from dlspec.backends.diagram.looks import BOLD, SIZES
from dlspec.backends.diagram.metrics import FONTS, clean, shortened
from dlspec.backends.diagram.paint import Fill, Group, Letters, Mark, Rect, Stroke, marks, tip
from dlspec.backends.diagram.theme import THEMES, ThemeName


def svg(drawing: Drawing, theme: ThemeName = "light", fonts: str = FONTS) -> str:
    """The picture as an SVG document. ``fonts`` is the list of families its text asks for."""
    width, height = coordinate(drawing.width), coordinate(drawing.height)
    name = shortened(clean(drawing.scene.graph.name))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="img" aria-labelledby="title desc" font-family={quoteattr(fonts)}>',
        f'<title id="title">{escape(name)}</title>',
        f'<desc id="desc">{escape(tip(drawing.scene.root))}</desc>',
    ]
    lines += [_element(mark) for mark in marks(drawing, THEMES[theme])]
    return "\n".join([*lines, "</svg>", ""])


def coordinate(value: float) -> str:
    """A number as short as it gets, to a hundredth of a pixel."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def path_of(points: tuple[Point, ...], bend: float) -> str:
    """The data of a path through points, with round corners."""
    (x, y), *rest = points
    parts = [f"M{coordinate(x)} {coordinate(y)}"]
    for index, (cx, cy) in enumerate(rest):
        if index + 1 == len(rest):
            parts.append(f"L{coordinate(cx)} {coordinate(cy)}")
            break
        nx, ny = rest[index + 1]
        before, after = abs(cx - x) + abs(cy - y), abs(nx - cx) + abs(ny - cy)
        cut = min(bend, before / 2, after / 2)
        if not before or not after:
            continue
        ax, ay = cx - cut * (cx - x) / before, cy - cut * (cy - y) / before
        bx, by = cx + cut * (nx - cx) / after, cy + cut * (ny - cy) / after
        parts.append(
            f"L{coordinate(ax)} {coordinate(ay)}Q{coordinate(cx)} {coordinate(cy)} {coordinate(bx)} {coordinate(by)}"
        )
        x, y = cx, cy
    return "".join(parts)


def _element(mark: Mark) -> str:
    match mark:
        case Group():
            return f"<g><title>{escape(mark.tip)}</title>"
        case Rect():
            return _rect(mark)
        case Stroke():
            dashed = ' stroke-dasharray="4 3"' if mark.dashed else ""
            return (
                f'<path d="{path_of(mark.points, mark.bend)}" fill="none" stroke="{mark.colour}"'
                f' stroke-width="{coordinate(mark.width)}"{dashed}/>'
            )
        case Fill():
            corners = " ".join(f"{coordinate(x)},{coordinate(y)}" for x, y in mark.points)
            return f'<polygon points="{corners}" fill="{mark.colour}"/>'
        case Letters():
            return _text(mark)
        case _:
            return "</g>"


def _rect(mark: Rect) -> str:
    round_ = f' rx="{coordinate(mark.round)}"' if mark.round else ""
    stroke = f' stroke="{mark.stroke}" stroke-width="{coordinate(mark.stroke_width)}"' if mark.stroke else ""
    dashed = ' stroke-dasharray="4 3"' if mark.dashed else ""
    return (
        f'<rect x="{coordinate(mark.x)}" y="{coordinate(mark.y)}" width="{coordinate(mark.width)}"'
        f' height="{coordinate(mark.height)}"{round_} fill="{mark.fill}"{stroke}{dashed}/>'
    )


def _text(mark: Letters) -> str:
    """A line of text. Its length is stated, so that it fits with another font too."""
    words = mark.words
    spans: list[str] = []
    for span, colour in zip(words.line, mark.colours, strict=True):
        bold = ' font-weight="bold"' if span.style in BOLD else ""
        spans.append(
            f'<tspan font-size="{coordinate(SIZES[span.style])}"{bold} fill="{colour}">{escape(span.text)}</tspan>'
        )
    return (
        f'<text xml:space="preserve" x="{coordinate(words.x)}" y="{coordinate(words.y)}"'
        f' textLength="{coordinate(words.width)}" lengthAdjust="spacingAndGlyphs">{"".join(spans)}</text>'
    )
