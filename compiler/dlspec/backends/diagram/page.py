"""A network as one HTML page that is looked through: blocks open and close, boxes tell all that is known of them.

The page is a template, a style sheet and a script (`page/`), with the scene as JSON between. Texts of the spec are in that
JSON only, and the script puts them into the page as text. It needs no network, and its Content-Security-Policy allows it
none.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Literal, TypeAlias

from dlspec.analyses.report import Summary
from dlspec.analyses.written import number, scaled
from dlspec.backends.diagram.about import About
from dlspec.backends.diagram.blocks import folded_size, head_size, lay_out_each
from dlspec.backends.diagram.engine import Engine
from dlspec.backends.diagram.looks import BOLD, PADDING_Y, SIZES, Line, Look, head, line_width, look, shape_line
from dlspec.backends.diagram.pieces import STACK, Laid
from dlspec.backends.diagram.scene import Box, Scene
from dlspec.backends.diagram.theme import HUES, THEMES, Theme
from dlspec.backends.spread import Spread
from dlspec.ir.types import format_shape

Json: TypeAlias = dict[str, Any]

LABELS = {
    "conv": "convolution", "linear": "linear, matrix", "matrix": "linear, matrix", "embedding": "linear, matrix",
    "norm": "normalisation", "activation": "activation", "softmax": "activation", "pooling": "pooling, reduction, resizing",
    "reduce": "pooling, reduction, resizing", "resize": "pooling, reduction, resizing", "combine": "joins, arithmetic",
    "elementwise": "joins, arithmetic", "block": "block",
}  # fmt: skip
"""What the legend calls a family; those with one hue have one name. The rest, in grey, is not in the legend."""


def page(
    scene: Scene,
    *,
    theme: Literal["light", "dark"] | None = None,
    tensors: Mapping[str, Spread] | None = None,
) -> str:
    """The page of a scene, its blocks open as they are there, or as deep as fits the window where nobody said how. The
    same scene gives the same text.

    ``theme`` None follows the reader's system; ``tensors`` are the values of weights, by path. Raises `EngineError`.
    """
    return wrap_page({**page_data(scene, tensors), "theme": theme})


def wrap_page(data: Json, live: bool = False) -> str:
    """The page around its data. A ``live`` one may ask the server that it comes from, see `live`."""
    style, script = _part("page.css") + _colours(), "\n".join(map(_part, _SCRIPTS))
    policy = [
        "default-src 'none'", f"script-src '{_hash(script)}'", f"style-src '{_hash(style)}'", "img-src data:",
        "base-uri 'none'", "form-action 'none'", *(["connect-src 'self'"] if live else []),
    ]  # fmt: skip
    return Template(_part("page.html")).substitute(
        policy="; ".join(policy), title=escape(data["network"]), style=style, script=script, data=_in_script(data)
    )


def page_data(scene: Scene, tensors: Mapping[str, Spread] | None = None) -> Json:
    """What the page shows: the boxes, each distinct layout once, and what is told of each box and tensor. Raises
    `EngineError`."""
    boxes = list(scene.boxes())
    numbers = {box: index for index, box in enumerate(boxes)}
    with Engine() as engine:
        laid, alike = lay_out_each(boxes, engine)
    layouts: dict[str, int] = {}
    by_first = {box: layouts.setdefault(_layout(box, own), len(layouts)) for box, own in laid.items()}
    about = About(scene)
    return {
        "network": scene.graph.name,
        "fits": not scene.asked,
        "tensors": {path: spread._asdict() for path, spread in (tensors or {}).items()},
        "facts": _facts(scene.summary),
        "styles": SIZES,
        "padding": PADDING_Y,
        "stack": STACK,
        "families": LABELS,
        "layouts": [json.loads(text) for text in layouts],
        "boxes": [_box(box, numbers, by_first[alike[box]] if box in alike else None, about) for box in boxes],
    }


_SCRIPTS = (
    "places.js", "picture.js", "colours.js", "view.js", "panel.js", "address.js", "saving.js", "page.js",
)  # fmt: skip


def no_picture(name: str) -> Json:
    """The data of a page on which nothing could be drawn yet."""
    layout: Json = {"w": 0, "h": 0, "ins": [], "outs": [], "boxes": [], "edges": []}
    root: Json = {
        "id": "", "kind": "network", "path": "", "title": "", "name": name, "call": name, "family": "network",
        "count": 1, "turns": [], "open": True, "shapes": [], "children": [], "layout": 0,
    }  # fmt: skip
    return {
        "network": name, "facts": [], "styles": {}, "padding": 0, "stack": 0, "families": {}, "layouts": [layout],
        "boxes": [root],
    }  # fmt: skip


# Layouts


def _layout(box: Box, laid: Laid) -> str:
    """A layout as text, so that equal ones are found: places from the upper left corner, the head included."""
    numbers = {child: index for index, child in enumerate(box.children)}
    left = laid.shape.left
    corners: dict[Box, tuple[float, float]] = {}
    for child, (across, along) in laid.places.items():
        corners[child] = (across - folded_size(child, False)[0] / 2 + left, along)

    def along_side(end: Box | None, across: float) -> float:
        """How far along a side of a box a point is, from 0 to 1."""
        return 0.0 if end is None else round((across + left - corners[end][0]) / folded_size(end, False)[0], 4)

    edges: list[Json] = []
    for route in laid.routes:
        edge = route.edge
        port = None if edge.source is None else edge.source.outputs[edge.out]
        edges.append(
            {
                "source": None if edge.source is None else numbers[edge.source],
                "target": None if edge.target is None else numbers[edge.target],
                "out": edge.out,
                "into": edge.into,
                "leaves": along_side(edge.source, route.points[0][0]),
                "enters": along_side(edge.target, route.points[-1][0]),
                "points": [[x + left, y] for x, y in route.points],
                "main": edge.main,
                "training": edge.training,
                "fault": edge.fault,
                "text": _line(shape_line(port)) if port is not None and port.runs else None,
            }
        )
    return json.dumps(
        {
            "w": left + laid.shape.right,
            "h": laid.shape.length,
            "ins": [across + left for across in laid.shape.inputs or ()],
            "outs": [across + left for across in laid.shape.outputs],
            "boxes": [corners[child] for child in box.children],
            "edges": edges,
        }
    )


# Boxes


def _box(box: Box, numbers: Mapping[Box, int], layout: int | None, about: About) -> Json:
    size = folded_size(box, False)
    return {
        "id": box.id,
        "kind": box.kind,
        "path": box.path,
        "title": box.title,
        "name": box.name,
        "call": f"{box.name}({', '.join(box.arguments)})" if box.arguments else box.name,
        "family": box.family if box.family in HUES else "shape",
        "count": box.count,
        "turns": box.turns,
        "open": box.open,
        "training": box.training,
        "returns": box.returns,
        "message": box.message,
        "share": box.share or 0,
        "shapes": [format_shape(port.type.shape) for port in box.outputs],
        "look": {**_look(look(box)), "w": size[0], "h": size[1]},
        "head": {**_look(head(box)), "h": head_size(box)[1]},
        "children": [numbers[child] for child in box.children],
        "layout": layout,
        **about.measures(box),
        "info": about.info(box),
    }


def _look(shown: Look) -> Json:
    return {"lines": list(map(_line, shown.lines)), "bar": shown.bar}


def _line(line: Line) -> Json:
    """A line with its width: where the reader has other fonts, it is fitted into that."""
    return {"width": round(line_width(line), 1), "spans": [(span.text, span.style) for span in line]}


def _facts(summary: Summary) -> list[tuple[str, str]]:
    graph, own = summary.graph, summary.costs.total
    sizes = [f"{name} = {size}" for name, size in summary.counted.items()]
    return [
        ("Inputs", "\n".join(f"{value.name}: {summary.type(value.type)}" for value in graph.inputs)),
        ("Outputs", "\n".join(f"{output.name}: {summary.type(output.value.type)}" for output in graph.outputs)),
        ("Needs", ", ".join(map(str, graph.conditions))),
        ("Counted with", ", ".join(sizes)),
        ("Parameters", number(own.params)),
        ("MACs", scaled(own.macs, "MACs")),
        ("FLOPs", scaled(own.flops, "FLOPs")),
        ("Peak memory", scaled(summary.memory.peak, "B")),
    ]


# The file


def _part(name: str) -> str:
    return (Path(__file__).parent / "page" / name).read_text(encoding="utf-8")


def _in_script(data: Json) -> str:
    """JSON that ends no script and begins no comment in HTML, whatever its strings are."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _colours() -> str:
    """The colours of the families in both themes, and the weights of the text styles, as CSS."""
    return "\n".join(
        [*_theme(":root", THEMES["light"]), *_theme(':root[data-theme="dark"]', THEMES["dark"]), *_styles()]
    )


def _theme(where: str, theme: Theme) -> Iterator[str]:
    own = {"page": theme.background, "text": theme.text, "soft": theme.muted, "line": theme.line, "focus": theme.accent}
    own |= {"wrong": theme.fault, "ground": theme.ground(0), "ground-odd": theme.ground(1)}
    yield f"{where} {{ {' '.join(f'--{name}: {colour};' for name, colour in own.items())} }}"
    for name in HUES:
        yield f"{where} .f-{name} {{ --fill: {theme.fill(name)}; --stroke: {theme.border(name)}; }}"


def _styles() -> Iterator[str]:
    for style, size in SIZES.items():
        weight = "bold" if style in BOLD else "normal"
        yield f"#canvas .t-{style} {{ font-size: {size}px; font-weight: {weight}; }}"
