"""``--set k=v`` and ``--size H=256``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dlspec.commands.errors import CallError, CallFindings
from dlspec.diagnostics import Diagnostics, DlspecError, did_you_mean
from dlspec.elaborate.modules import constant_elaborator
from dlspec.elaborate.session import Session
from dlspec.elaborate.values import Failure
from dlspec.ir.bounds import MOST
from dlspec.pipeline import Program
from dlspec.source import Source
from dlspec.syntax import ast
from dlspec.syntax.parser import parse


def parse_settings(
    given: Iterable[str], declaration: ast.Block | ast.Network | ast.Train, program: Program
) -> dict[str, object]:
    """Settings by name, their values evaluated as in the spec. A word in lower case that is no name there is a string.

    Raises `CallError` for what is no assignment or names no setting, `CallFindings` for a value that does not read.
    """
    texts = dict(_assignments("--set", given))
    _check_known("setting", texts, [p.name.name for p in declaration.parameters if not _is_input(p)], declaration)
    return {name: _value(name, text, program) for name, text in texts.items()}


def parse_sizes(given: Iterable[str], declaration: ast.Block | ast.Network | ast.Train) -> dict[str, int]:
    """Sizes by symbol. Raises `CallError`."""
    texts = dict(_assignments("--size", given))
    _check_known("size", texts, dict.fromkeys(_symbols(declaration)), declaration)
    return {name: _size(name, text) for name, text in texts.items()}


def _size(name: str, text: str) -> int:
    if len(text) > 19 or not (text.isascii() and text.isdigit() and 0 < int(text) < MOST):
        shown = text if len(text) <= 40 else f"{text[:12]}..."
        raise CallError(f"--size {name}={shown}: a size is a positive int of less than 2 ** 63")
    return int(text)


def _assignments(flag: str, given: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise CallError(f"{flag} {text}: write {flag} name=value")
        yield name.strip(), value.strip()


def _value(name: str, text: str, program: Program) -> object:
    source = Source(f"--set {name}", f"{name} = {text}")
    try:
        declarations = parse(source).check().declarations
    except DlspecError as error:
        raise CallFindings(error.diagnostics) from None
    if len(declarations) != 1 or not isinstance(declarations[0], ast.Bind):
        raise CallError(f"--set {name}={text}: the value is one number, bool, string, list or layer")
    expression = declarations[0].value
    if (
        isinstance(expression, ast.Name)
        and expression.name.islower()
        and expression.name not in program.module.env.names
    ):
        return expression.name
    diagnostics = Diagnostics()
    try:
        value = constant_elaborator(diagnostics, Session()).evaluate(expression, program.module.env)
    except Failure as failure:
        raise CallFindings([failure.diagnostic]) from None
    if diagnostics.errors:
        raise CallFindings(diagnostics)
    return value


def _is_input(parameter: ast.Parameter) -> bool:
    return parameter.type is not None and parameter.type.axes is not None


def _symbols(declaration: ast.Block | ast.Network | ast.Train) -> Iterator[str]:
    types = [parameter.type for parameter in declaration.parameters]
    if isinstance(declaration, ast.Train):
        types += [data.type for data in ast.data_of(declaration)]
    for type in types:
        for axis in (type and type.axes) or ():
            if isinstance(axis.size, ast.Name) and axis.size.name[:1].isupper():
                yield axis.size.name


def _check_known(
    kind: str, names: Iterable[str], known: Iterable[str], declaration: ast.Block | ast.Network | ast.Train
) -> None:
    """Raises `CallError` for a name that is not among those known."""
    known = list(known)
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or (f"it has {', '.join(known)}" if known else "it has none")
            raise CallError(f"`{declaration.name.name}` has no {kind} `{name}`", hint)
