"""`dlspec ops`: the built-in layers, functions and distributions."""

from __future__ import annotations

import inspect
import json
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from dlspec.commands.arguments import Parser
from dlspec.commands.common import OK
from dlspec.commands.errors import CallError
from dlspec.diagnostics import did_you_mean
from dlspec.ir.fields import describe
from dlspec.ir.op import Op

if TYPE_CHECKING:
    from dlspec.elaborate.distributions import Entry


def declare(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME")
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(arguments: Namespace) -> int:
    from dlspec.ops import OPERATORS

    if arguments.name in _stochastic():
        print(_stochastic_page(arguments.name, arguments.format))
        return OK
    chosen = OPERATORS if arguments.name is None else _named(arguments.name)
    if arguments.format == "json":
        described = [described_operator(operator) for operator in chosen]
        print(json.dumps(described if arguments.name is None else described[0], indent=2))
    elif arguments.name is None:
        print(_overview(chosen))
    else:
        print("\n\n".join(_page(operator) for operator in chosen))
    return OK


def described_operator(operator: type[Op]) -> dict[str, Any]:
    """What there is to know of an operator."""
    return {
        "name": operator.__name__,
        "family": _family(operator),
        "layers": _layers(operator),
        "function": operator.function,
        "aliases": list(operator.aliases),
        "tensors": list(operator.tensors),
        "arguments": [
            {
                "name": field.name,
                "takes": field.expected + (" or none" if field.optional else ""),
                "required": field.required,
                "default": None if field.required else describe(field.default),
            }
            for field in operator.fields
        ],
        "torch": _torch_names(operator.torch) if operator.torch else None,
        "summary": _summary(operator),
        "doc": inspect.getdoc(operator) or "",
    }


def _named(name: str) -> tuple[type[Op], ...]:
    """The operators that go by a name. Raises `CallError`."""
    from dlspec.ops import FUNCTIONS, LAYERS

    if name in LAYERS:
        return (LAYERS[name][0],)
    if name in FUNCTIONS:
        return (FUNCTIONS[name],)
    hint = did_you_mean(name, [*LAYERS, *FUNCTIONS, *_stochastic()]) or "`dlspec ops` lists them"
    raise CallError(f"there is no layer or function `{name}`", hint)


def _stochastic() -> dict[str, Entry]:
    """Distributions and what they are asked, but for what is a function of tensors too."""
    from dlspec.elaborate import distributions
    from dlspec.ops import FUNCTIONS

    entries = distributions.DISTRIBUTIONS | distributions.FUNCTIONS
    return {name: entry for name, entry in entries.items() if name not in FUNCTIONS}


def _stochastic_page(name: str, format: str) -> str:
    entry = _stochastic()[name]
    signature, doc = entry.signature(name), inspect.getdoc(entry.documented) or ""
    if format == "json":
        summary = _summary(entry.documented)
        page = {"name": name, "family": "distributions", "signature": signature, "summary": summary, "doc": doc}
        return json.dumps(page, indent=2)
    return f"{signature}\n\n{doc}"


def _overview(operators: tuple[type[Op], ...]) -> str:
    families: dict[str, list[tuple[str, str]]] = {}
    for operator in operators:
        names = [*_layers(operator)[:1], *filter(None, [operator.function])]
        if names:  # what a declaration makes has no name to be called by
            families.setdefault(_family(operator), []).append((", ".join(names), _summary(operator)))
    families["distributions"] = [(name, _summary(entry.documented)) for name, entry in _stochastic().items()]
    width = max(len(names) for entries in families.values() for names, _ in entries)
    lines: list[str] = []
    for family, entries in families.items():
        lines += [family, *(f"  {names:<{width}}  {summary}" for names, summary in entries), ""]
    return "\n".join([*lines, "`dlspec ops NAME` shows one."])


def _page(operator: type[Op]) -> str:
    lines = [_signature(operator, name) for name in (*_layers(operator)[:1], *filter(None, [operator.function]))]
    if len(_layers(operator)) > 1:
        lines.append(f"Also {', '.join(_layers(operator)[1:])}, which pin the number of spatial axes.")
    if operator.aliases:
        lines.append(f"Also {', '.join(operator.aliases)}.")
    if operator.torch:
        lines.append(f"In PyTorch: {_torch_names(operator.torch)}")
    lines += ["", inspect.getdoc(operator) or ""]
    if operator.fields:
        width = max(len(field.name) for field in operator.fields)
        lines += ["", "Arguments"]
        for field in operator.fields:
            takes = field.expected + (" or none" if field.optional else "")
            default = "" if field.required else f"; {describe(field.default)} unless told"
            lines.append(f"  {field.name:<{width}}  {takes}{default}")
    return "\n".join(lines)


def _signature(operator: type[Op], name: str) -> str:
    """As a layer, whose first tensor flows in, or as a function of all its tensors."""
    tensors = list(operator.tensors)
    if name != operator.function and not tensors[0].startswith("*"):
        tensors = tensors[1:]
    elif name != operator.function:
        tensors = []
    shown = [f"{tensor.removesuffix('?')}=none" if tensor.endswith("?") else tensor for tensor in tensors]
    shown += [field.name if field.required else f"{field.name}={describe(field.default)}" for field in operator.fields]
    return f"{name}({', '.join(shown)})"


def _torch_names(name: str) -> str:
    """``Conv{n}d`` stands for three classes."""
    classes = [name.replace("{n}", str(n)) for n in (1, 2, 3)] if "{n}" in name else [name]
    return ", ".join(f"torch.nn.{each}" for each in classes)


def _layers(operator: type[Op]) -> list[str]:
    return [operator.__name__, *(name for name, _ in operator.pinned)] if operator.layer else []


def _family(operator: type[Op]) -> str:
    return operator.__module__.rpartition(".")[2]


def _summary(documented: object) -> str:
    return (inspect.getdoc(documented) or "").partition("\n")[0]
