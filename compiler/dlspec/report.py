"""Summaries of networks as tables, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Literal, TypeAlias

from dlspec.analyses.cost import Cost, causal_macs, idle_macs, sum_of
from dlspec.analyses.report import Row, Summary
from dlspec.analyses.written import number, scaled, written_value
from dlspec.ir.dims import Dim, symbols
from dlspec.ir.types import TensorType, format_shape
from dlspec.render import Paint, printable

if TYPE_CHECKING:
    from dlspec.backends.diagram.scene import Box

Format: TypeAlias = Literal["table", "json", "markdown", "csv"]

_LAYER_HEADS = ("Layer", "Operator", "Output", "Params", "MACs", "FLOPs")
_NETWORK_HEADS = ("Network", "Inputs", "Outputs", "Params", "MACs", "FLOPs", "Weights", "Peak")
_TEXT_COLUMNS = 3  # the first columns of both tables are text, the others numbers
_GAP = 2
_READABLE = 160
_NARROWEST = 12


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
    return [
        *found,
        ("Params", f"{number(own.params)}, {both_megabytes(memory.weights)}"),
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
    lines = [_markdown_row(cells) for cells in (heads, rule, *rows)]
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
    """A table for people. In a ``width`` that is too small the operators are cut short, as they say the least."""
    paint = Paint(colour)
    heads, rows = _cells(summaries, depth, tree)
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    excess = sum(widths) + _GAP * (len(widths) - 1) - width if width else 0
    widths[1] = max(widths[1] - max(excess, 0), min(widths[1], _NARROWEST))
    lines = [paint(_line(heads, widths), "bold"), "-" * (sum(widths) + _GAP * (len(widths) - 1))]
    lines += [_line(row, widths) for row in rows]
    if len(summaries) == 1:
        names = facts(summaries[0])
        widest = max(len(name) for name, _ in names)
        lines += ["", *(f"{paint(f'{name:<{widest}}', 'bold')}  {printable(text)}" for name, text in names)]
    return "\n".join(lines)


def html(summary: Summary, picture: str = "") -> str:
    """A table for notebooks, below a picture, which is HTML or SVG."""
    heads, rows = _cells([summary], None, tree=False)
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    texts = "<br>".join(f"<b>{escape(name)}</b> {escape(text)}" for name, text in facts(summary))
    above = f'<div style="max-height: 40em; overflow: auto">{picture}</div>' if picture else ""
    return f"{above}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{texts}</p>"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    shown: list[str] = []
    for index, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        if len(cell) > width:
            cell = f"{cell[: width - 3]}..."
        shown.append(cell.ljust(width) if index < _TEXT_COLUMNS else cell.rjust(width))
    return (" " * _GAP).join(shown).rstrip()


def _cells(summaries: Sequence[Summary], depth: int | None, tree: bool) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Heads and rows: the layers of one network, or a line for each of several."""
    if len(summaries) == 1:
        cells = _tree_cells(summaries[0], depth) if tree else map(_layer_cells, summaries[0].rows(depth))
        return _LAYER_HEADS, list(cells)
    return _NETWORK_HEADS, [_network_cells(summary) for summary in summaries]


def _layer_cells(row: Row) -> Sequence[str]:
    op = f"{row.op} (training)" if row.training else row.op
    return printable(row.path), printable(op), _shapes(row.outputs), *_costs(row.cost)


def _tree_cells(summary: Summary, depth: int | None) -> Iterator[Sequence[str]]:
    """The boxes of a picture, folded as `dlspec draw` folds: what is repeated stands once, with its count."""
    from dlspec.backends.diagram.building import build_scene

    stack: list[tuple[Box, int]] = [(build_scene(summary.graph, summary, depth=depth).root, -1)]
    while stack:
        box, level = stack.pop()
        if box.kind in ("op", "block", "repeat", "scan"):
            op = f"{box.name}({', '.join(box.arguments)})" if box.arguments else box.name
            op += f" x{box.count}" * (box.count > 1) + " (training)" * box.training
            first, last = (path.rpartition(".")[2] for path in (box.path, box.turns[-1] if box.turns else box.path))
            name = first if first == last else f"{first} .. {last}"
            yield (
                "  " * level + printable(name),
                printable(op),
                _shapes(port.type for port in box.outputs),
                *_costs(_of_all_turns(summary, box)),
            )
        if box.open:
            stack += [(child, level + 1) for child in reversed(box.children)]


def _of_all_turns(summary: Summary, box: Box) -> Cost:
    return sum_of([summary.costs.nodes[node] for inner in box.walk() for node in inner.nodes])


def _shapes(types: Iterable[TensorType]) -> str:
    return " ".join(format_shape(type.shape) for type in types)


def _costs(cost: Cost) -> list[str]:
    return [number(dim) if dim != 0 else "" for dim in (cost.params, cost.macs, cost.flops)]


def _network_cells(summary: Summary) -> Sequence[str]:
    graph, own = summary.graph, summary.costs.total
    inputs = [summary.type(value.type) for value in graph.inputs]
    outputs = [summary.type(output.value.type) for output in graph.outputs if not output.training]
    return (
        graph.name,
        " ".join(map(str, inputs)),
        " ".join(map(str, outputs)),
        number(own.params),
        number(own.macs),
        number(own.flops),
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
