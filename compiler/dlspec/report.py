"""Summaries of networks as tables, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from dlspec.analyses.cost import Cost, causal_macs, idle_macs, sum_of
from dlspec.analyses.report import Row, Summary
from dlspec.analyses.written import number, scaled, written_value
from dlspec.ir.dims import Dim, symbols
from dlspec.ir.types import TensorType, format_shape
from dlspec.render import Paint, columns, printable
from dlspec.tables import GAP, NARROWEST, cut, natural, padded, shortened, total, wrapped

if TYPE_CHECKING:
    from dlspec.backends.diagram.scene import Box

Format: TypeAlias = Literal["table", "json", "markdown", "csv"]

_LAYER_HEADS = ("Layer", "Operator", "Output", "Params", "MACs", "FLOPs")
_NETWORK_HEADS = ("Network", "Inputs", "Outputs", "Params", "MACs", "FLOPs", "Weights", "Peak")
_TEXT_COLUMNS = 3  # the first columns of both tables are text, the others numbers
_CUT = {"Layer": (1, 2, 0), "Network": (1, 2)}
"""The columns of text that are cut where there is no room, in this order."""

_DISPENSABLE = ("FLOPs", "Outputs", "Inputs", "Output", "Peak", "Weights", "Operator", "MACs")
"""The columns that are left out where there is no room, in this order."""

_READABLE = 160

_Cell: TypeAlias = "str | Dim"
_Row: TypeAlias = Sequence[_Cell]


def megabytes(dim: Dim) -> str:
    """``102.2 MB``, where 1 MB is 10^6 bytes."""
    return f"{dim / 10**6:,.4g} MB" if isinstance(dim, int) else f"{dim} bytes"


def both_megabytes(dim: Dim) -> str:
    """``102.2 MB (97.49 MiB)``: MB is 10^6 bytes, MiB 2^20."""
    return f"{megabytes(dim)} ({dim / 2**20:,.4g} MiB)" if isinstance(dim, int) else megabytes(dim)


def signature(summary: Summary) -> str:
    """``ResNet50(image: float[N, 3, H = 224, W = 224]) -> logits: float[N, 1000]``, in the network's own symbols."""
    graph = summary.graph
    inputs: list[str] = []
    given: set[str] = set()
    for value in graph.inputs:
        axes: list[str] = []
        for size in value.type.shape:
            default = graph.symbols.get(str(size))
            axes.append(str(size) if default is None or str(size) in given else f"{size} = {default}")
            given.add(str(size))
        inputs.append(f"{value.name}: {str(value.type).partition('[')[0]}[{', '.join(axes)}]")
    outputs = [f"{o.name}: {o.value.type}" + (" (training)" if o.training else "") for o in graph.outputs]
    return f"{graph.name}({', '.join(inputs)}) -> {', '.join(outputs)}"


def facts(summary: Summary) -> list[tuple[str, str]]:
    """What stands under the table of layers: name and text."""
    graph, own, memory = summary.graph, summary.costs.total, summary.memory
    found: list[tuple[str, str]] = [("Signature", signature(summary))]
    if graph.settings:
        settings = [f"{name} = {written_value(value)}" for name, value in graph.settings.items()]
        found.append(("Settings", ", ".join(settings)))
    if graph.conditions:
        found.append(("Needs", ", ".join(map(str, graph.conditions))))
    sizes = [f"{name} = {size}" for name, size in summary.counted.items()]
    if sizes:
        found.append(("Counted with", ", ".join(sizes)))
    at = f" at {memory.peak_node.name}" if memory.peak_node else ""
    peak = f"{both_megabytes(memory.peak)} at inference{at}"
    if len(peak) > _READABLE:
        peak = f"a maximum over {', '.join(sorted(symbols(memory.peak)))}: give sizes for a number"
    causal = causal_macs(graph, summary.counted)
    half = f"{number(causal)} MACs, in full; with half of them the MACs are {number(own.macs - causal // 2)}"
    idle = idle_macs(graph, summary.counted)
    chosen = f"the chosen ones; with all for each token the MACs are {number(own.macs + idle)}"
    frozen = f", {number(summary.frozen)} of them frozen" if summary.frozen else ""
    return [
        *found,
        ("Params", f"{number(own.params)}, {both_megabytes(memory.weights)}{frozen}"),
        ("Buffers", f"{number(own.buffers)} elements, {both_megabytes(memory.buffers)}"),
        ("MACs", f"{number(own.macs)}" + (f", {scaled(own.macs, 'MACs')}" if isinstance(own.macs, int) else "")),
        *([("Causal attention", half)] if causal != 0 else []),
        *([("Experts", chosen)] if idle != 0 else []),
        ("FLOPs", f"{number(own.flops)}" + (f", {scaled(own.flops, 'FLOPs')}" if isinstance(own.flops, int) else "")),
        ("Peak activations", peak),
    ]


