"""The text in boxes, in lines, and so the size of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple, TypeAlias

from dlspec.analyses.cost import Cost
from dlspec.analyses.written import number, scaled
from dlspec.backends.diagram.metrics import TIMES, clean, text_width
from dlspec.backends.diagram.scene import Box, Port

Style: TypeAlias = Literal["label", "name", "argument", "accent", "small", "shape", "changed", "fault", "level"]

SIZES: dict[Style, float] = {
    "label": 12, "name": 12, "argument": 11, "accent": 11, "small": 9.5, "shape": 10, "changed": 10, "fault": 10,
    "level": 11,
}  # fmt: skip
BOLD: frozenset[Style] = frozenset({"name", "accent", "changed", "fault"})

WIDEST = 230.0
"""Lines are broken where they would be wider than this many pixels."""
MOST_LINES = 7
PADDING_X, PADDING_Y = 9.0, 5.0
BAR = 4.0
"""The height of the bar that shows a box's share."""
NARROWEST = 44.0


class Span(NamedTuple):
    """Text in one style."""

    text: str
    style: Style

    @property
    def width(self) -> float:
        return text_width(self.text, SIZES[self.style], self.style in BOLD)


Line: TypeAlias = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """The lines of a box or of the head of an open one, with the size they take, padding included; in pixels."""

    lines: tuple[Line, ...]
    width: float
    height: float
    bar: bool


def look(box: Box) -> Look:
    """What stands in a box that is drawn folded."""
    if box.kind in ("input", "output"):
        lines = _wrapped([Span(clean(box.title), "name")], _arguments(box))
        return _look(lines, False)
    if box.kind == "fault":
        words = [Span(f"{word} ", "small") for word in clean(box.message).split(" ")]
        return _look([*_wrapped([Span(clean(box.name), "name")]), *_wrapped(words)], False)
    given = _arguments(box)
    first, rest = given[: box.positional], given[box.positional :]
    heading = _heading(box) + [Span(" ", "label")] * bool(first) + first
    if first:
        heading[-1] = Span(heading[-1].text.rstrip(", "), "argument")
    lines = _wrapped(heading) + _wrapped(rest) + _wrapped(_more(box)) + _shapes(box) + _costs(box)
    return _look(lines, bool(box.share) and box.kind != "network" and "counts" in box.seen)


def head(box: Box) -> Look:
    """What stands in the head of a box that is drawn open."""
    if box.kind == "network" and "title" not in box.seen:
        return Look((), 0.0, 0.0, False)
    given = _arguments(box)
    heading = _heading(box) + [Span("  ", "small")] * bool(given) + given
    return _look(_wrapped(heading) + _wrapped(_more(box)) + _shapes(box) + _costs(box), False)


def badge(box: Box) -> str:
    """The sign of multiplication and how often a box is repeated, if it is."""
    return f"{TIMES}{box.count}" if box.count > 1 else ""


def shape_line(port: Port) -> Line:
    """The text beside the edges that leave a port."""
    plain, changed = ("fault", "fault") if port.fault else ("shape", "changed")
    return tuple(Span(clean(run.text), changed if run.bold else plain) for run in port.runs)


def line_width(line: Line) -> float:
    return sum([span.width for span in line])


def line_height(line: Line) -> float:
    return max(SIZES[span.style] for span in line) * 1.25


