"""A name that stands for nothing: where the slip is, which is not always where it is used."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property, lru_cache

from dlspec.diagnostics import Diagnostic, Note, did_you_mean
from dlspec.elaborate.constants import CONSTANTS
from dlspec.elaborate.values import Env, Failure, Module
from dlspec.ir.scope import Scope
from dlspec.ir.types import DTYPES
from dlspec.ops import FUNCTIONS, LAYERS
from dlspec.syntax import ast

_MOST = 500
"""Names that one is compared with."""

_DECLARED = (ast.Block, ast.Network, ast.Train)
_MEANS = frozenset({*LAYERS, *FUNCTIONS, *DTYPES})


class Unknown:
    """Finds the cause of unknown names, once for all uses of one in a declaration."""

    def __init__(self) -> None:
        self._causes: dict[tuple[int, str], tuple[ast.Node, str, str] | None] = {}
        self._seen: dict[int, _Seen] = {}

    def failure(self, node: ast.Name, code: str, what: str, env: Env) -> Failure | None:
        """The error about ``what`` is unknown, where something else in the file is wrong rather than this use of it."""
        module = env.module
        if module is None or module.file.source is not node.span.source:
            return None
        file = module.file
        inside = (each for each in file.declarations if each.span.start <= node.span.start < each.span.end)
        own = next(inside, file)
        key = (id(own), node.name)
        if key not in self._causes:
            near = did_you_mean(node.name, [name for name in env.visible() if name[:1].islower()])
            self._causes[key] = self._cause(node.name, own, module, bool(near))
        cause = self._causes[key]
        if cause is None:
            elsewhere = next((each for each in file.declarations if each is not own and _takes(each, node.name)), None)
            if not isinstance(own, ast.Block) or not isinstance(elsewhere, _DECLARED):
                return None
            hint = f"`{node.name}` is a parameter of `{elsewhere.name.name}`: add it to those of `{own.name.name}`"
            return Failure(code, what, node.span, hint=hint)
        at, message, hint = cause
        return Failure(code, message, at.span, notes=(Note(node.span, what),), hint=hint)

    def _cause(self, name: str, own: ast.Node, module: Module, near: bool) -> tuple[ast.Node, str, str] | None:
        file = module.file
        missing = f"there is no `{name}`"
        lower = not name[:1].isupper() and own is not file
        inside, whole = self._seen_in(own), self._seen_in(file)
        several = words(file.source.text)[name] > 1  # of two names the one that is written once is written wrongly
        meant = misspelled(name, inside.unused) if lower and several else None
        meant = meant or (misspelled(name, whole.unused) if several else None)
        if meant is not None:
            return meant, f"nothing uses `{meant.name}`, and {missing}", ""
        meant = inside.renamed(name, words(file.source.text)) if lower and not near else None
        if meant is not None:
            return meant, f"`{meant.name}` is given here, and {missing}", f"is this meant to be `{name}`?"
        if isinstance(own, ast.Block) and lower and name in whole.arguments.get(own.name.name, ()):
            return own.name, f"`{own.name.name}` uses `{name}`, and does not take it", "add it to its parameters"
        imported = _import_of(name, module)
        if imported is not None:
            return imported, f"{missing}, which {'.'.join(imported.path)} has", f"add `{name}` to this import"
        return None

    def _seen_in(self, around: ast.Node) -> _Seen:
        if id(around) not in self._seen:
            self._seen[id(around)] = _Seen(around)
        return self._seen[id(around)]


def _takes(declaration: ast.Node, name: str) -> bool:
    parameters = declaration.parameters if isinstance(declaration, _DECLARED) else ()
    return any(parameter.name.name == name for parameter in parameters)


class _Seen:
    """What names there are in a declaration or a file: how often each is used, those that nothing uses, and those that are
    arguments of each block."""

    def __init__(self, around: ast.Node) -> None:
        self.around = around

    @cached_property
    def _inside(self) -> list[ast.Node]:
        return list(ast.walk(self.around))

    @cached_property
    def _given(self) -> list[ast.Name]:
        return _given(self.around, self._inside)

    @cached_property
    def uses(self) -> Counter[str]:
        return Counter([node.name for node in self._inside if isinstance(node, ast.Name)])

    @cached_property
    def unused(self) -> dict[str, ast.Name]:
        return {each.name: each for each in self._given if each.name not in self.uses}

    @cached_property
    def arguments(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for node in self._inside:
            if isinstance(node, ast.Call) and isinstance(node.function, ast.Name):
                names = found.setdefault(node.function.name, set())
                names |= {each.name.name for each in node.arguments if each.name is not None}
                names |= {each.value.name for each in node.arguments if isinstance(each.value, ast.Name)}
        return found

    @cached_property
    def _doubtful(self) -> dict[ast.Name, bool]:
        return _doubtful(self.around, self._given, self.unused)

    def renamed(self, name: str, written: Counter[str]) -> ast.Name | None:
        """The one name that the declaration gives and that is out of place, where it should rather be ``name``.

        Such a one means something else too, or nothing uses it; and ``name`` means nothing else in the file, or is used more
        often than a parameter that nothing uses.
        """
        if len(self._doubtful) != 1:
            return None
        ((meant, used),) = self._doubtful.items()
        uses = self.uses[name]
        parameters = self.around.parameters if isinstance(self.around, _DECLARED) else ()
        if meant.name in _MEANS | _symbols(self.around):
            return meant
        if uses > 1 and any(meant is parameter.name for parameter in parameters):
            return meant
        return meant if written[name] == uses and (used or written[meant.name] > 1) else None


def unbound(output: ast.Name, network: ast.Network, near: str) -> Failure:
    """The error about an output that nothing in the body is bound to: at the one name there that nothing uses, else where
    the body ends without it. ``near`` is the hint that names another."""
    message = f"the output `{output.name}` is not bound in the body"
    note = (Note(output.span, "this is the output"),)
    idle = [name for name in unused(network).values() if name.name != "_"]
    alone = len(network.outputs) == 1
    if len(idle) == 1 and not near:
        message = f"nothing uses `{idle[0].name}`, and {message}"
        hint = "the last line must be an expression" if alone else f"is this meant to be `{output.name}`?"
        return Failure("DL0409", message, idle[0].span, notes=note, hint=hint)
    if near:
        return Failure("DL0409", message, output.span, hint=near)
    if alone:
        return Failure(
            "DL0409", message, network.body.span.last, notes=note, hint="the last line must be an expression"
        )
    last = network.body.statements[-1] if network.body.statements else network
    return Failure("DL0409", message, last.span.last, notes=note, hint=f"write `{output.name} = ...`")


def _import_of(name: str, module: Module) -> ast.Import | None:
    """The import from a file that declares the name too."""
    for node in module.file.declarations:
        if isinstance(node, ast.Import):
            locals_ = [(each.alias or each.name).name for each in node.names]
            others = [module.imports[local][0] for local in locals_ if local in module.imports]
            if any(name in other.blocks or name in other.networks for other in others):
                return node
    return None


def misspelled(name: str, unused: Mapping[str, ast.Name]) -> ast.Name | None:
    """The name of those that nothing uses that was meant to be ``name``, which is written more often."""
    alike = [each for each in unused if each[:1].isupper() == name[:1].isupper()]
    near = get_close_matches(name, alike[:_MOST], 1)
    return unused[near[0]] if near else None


def _doubtful(own: ast.Node, all_given: list[ast.Name], unused_: Mapping[str, ast.Name]) -> dict[ast.Name, bool]:
    """The names given in a declaration that nothing uses, and those that are used but given as something else as well."""
    parameters = own.parameters if isinstance(own, _DECLARED) else ()
    outputs = {output.name.name for output in own.outputs} if isinstance(own, ast.Network) else set[str]()
    symbols = _symbols(own)
    declared = {id(parameter.name) for parameter in parameters}
    given = [name for name in all_given if id(name) not in declared]
    elsewhere = {*symbols, *outputs, *(name.name for name in given), *_MEANS}
    means_more = symbols | _MEANS
    found: dict[ast.Name, bool] = {}
    for name in [parameter.name for parameter in parameters]:
        twice = name.name in elsewhere
        if twice or name.name in unused_:
            found[name] = twice
    for name in given:
        if name.name in unused_ or name.name in means_more:
            found[name] = name.name not in unused_
    return found


def _symbols(own: ast.Node) -> set[str]:
    """The names of the sizes that a signature declares."""
    parameters = own.parameters if isinstance(own, _DECLARED) else ()
    axes = [axis.size for parameter in parameters if parameter.type for axis in parameter.type.axes or ()]
    settings = {parameter.name.name for parameter in parameters if not parameter.type or parameter.type.axes is None}
    return {size.name for size in axes if isinstance(size, ast.Name)} - settings


def lacking(block: ast.Block | ast.Network, module: Module, found: Diagnostic, _: Scope) -> Diagnostic:
    """The error about an argument that a block does not take; where a name that its body uses is missing in its header, that
    is said there."""
    aside: set[int] = set()  # labels, and functions that are called
    inside = list(ast.walk(block))
    for node in inside:
        match node:
            case ast.Unreadable():
                return found
            case ast.Labelled(label=ast.Name() as name) | ast.Call(function=ast.Name() as name):
                aside.add(id(name))
            case _:
                pass
    known = {name.name for name in _given(block, inside)} | {"x", *module.env.names, *CONSTANTS}
    used = [node for node in inside if isinstance(node, ast.Name) and id(node) not in aside]
    missing = {node.name: node for node in used if node.name not in known and node.name[:1].islower()}
    if len(missing) != 1:
        return found
    (use,) = missing.values()
    notes = (Note(found.span, "this is given"), Note(use.span, f"there is no `{use.name}` here"))
    message = f"`{block.name.name}` uses `{use.name}`, and does not take it"
    return Diagnostic("DL0302", message, block.name.span, notes=notes, hint="add it to its parameters")


@lru_cache(maxsize=4)
def words(text: str) -> Counter[str]:
    """How often each word and number stands in a text."""
    return Counter(re.findall(r"\w+", re.sub("#.*", "", text)))


def unused(around: ast.Node) -> dict[str, ast.Name]:
    """The names that are given within a declaration, or those that a file declares, and that nothing in it uses."""
    inside = list(ast.walk(around))
    used = {node.name for node in inside if isinstance(node, ast.Name)}
    return {each.name: each for each in _given(around, inside) if each.name not in used}


def _given(around: ast.Node, inside: list[ast.Node]) -> list[ast.Name]:
    """The names that are given within a declaration, but for those that leave it; within a file those that it declares."""
    if isinstance(around, ast.File):
        declared = [
            each.name for each in around.declarations if isinstance(each, ast.Block | ast.Network | ast.Variant)
        ]
        binds = [each for each in around.declarations if isinstance(each, ast.Bind)]
        return declared + [name for bind in binds for name in ast.names_of(bind.targets)]
    found: list[ast.Name] = []
    for node in inside:
        match node:
            case ast.Bind(targets=targets) | ast.For(targets=targets) | ast.Clause(targets=targets):
                found += ast.names_of(targets)
            case ast.Scan(targets=targets):
                found += targets
            case ast.Tap(name=name) | ast.Parameter(name=name) | ast.Data(name=name) | ast.Shared(name=name):
                found.append(name)
            case _:
                pass
    left = {output.name.name for output in around.outputs} if isinstance(around, ast.Network) else set[str]()
    return [each for each in found if each.name not in left]
