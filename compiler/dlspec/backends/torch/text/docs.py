"""What generated code says of itself: docstrings, shapes, and the checks of sizes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable
from pathlib import PurePath

from dlspec.analyses.report import totals
from dlspec.backends.torch.classes.resolve import Class
from dlspec.backends.torch.plans.plan import Plan, Slot
from dlspec.backends.torch.python import names
from dlspec.backends.torch.python.layout import INDENT, WIDTH, string
from dlspec.ir.condition import Condition
from dlspec.ir.dims import Dim, Expr
from dlspec.ir.graph import Graph
from dlspec.ir.node import Value
from dlspec.ir.types import TensorType, format_shape


def printable(text: str) -> str:
    """Text of a spec inside a docstring: nothing in it can end the docstring or a line."""
    plain = "".join(c if c == "\n" or c.isprintable() else " " for c in text)
    return plain.replace("\\", "/").replace('"', "'")


def docstring(paragraphs: list[list[str]], depth: int = 1) -> list[str]:
    """The lines of a docstring, and an empty one after that of a class."""
    indent, after = INDENT * depth, [""] if depth == 1 else []
    lines = [line.rstrip() for lines in paragraphs for line in [*lines, ""]]
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) == 1 and len(indent) + len(lines[0]) + 6 <= WIDTH:
        return [f'{indent}"""{lines[0]}"""', *after]
    head = f'{indent}"""{lines[0]}'
    return [head, *(f"{indent}{line}" if line else "" for line in lines[1:]), f'{indent}"""', *after]


def block_doc(made: Class) -> list[str]:
    """The comment that stands above the block in the spec."""
    if made.modules[0].scope.kind == "level" or not made.doc.strip():
        return []
    return docstring([wrapped(made.doc)])


def wrapped(text: str, hanging: str = "", width: int = WIDTH - 10) -> list[str]:
    """Text of a spec in lines, those after the first behind ``hanging``."""
    return textwrap.wrap(" ".join(printable(text).split()), width, subsequent_indent=hanging) or [""]


def network_doc(graph: Graph, made: Class) -> list[str]:
    """What a network takes and gives, what it costs, and where it comes from."""
    sizes = graph.default_sizes()
    total = totals(graph, sizes)
    title = wrapped(made.doc) if made.doc.strip() else [f"The network {graph.name}."]
    entries = [entry("Input", value.name, value.type) for value in graph.inputs]
    for output in graph.outputs:
        note = ", in training only" if output.training else ""
        entries.append(entry("Output", output.name, output.value.type) + note)
    conditions = [str(condition) for condition in graph.conditions]
    if conditions:
        entries += textwrap.wrap(f"Sizes: {', '.join(conditions)}", WIDTH - 8, subsequent_indent="    ")
    at = ", ".join(f"{name}={size}" for name, size in sizes.items() if name in graph.symbols)
    costs = [f"{_count(total['params'])} params, {_count(total['macs'])} MACs" + (f" at {at}" if at else "")]
    place = f"Generated from the network {graph.name} of {PurePath(graph.root.span.source.name).name}."
    if any(output.training for output in graph.outputs):
        costs.append("In training mode all outputs are returned, as a tuple.")
    return docstring([title, entries, costs, [place]])


def entry(kind: str, name: str, type: TensorType) -> str:
    return f"{kind}: {name}, {type.dtype.label} {format_shape(type.shape)}"


def _count(number: Dim) -> str:
    return f"{number:,}" if isinstance(number, int) else str(number)


def shapes(plan: Plan) -> Callable[[Slot], str | None]:
    """The shape of a result as the network's symbols say it."""

    def shape(slot: Slot) -> str | None:
        type = plan.types.get(slot)
        return format_shape(type.shape) if type is not None and type.rank > 1 else None

    return shape


def checks(graph: Graph, inputs: Iterable[tuple[str, Value]]) -> list[str]:
    """Statements that refuse sizes the network does not take, as far as its ``inputs`` show them, each with its name.

    They are not traced: a compiled graph has its own guards.
    """
    inputs = list(inputs)
    known = {str(size) for _, value in inputs for size in value.type.shape}
    conditions = [condition for condition in graph.conditions if known.issuperset(condition.symbols)]
    if not conditions:
        return []
    wanted = {name for condition in conditions for name in condition.symbols}
    lines: list[str] = []
    for name, value in inputs:
        plain = ((str(size), axis) for axis, size in enumerate(value.type.shape) if isinstance(size, Expr))
        axes = {name: axis for name, axis in plain if name in graph.symbols}
        found = {symbol: axis for symbol, axis in axes.items() if symbol in wanted}
        wanted -= found.keys()
        lines += _reading(name, found, value.type.rank)
    tests = [_negated(condition) for condition in conditions]
    needs = " and ".join(map(str, conditions))
    one = [f"if {' or '.join(tests)}:", f"{INDENT}{_raise(graph, needs, conditions)}"]
    if len(tests) > 1 and max(map(len, one)) + 12 > WIDTH:
        lines += [
            line
            for test, condition in zip(tests, conditions, strict=True)
            for line in (f"if {test}:", f"{INDENT}{_raise(graph, str(condition), (condition,))}")
        ]
    else:
        lines += one
    inner = [f"{INDENT * 3}{line}" for line in lines]
    return [f"{INDENT * 2}if not torch.compiler.is_compiling():", *inner]


def _reading(name: str, found: dict[str, int], rank: int) -> list[str]:
    axes = list(found.values())
    if len(axes) > 1 and axes == list(range(axes[0], rank)):
        return [f"{', '.join(map(names.variable, found))} = {name}.shape[{axes[0]}:]"]
    return [f"{names.variable(symbol)} = {name}.shape[{axis}]" for symbol, axis in found.items()]


def _raise(graph: Graph, needs: str, conditions: Iterable[Condition]) -> str:
    message = f"{graph.name} needs {needs}"
    values = ", ".join(
        f"{name} = {{{names.variable(name)}}}" for name in sorted({n for c in conditions for n in c.symbols})
    )
    candidates = [f"raise ValueError(f{string(f'{message}, not {values}')})", f"raise ValueError({string(message)})"]
    short = f"raise ValueError({string(f'{graph.name} does not take this size')})"
    return next((line for line in candidates if len(line) + 16 <= WIDTH), short)


def _negated(condition: Condition) -> str:
    """The opposite of a condition as people write it."""
    text = str(condition)
    for name in condition.symbols:
        if names.variable(name) != name:
            text = re.sub(rf"\b{name}\b", names.variable(name), text)
    for yes, no in ((" == ", " != "), (" >= ", " < "), (" <= ", " > "), (" in ", " not in ")):
        if text.count(yes) == 1:
            return text.replace(yes, no)
    raise AssertionError(text)
