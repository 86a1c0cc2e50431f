"""What stands at an offset of a text, and where a name was defined."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from dlspec.elaborate.values import Module
from dlspec.source import Span
from dlspec.syntax import ast
from dlspec.syntax.limits import EXPRESSIONS


def path_to(file: ast.File, offset: int) -> list[ast.Node]:
    """The nodes around the character at an offset, each in the one before it."""
    path: list[ast.Node] = []
    node: ast.Node | None = file
    while node is not None:
        path.append(node)
        node = next((inner for inner in _held(node) if inner.span.start <= offset < inner.span.end), None)
    return path


def subject(path: list[ast.Node]) -> ast.Node | None:
    """The expression that the last node of a path belongs to, or the name that it gives to something.

    What is called belongs to its call, a label to its layer, the name of an argument to its value.
    """
    inner, around = path[-1], path[-2] if len(path) > 1 else None
    match around:
        case ast.Call() if around.function is inner and isinstance(inner, ast.Name):
            return around
        case ast.Attribute() if around.name is inner:
            return around
        case ast.Labelled() if around.label is inner:
            return around.layer
        case ast.Argument() if around.name is inner:
            return around.value
        case _:
            pass
    if isinstance(inner, ast.Name):
        return inner
    return next((node for node in reversed(path) if type(node) in EXPRESSIONS), None)


def named(path: list[ast.Node]) -> ast.Name | None:
    """The name that stands at the end of a path, if it is that of a value or a declaration."""
    inner, around = path[-1], path[-2] if len(path) > 1 else None
    if not isinstance(inner, ast.Name):
        return None
    other = isinstance(around, ast.Attribute | ast.Argument) and around.name is inner
    label = isinstance(around, ast.Labelled) and around.label is inner
    return None if other or label else inner


def definition(path: list[ast.Node], module: Module) -> Span | None:
    """Where the name at the end of a path was bound or declared, in another file if it is imported.

    The last binding before it, as a text is read; where there is none, one after it, as in a loop.
    """
    name = named(path)
    if name is None:
        return None
    later: Span | None = None
    for node, inner in zip(reversed(path[:-1]), reversed(path), strict=False):
        found, after = _bound_in(node, inner, name)
        if found is not None:
            return found
        later = later or after
    return later or _declared(module, name.name)


def _bound_in(node: ast.Node, inner: ast.Node, name: ast.Name) -> tuple[Span | None, Span | None]:
    """Where a node binds a name for what is in ``inner``: before the name, and behind it."""
    bound: list[tuple[int, ast.Name]] = []
    match node:
        case ast.Comprehension():
            before = node.clauses if inner is node.item else takewhile(lambda clause: clause is not inner, node.clauses)
            bound = [(0, name) for clause in before for name in ast.names_of(clause.targets)]
        case ast.For() | ast.Clause() if inner is not node.iterable:
            bound = [(0, name) for name in ast.names_of(node.targets)]
        case ast.Scan() if inner is node.body:
            bound = [(0, name) for name in (*node.targets, *(state.name for state in node.states))]
        case ast.Body() | ast.Train():
            bound = [each for statement in node.statements for each in _bindings(statement)]
        case ast.Network() if isinstance(inner, ast.Output):
            bound = [(0, inner.name), *((0, each) for _, each in _bindings(node.body))]
        case _:
            pass
    if isinstance(node, ast.Block | ast.Network | ast.Train):
        bound += [(0, parameter.name) for parameter in node.parameters]
        bound += [(0, axis) for parameter in node.parameters for axis in _symbols(parameter.type)]
    same = [(at, each) for at, each in bound if each.name == name.name]
    before = [each.span for at, each in same if at <= name.span.start or each is name]
    return (before[-1] if before else None), (same[0][1].span if same else None)


def _bindings(statement: ast.Node) -> Iterator[tuple[int, ast.Name]]:
    """The names that a statement binds for those after it, and from which offset on."""
    todo = [statement]
    while todo:
        node = todo.pop()
        match node:
            case ast.Bind():
                yield from ((node.span.end, name) for name in ast.names_of(node.targets))
            case ast.Shared() | ast.Param() | ast.Data() | ast.Tap():
                yield node.span.end, node.name
            case ast.Unreadable():
                yield from ((node.span.end, name) for name in node.names)
            case _:
                pass
        if isinstance(node, ast.Data):
            yield from ((node.span.end, axis) for axis in _symbols(node.type))
        if isinstance(node, ast.Call):
            todo.extend(argument.value for argument in reversed(node.arguments))
        elif not isinstance(node, ast.Braces):  # what stands in braces is bound there
            todo.extend(reversed(list(_held(node))))


def _symbols(type_: ast.Type | None) -> Iterator[ast.Name]:
    for axis in (type_ and type_.axes) or ():
        if isinstance(axis.size, ast.Name):
            yield axis.size


def _declared(module: Module, name: str) -> Span | None:
    if name in module.imports:
        other, there = module.imports[name]
        return _declared(other, there)
    for declaration in module.file.declarations:
        match declaration:
            case ast.Block() | ast.Network() | ast.Variant() | ast.Train():
                names = (declaration.name,)
            case ast.Bind():
                names = tuple(ast.names_of(declaration.targets))
            case ast.Unreadable():
                names = declaration.names
            case _:
                names = ()
        for each in names:
            if each.name == name:
                return each.span
    return None


def _held(node: ast.Node) -> Iterator[ast.Node]:
    """What stands directly in a node, names included."""
    for field in node.fields:
        value: object = getattr(node, field)
        for inner in value if isinstance(value, tuple) else (value,):  # type: ignore[reportUnknownVariableType]
            if isinstance(inner, ast.Node):
                yield inner