def _look(lines: Sequence[Line], bar: bool) -> Look:
    width = max(max(map(line_width, lines)) + 2 * PADDING_X, NARROWEST)
    height = sum(map(line_height, lines)) + 2 * PADDING_Y + BAR * bar
    return Look(tuple(lines), float(-(-width // 2) * 2), float(-(-height // 1)), bar)


def _heading(box: Box) -> list[Span]:
    if box.kind == "arithmetic":  # it breaks between words
        words = [Span(f"{word} ", "name") for word in clean(box.name).split(" ")]
        return words + [Span(badge(box), "accent")] * (box.count > 1)
    spans: list[Span] = []
    if box.title:
        spans.append(Span(clean(box.title), "label" if box.name else "name"))
    if box.name and box.kind != "repeat":
        spans += [Span("  ", "label")] * bool(spans) + [Span(clean(box.name), "name")]
    if box.kind == "repeat":
        spans.append(Span(f"{box.name} {box.count}", "label"))
    if box.shared:
        spans += [Span("  ", "label"), Span(f"shared {box.shared}", "accent")]
    if badge(box) and box.kind != "repeat":
        spans += [Span("  ", "label"), Span(badge(box), "accent")]
    return spans or [Span(clean(box.path), "label")]


def _arguments(box: Box) -> list[Span]:
    spans: list[Span] = []
    for index, argument in enumerate(box.arguments if "arguments" in box.seen else ()):
        comma = "," if index + 1 < len(box.arguments) else ""
        spans.append(Span(f"{clean(argument)}{comma} ", "accent" if argument in box.differs else "argument"))
    return spans


def _more(box: Box) -> list[Span]:
    """What the first turn of a loop has beside its arguments that the others have not, and the note of a train or poster."""
    more = [clean(text) for text in box.differs if text not in box.arguments]
    notes = [f"with {', '.join(more)}"] * bool(more) + [clean(box.note)] * bool(box.note)
    return [Span(f"{word} ", "accent") for word in ", ".join(notes).split()]


def costs_of(cost: Cost, longest: int | None = None) -> Sequence[str]:
    """Parameters and MACs in words, what is 0 left out, and an expression that is longer than ``longest``."""
    params = [f"{number(cost.params)} params"] * bool(cost.params)
    macs = [scaled(cost.macs, "MACs")] * (cost.macs != 0)
    return params + [text for text in macs if longest is None or len(text) <= longest]


def _shapes(box: Box) -> list[Line]:
    """What comes in and what leaves, in a line where both are the same."""
    if "shapes" not in box.seen or box.kind == "network":
        return []
    into, out = (", ".join(map(_shape, ports)) for ports in (box.inputs, box.outputs))
    texts = [into] if into == out else [f"in {into}"] * bool(into) + [f"out {out}"] * bool(out)
    return _wrapped(*[[Span(f"{word} ", "shape") for word in text.split(" ")] for text in texts])


def _shape(port: Port) -> str:
    return f"[{', '.join(map(str, port.type.shape))}]"


def _costs(box: Box) -> list[Line]:
    """What one turn costs, and in a line of their own what all do."""
    if "counts" not in box.seen:
        return []
    groups = [costs_of(box.cost, 40)]
    if box.count > 1 and groups[0]:
        together = costs_of(box.together, 40)
        groups.append([f"together {together[0]}", *together[1:]] if together else [])
    return _wrapped(*[[Span(" · ".join(texts), "small")] for texts in groups if texts])


def _wrapped(*groups: Sequence[Span]) -> list[Line]:
    """Spans in lines no wider than `WIDEST`, each group from a new line on; what is too long for that ends with dots."""
    lines: list[Line] = []
    for group in groups:
        line: list[Span] = []
        width = 0.0
        for span in [piece for whole in group for piece in _pieces(whole)]:
            if line and width + Span(span.text.rstrip(), span.style).width > WIDEST:
                lines.append(_trimmed(line))
                line, width = [], 0.0
                if not span.text.strip():
                    continue
            line.append(span)
            width += span.width
        if line:
            lines.append(_trimmed(line))
    if len(lines) > MOST_LINES:
        return [*lines[: MOST_LINES - 1], (Span("…", "argument"),)]
    return [line for line in lines if line]


def _trimmed(line: list[Span]) -> Line:
    """A line without the space at its end, neighbours of one style as one."""
    while line and not line[-1].text.strip():
        line.pop()
    if line:
        line[-1] = Span(line[-1].text.rstrip(), line[-1].style)
    return tuple([Span("".join([span.text for span in run]), style) for style, run in groupby(line, _style)])


def _style(span: Span) -> Style:
    return span.style


def _pieces(span: Span) -> list[Span]:
    """A span that is wider than a line, cut."""
    if span.width <= WIDEST:
        return [span]
    pieces: list[Span] = []
    text = ""
    for character in span.text:
        if text and Span(text + character, span.style).width > WIDEST:
            pieces.append(Span(text, span.style))
            text = ""
            if len(pieces) == MOST_LINES:
                break
        text += character
    return [*pieces, Span(text, span.style)] if text else pieces