def as_json(summaries: Sequence[Summary], depth: int | None = None) -> str:
    """One object for one network; for several a list of objects without layers."""
    if len(summaries) == 1:
        return json.dumps(summaries[0].to_json(depth), indent=2)
    return json.dumps([summary.to_json(layers=False) for summary in summaries], indent=2)


def as_csv(summaries: Sequence[Summary], depth: int | None = None) -> str:
    """Numbers without separators, sizes in square brackets, under a line of names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if len(summaries) == 1:
        writer.writerow(("path", "op", "output_shape", "params", "macs", "flops"))
        for row in summaries[0].rows(depth):
            shape = format_shape(row.outputs[0].shape)
            writer.writerow((_cell(row.path), _cell(row.op), shape, row.cost.params, row.cost.macs, row.cost.flops))
    else:
        writer.writerow(("network", *summaries[0].totals))
        writer.writerows((summary.graph.name, *summary.totals.values()) for summary in summaries)
    return text.getvalue().removesuffix("\n")


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    text = printable(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def as_markdown(summaries: Sequence[Summary], depth: int | None = None) -> str:
    heads, rows = _cells(summaries, depth, tree=False)
    rule = ["---" if index < _TEXT_COLUMNS else "---:" for index in range(len(heads))]
    lines = [_markdown_row(cells) for cells in (heads, rule, *map(_written, rows))]
    if len(summaries) == 1:
        lines += ["", *(f"- {name}: {_code(text)}" for name, text in facts(summaries[0]))]
    return "\n".join(lines)


def as_table(
    summaries: Sequence[Summary],
    depth: int | None = None,
    tree: bool = False,
    colour: bool = False,
    width: int | None = None,
) -> str:
    """A table for people, no wider than ``width`` columns: operators are cut short, as they say the least; then numbers
    are rounded and other texts cut; then columns are left out, which is said below."""
    paint = Paint(colour)
    heads, rows = _cells(summaries, depth, tree)
    shown, left_out = _fitted(heads, rows, width, tree)
    lines = [paint(shown[0], "bold"), "-" * max(map(columns, shown)), *shown[1:]]
    texts = facts(summaries[0]) if len(summaries) == 1 else []
    if left_out:
        texts.append(("Left out", f"{', '.join(left_out)}, for which {width} columns have no room"))
    return "\n".join([*lines, *[""] * bool(texts), *_paragraphs(texts, paint, width)])


def _fitted(
    heads: Sequence[str], rows: Sequence[_Row], width: int | None, tree: bool
) -> tuple[list[str], Sequence[str]]:
    """The lines of a table, heads first, and the columns that had no room in it."""
    exact = [heads, *map(_written, rows)]
    if width is None:
        return _lines(exact, natural(exact), tree), ()
    rounded = [heads, *map(_rounded, rows)]
    for cells, least_told in ((exact, (1,)), (rounded, (1,)), (rounded, _CUT[heads[0]])):
        widths = cut(natural(cells), least_told, width)
        if total(widths) <= width:
            return _lines(cells, widths, tree), ()
    left_out: list[str] = []
    for head in (head for head in _DISPENSABLE if head in heads):
        left_out.append(head)
        widths[heads.index(head)] = -GAP
        if total(widths) <= width:
            break
    return _lines(rounded, cut(widths, (0,), width), tree), left_out


def _lines(rows: Sequence[Sequence[str]], widths: Sequence[int], tree: bool) -> list[str]:
    return [
        (" " * GAP)
        .join(
            padded(shortened(cell, width, index == 0 and not tree), width, index >= _TEXT_COLUMNS)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            if width > 0
        )
        .rstrip()
        for row in rows
    ]


def _paragraphs(texts: Sequence[tuple[str, str]], paint: Paint, width: int | None) -> Iterator[str]:
    """Names, and beside each its text in lines."""
    widest = max((len(name) for name, _ in texts), default=0)
    room = None if width is None else max(width - widest - GAP, NARROWEST)
    for name, text in texts:
        first, *more = wrapped(printable(text), room)
        yield f"{paint(f'{name:<{widest}}', 'bold')}{' ' * GAP}{first}"
        yield from (" " * (widest + GAP) + line for line in more)


def html(summary: Summary, picture: str = "") -> str:
    """For notebooks, in the colours of what is around: layers folded to blocks, then the totals, below a picture, which is
    HTML or SVG."""
    style = (Path(__file__).parent / "notebook.css").read_text(encoding="utf-8")
    head = "".join(f"<span>{escape(text)} </span>" for text in _LAYER_HEADS)
    rows = "".join(_foldable(list(_boxes(summary, None))))
    texts = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in facts(summary))
    above = f'<div class="picture">{picture}</div>' if picture else ""
    layers = f'<div class="layers"><div class="row heads">{head}</div>{rows}</div>'
    return f'<div class="dlspec"><style>{style}</style>{above}{layers}<table>{texts}</table></div>'


def _foldable(rows: Sequence[tuple[int, _Row]]) -> Iterator[str]:
    """Rows as HTML, those of deeper levels within the row above them, folded."""
    open_blocks = 0
    for index, (level, row) in enumerate(rows):
        yield "</details>" * (open_blocks - level)
        following = rows[index + 1][0] if index + 1 < len(rows) else 0
        cells = "".join(f"<span>{escape(cell)} </span>" for cell in _written(row))
        attributes = f'class="row" style="--level: {level}"' if level else 'class="row"'
        is_block = following > level
        yield f"<details><summary {attributes}>{cells}</summary>" if is_block else f"<div {attributes}>{cells}</div>"
        open_blocks = level + is_block
    yield "</details>" * open_blocks


def _cells(summaries: Sequence[Summary], depth: int | None, tree: bool) -> tuple[Sequence[str], list[_Row]]:
    """Heads and rows: the layers of one network, or a line for each of several."""
    if len(summaries) == 1:
        cells = _tree_cells(summaries[0], depth) if tree else map(_layer_cells, summaries[0].rows(depth))
        return _LAYER_HEADS, list(cells)
    return _NETWORK_HEADS, [_network_cells(summary) for summary in summaries]


def _layer_cells(row: Row) -> _Row:
    op = f"{row.op} (training)" if row.training else row.op
    return printable(row.path), printable(op), _shapes(row.outputs), *_costs(row.cost)


def _tree_cells(summary: Summary, depth: int | None) -> Iterator[_Row]:
    for level, (name, *others) in _boxes(summary, depth):
        yield (f"{'  ' * level}{name}", *others)


def _boxes(summary: Summary, depth: int | None) -> Iterator[tuple[int, _Row]]:
    """The boxes of a picture with their levels, folded as `dlspec draw` folds: what is repeated stands once, with its
    count."""
    from dlspec.backends.diagram.building import build_scene

    stack: list[tuple[Box, int]] = [(build_scene(summary.graph, summary, depth=depth).root, -1)]
    while stack:
        box, level = stack.pop()
        if box.kind in ("op", "arithmetic", "block", "repeat", "scan"):
            op = f"{box.name}({', '.join(box.arguments)})" if box.arguments else box.name
            op += f" x{box.count}" * (box.count > 1) + " (training)" * box.training
            around = len(box.path) - len(box.title or box.path.rpartition(".")[2])
            first, last = box.path[around:], (box.turns[-1] if box.turns else box.path)[around:]
            name = first if first == last else f"{first} .. {last}"
            shapes = _shapes(port.type for port in box.outputs)
            yield level, (printable(name), printable(op), shapes, *_costs(_of_all_turns(summary, box)))
        if box.open:
            stack += [(child, level + 1) for child in reversed(box.children)]


def _of_all_turns(summary: Summary, box: Box) -> Cost:
    return sum_of([summary.costs.nodes[node] for inner in box.walk() for node in inner.nodes])


def _shapes(types: Iterable[TensorType]) -> str:
    return " ".join(format_shape(type.shape) for type in types)


def _costs(cost: Cost) -> list[_Cell]:
    return [dim if dim != 0 else "" for dim in (cost.params, cost.macs, cost.flops)]


def _written(row: _Row) -> Sequence[str]:
    return [cell if isinstance(cell, str) else number(cell) for cell in row]


def _rounded(row: _Row) -> Sequence[str]:
    return [cell if isinstance(cell, str) else scaled(cell, "", digits=3).rstrip() for cell in row]


def _network_cells(summary: Summary) -> _Row:
    graph, own = summary.graph, summary.costs.total
    inputs = [summary.type(value.type) for value in graph.inputs]
    outputs = [summary.type(output.value.type) for output in graph.outputs if not output.training]
    return (
        graph.name,
        " ".join(map(str, inputs)),
        " ".join(map(str, outputs)),
        own.params,
        own.macs,
        own.flops,
        megabytes(summary.memory.weights),
        megabytes(summary.memory.peak),
    )


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(text: str) -> str:
    """A text that Markdown shows as it is. A bracket means something only where another or a parenthesis follows."""
    marked = re.sub(r"[\\`*_~|]|\](?=[(\[:])", r"\\\g<0>", printable(text))
    return escape(marked, quote=False)


def _code(text: str) -> str:
    """A text in backquotes where it has brackets, and more of them around it than stand in it."""
    if "[" not in text and "%" not in text:
        return _escaped(text)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence, space = "`" * (longest + 1), " " * (longest > 0)
    return f"{fence}{space}{printable(text)}{space}{fence}"
