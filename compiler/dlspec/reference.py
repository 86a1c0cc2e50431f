"""What a spec can call: the built-in layers, functions and distributions, as text, as Markdown and as JSON.

Everything comes from the classes: signatures from fields, prose from docstrings.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from dlspec.docstrings import docstring
from dlspec.elaborate import distributions
from dlspec.ir.fields import Field, describe
from dlspec.ir.op import Op
from dlspec.ops import FUNCTIONS, OPERATORS

_STOCHASTIC = """Values that stand for formulas: what is asked of one becomes ordinary operators where it is asked. Names,
arguments and formulas are those of ``torch.distributions``."""

_HEAD = """# Operators

What `dlspec ops` shows, on one page: `make reference` writes it from the classes, and a test says when it is old.

A layer is called in a chain and its first tensor flows in; a function takes all its tensors, then its arguments. Names,
arguments and defaults are those of PyTorch. *ONNX* tells which operator it is there, if it is one; where it says "written
out" or "left out" the model has other nodes instead, or none.
"""


class Entry(NamedTuple):
    """One thing to call: the ``names`` it goes by, how it is called by each, and what there is to know of it.

    ``more`` are further names and the counterpart in PyTorch, a sentence each; ``facts`` what programs read.
    """

    title: str
    family: str
    names: tuple[str, ...]
    signatures: tuple[str, ...]
    more: tuple[str, ...]
    doc: str
    fields: tuple[Field, ...]
    facts: dict[str, Any]

    @property
    def summary(self) -> str:
        """The first line of the documentation, without its source."""
        return self.doc.partition("\n")[0].partition(" ONNX: ")[0]

    @property
    def arguments(self) -> Iterator[tuple[str, str, str]]:
        """Name, what it takes, and its default, empty where there is none."""
        for field in self.fields:
            takes = field.expected + (" or none" if field.optional else "")
            yield field.name, takes, "" if field.required else describe(field.default)

    def text(self) -> str:
        lines = [*self.signatures, *self.more, "", self.doc]
        rows = list(self.arguments)
        if rows:
            width = max(len(name) for name, _, _ in rows)
            lines += ["", "Arguments"]
            lines += [
                f"  {name:<{width}}  {takes}{default and f'; {default} unless told'}" for name, takes, default in rows
            ]
        return "\n".join(lines)

    def markdown(self) -> str:
        lines = [f"### {self.title}", "", "```text", *self.signatures, "```", "", *map(_escaped, self.more)]
        lines += ["", _linked(_escaped(self.doc))] if self.more else [_linked(_escaped(self.doc))]
        rows = list(self.arguments)
        if rows:
            lines += ["", "| argument | takes | default |", "|---|---|---|"]
            lines += [
                f"| `{name}` | {_escaped(takes)} | {default and f'`{default}`'} |" for name, takes, default in rows
            ]
        return "\n".join(lines)


def entries() -> list[Entry]:
    """Everything that has a name, by family."""
    return [*filter(lambda entry: entry.names, map(of_operator, OPERATORS)), *stochastic().values()]


def of_operator(operator: type[Op]) -> Entry:
    layers = [operator.__name__, *(name for name, _ in operator.pinned)] if operator.layer else []
    names = (*layers[:1], *filter(None, [operator.function]))
    more: list[str] = []
    if len(layers) > 1:
        more.append(f"Also {', '.join(layers[1:])}, which pin the number of spatial axes.")
    if operator.aliases:
        more.append(f"Also {', '.join(operator.aliases)}.")
    if operator.torch:
        more.append(f"In PyTorch: {_torch_names(operator.torch)}")
    doc, family = docstring(operator), operator.__module__.rpartition(".")[2]
    made = Entry(
        " and ".join(names), family, names, tuple(_signature(operator, name) for name in names), tuple(more), doc,
        operator.fields, {},
    )  # fmt: skip
    arguments = [
        {"name": field.name, "takes": takes, "required": field.required, "default": default or None}
        for field, (_, takes, default) in zip(operator.fields, made.arguments, strict=True)
    ]
    facts = {
        "name": operator.__name__,
        "family": family,
        "layers": layers,
        "function": operator.function,
        "aliases": list(operator.aliases),
        "tensors": list(operator.tensors),
        "arguments": arguments,
        "torch": _torch_names(operator.torch) if operator.torch else None,
        "summary": made.summary,
        "doc": doc,
    }
    return made._replace(facts=facts)


def stochastic() -> dict[str, Entry]:
    """Distributions and what they are asked, but for what is a function of tensors too."""
    known = distributions.DISTRIBUTIONS | distributions.FUNCTIONS
    return {name: _of_distribution(name, entry) for name, entry in known.items() if name not in FUNCTIONS}


def _of_distribution(name: str, entry: distributions.Entry) -> Entry:
    signature, doc = entry.signature(name), docstring(entry.documented)
    made = Entry(name, "distributions", (name,), (signature,), (), doc, (), {})
    facts = {"name": name, "family": made.family, "signature": signature, "summary": made.summary, "doc": doc}
    return made._replace(facts=facts)


def overview(known: Iterable[Entry]) -> str:
    """A line for each, by family."""
    rows = [(entry.family, ", ".join(entry.names), entry.summary) for entry in known]
    width = max(len(names) for _, names, _ in rows)
    lines: list[str] = []
    for family, members in groupby(rows, lambda row: row[0]):
        lines += [family, *(f"  {names:<{width}}  {summary}" for _, names, summary in members), ""]
    return "\n".join([*lines, "`dlspec ops NAME` shows one."])


def page(known: Iterable[Entry]) -> str:
    """All on one page of Markdown."""
    families = {family: list(members) for family, members in groupby(known, lambda entry: entry.family)}
    contents = [
        f"- [{family}](#family-{family}): {', '.join(f'`{name}`' for entry in members for name in entry.names)}"
        for family, members in families.items()
    ]
    parts = [_HEAD, "\n".join(contents)]
    for family, members in families.items():
        parts.append(f"\n## Family: {family}\n\n{_escaped(_of_family(family))}")
        parts += [f"\n{entry.markdown()}" for entry in members]
    return "\n".join(parts) + "\n"


def _of_family(family: str) -> str:
    module = sys.modules.get(f"dlspec.ops.{family}")
    return (module and docstring(module)) or _STOCHASTIC


def _signature(operator: type[Op], name: str) -> str:
    """As a layer, whose first tensor flows in, or as a function of all its tensors."""
    tensors = list(operator.tensors)
    if name != operator.function and not tensors[0].startswith("*"):
        tensors = tensors[1:]
    elif name != operator.function:
        tensors = []
    shown = [f"{tensor.removesuffix('?')}=none" if tensor.endswith("?") else tensor for tensor in tensors]
    shown += [_shown(field, operator) for field in operator.fields]
    if operator.torch_order and name == operator.function:
        shown.sort(key=lambda each: operator.torch_order.index(each.partition("=")[0]))
    return f"{name}({', '.join(shown)})"


def _shown(field: Field, operator: type[Op]) -> str:
    if field.name == operator.more:
        return f"**{field.name}"
    return field.name if field.required else f"{field.name}={describe(field.default)}"


def _torch_names(name: str) -> str:
    """``Conv{n}d`` stands for three classes."""
    classes = [name.replace("{n}", str(n)) for n in (1, 2, 3)] if "{n}" in name else [name]
    return ", ".join(f"torch.nn.{each}" for each in classes)


def _escaped(text: str) -> str:
    """A docstring as Markdown: what stands outside of backticks is text."""
    parts = re.split(r"(``.+?``|`.+?`)", text)
    return "".join(part if index % 2 else re.sub(r"([*<])", r"\\\1", part) for index, part in enumerate(parts))


def _linked(text: str) -> str:
    """With links from the operators of ONNX to their documentation."""

    def linked(sentence: re.Match[str]) -> str:
        to = r"[\g<0>](https://onnx.ai/onnx/operators/onnx__\g<0>.html)"
        return f"*ONNX*: {re.sub(r'[A-Z][A-Za-z]+', to, sentence[1])}"

    return re.sub(r"ONNX: ([^.]*)", linked, text)
