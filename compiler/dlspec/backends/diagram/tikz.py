"""TikZ: the marks of the SVG as LaTeX, with text in the fonts of the document around it."""

from __future__ import annotations

from itertools import pairwise

from dlspec.backends.diagram.engine import EngineError
from dlspec.backends.diagram.looks import BOLD, SIZES
from dlspec.backends.diagram.metrics import clean, shortened
from dlspec.backends.diagram.paint import Fill, Letters, Mark, Rect, Sheet, Stroke, patches
from dlspec.backends.diagram.sketch import Anchor, Point
from dlspec.backends.diagram.svg import coordinate
from dlspec.backends.diagram.tex import tex
from dlspec.backends.diagram.theme import THEMES, ThemeName

LONGEST = 16_000.0
"""Points: TeX's lengths end at 16,383."""

_HEAD = r"""% {name}, drawn by dlspec. This is a document of its own, and also a figure of another: there, write
%   \usepackage{{standalone, tikz}}             % in the preamble
%   \resizebox{{\linewidth}}{{!}}{{\input{{FILE}}}}   % in the figure
\documentclass[tikz]{{standalone}}
\begin{{document}}
\begin{{tikzpicture}}[{options}]
"""
_OPTIONS = r"x=1pt, y=-1pt, line join=round, every node/.style={inner sep=0pt, outer sep=0pt, font=\sffamily}"
_FOOT = "\\end{tikzpicture}\n\\end{document}\n"
_ANCHORS: dict[Anchor, str] = {"start": "base west", "middle": "base", "end": "base east"}


def tikz(drawing: Sheet, theme: ThemeName = "light") -> str:
    """The picture as a LaTeX document, a point for a pixel. The class `standalone` makes it a page of the size of the
    picture, and the package `standalone` lets another document input it. Raises `EngineError` for one that is too long.
    """
    longest = max(drawing.width, drawing.height) * drawing.scale
    if longest > LONGEST:
        raise EngineError(
            f"the picture is {longest:,.0f} pt long, and TeX's lengths end at 16,383 pt",
            "draw less with --depth, or in lines with --wrap",
            "DL0608",
        )
    writer = _Writer()
    for painted in patches(drawing, THEMES[theme]):
        (left, top), x, y = painted.origin, painted.x, painted.y
        for mark in painted.patch.marks:
            writer.write(mark, (left + x, top + y))
    colours = [rf"\definecolor{{{name}}}{{HTML}}{{{colour[1:].upper()}}}" for colour, name in writer.colours.items()]
    name = shortened(clean(drawing.scene.graph.name))
    options = _OPTIONS
    if drawing.paper is not None:
        options += f", scale={drawing.scale:.4f}, transform shape"
    return _HEAD.format(name=name, options=options) + "\n".join([*colours, *writer.lines, _FOOT])


class _Writer:
    """Writes marks, each a line, and gives names to their colours."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.colours: dict[str, str] = {}

    def write(self, mark: Mark, place: Point) -> None:
        match mark:
            case Rect():
                round_ = min(mark.round, mark.width / 2, mark.height / 2)
                pen = self._pen(mark.stroke, mark.stroke_width, mark.dashed, round_)
                corners = (mark.x, mark.y), (mark.x + mark.width, mark.y + mark.height)
                self._path([f"fill={self._colour(mark.fill)}", *pen], corners, " rectangle ", place)
            case Stroke():
                points = [point for index, point in enumerate(mark.points) if point != mark.points[index - 1]]
                sides = [max(abs(x - px), abs(y - py)) for (px, py), (x, y) in pairwise(points)]
                bend = min(mark.bend, *(side / 2 for side in sides)) if len(sides) > 1 else 0.0
                self._path(self._pen(mark.colour, mark.width, mark.dashed, bend), points, " -- ", place)
            case Fill():
                self._path(
                    [f"fill={self._colour(mark.colour)}", *self._pen(mark.stroke, 1.0, False, 0.0)],
                    mark.points,
                    " -- ",
                    place,
                    " -- cycle",
                )
            case Letters():
                self._letters(mark, place)

    def _colour(self, colour: str) -> str:
        return self.colours.setdefault(colour, f"dl{len(self.colours)}")

    def _pen(self, colour: str, width: float, dashed: bool, bend: float) -> list[str]:
        options = [f"rounded corners={coordinate(bend)}pt"] * (bend > 0)
        if colour:
            options += [f"draw={self._colour(colour)}", f"line width={coordinate(width)}pt"]
            options += ["dash pattern=on 4pt off 3pt"] * dashed
        return options

    def _path(
        self, options: list[str], points: list[Point] | tuple[Point, ...], join: str, place: Point, end: str = ""
    ) -> None:
        corners = join.join(_point(place[0] + x, place[1] + y) for x, y in points)
        self.lines.append(rf"\path[{', '.join(options)}] {corners}{end};")

    def _letters(self, mark: Letters, place: Point) -> None:
        words, left = mark.words, place[0] + mark.words.x
        at = _point(
            left + {"start": 0.0, "middle": words.width / 2, "end": words.width}[words.anchor],
            place[1] + words.y + words.drop,
        )
        parts: list[str] = []
        for span, colour in zip(words.line, mark.colours, strict=True):
            size = coordinate(SIZES[span.style])
            bold = r"\bfseries" if span.style in BOLD else ""
            text = tex(span.text)
            gap = "" if text.startswith("\\") else " "
            parts.append(
                rf"{{\fontsize{{{size}}}{{{size}}}\selectfont{bold}\color{{{self._colour(colour)}}}{gap}{text}}}"
            )
        self.lines.append(rf"\node[anchor={_ANCHORS[words.anchor]}] at {at} {{{''.join(parts)}}};")


def _point(x: float, y: float) -> str:
    return f"({coordinate(x)}, {coordinate(y)})"
