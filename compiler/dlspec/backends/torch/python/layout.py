"""The text of Python expressions, laid out as ``ruff format`` does."""

from __future__ import annotations

from collections.abc import Collection
from math import isfinite
from typing import Any, cast

from dlspec.backends.torch.python.expressions import (
    Assign,
    Attribute,
    Binary,
    Call,
    Clause,
    Comprehension,
    Const,
    Dictionary,
    IfElse,
    Keyword,
    Label,
    Name,
    Nested,
    Py,
    Sequence,
    Slice,
    Star,
    Subscript,
    Unary,
)  # fmt: skip

WIDTH = 100
INDENT = "    "

_LEVELS = {
    "or": 2, "and": 3, "not": 4, "in": 5, "is": 5, "is not": 5, "==": 5, "!=": 5, "<": 5, "<=": 5, ">": 5, ">=": 5, "|": 6,
    "^": 7, "&": 8, "+": 10, "-": 10, "*": 11, "/": 11, "//": 11, "%": 11, "@": 11, "neg": 12, "**": 13,
}  # fmt: skip
"""How tightly operators bind."""

_ATOM = 15


def literal(value: Any) -> str:
    """A constant as ruff writes it."""
    if value is ...:
        return "..."
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not isfinite(value):
            return f'float("{value}")'
        return repr(value)
    if isinstance(value, str):
        return string(value)
    if isinstance(value, tuple | list):
        items = [literal(item) for item in cast("list[Any]", value)]
        if isinstance(value, list):
            return f"[{', '.join(items)}]"
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    raise TypeError(f"{value!r} is no constant of generated code")


def string(text: str) -> str:
    """A string in double quotes, all in ASCII."""
    body = ascii(text)
    quote, inner = body[0], body[1:-1]
    if quote == "'":
        inner = inner.replace("\\'", "'").replace('"', '\\"')
    return f'"{inner}"'


def flat(node: Py) -> str:
    """The expression on one line."""
    return _flat(node)[0]


def _at_least(node: Py, level: int) -> str:
    text, own = _flat(node)
    return text if own >= level else f"({text})"


def _simple(node: Py) -> bool:
    """Operands that ruff writes a power between without spaces."""
    if isinstance(node, Unary):
        return node.operator == "-" and _simple(node.operand)
    if isinstance(node, Attribute):
        return _simple(node.base)
    return isinstance(node, Name) or (isinstance(node, Const) and isinstance(node.value, int | float))


def arguments(node: Call) -> list[Py | Keyword]:
    """The arguments that are written: without keywords that are at their default."""
    return [*node.args, *(k for k in node.keywords if not is_default(k))]


def is_default(keyword: Keyword) -> bool:
    value = keyword.value
    if not isinstance(value, Const) or keyword.default is ...:
        return False
    return value.value == keyword.default and isinstance(value.value, bool) is isinstance(keyword.default, bool)


def _flat(node: Py) -> tuple[str, int]:
    match node:
        case Name():
            return node.text, _ATOM
        case Const():
            negative = (
                isinstance(node.value, int | float) and not isinstance(node.value, bool) and str(node.value)[0] == "-"
            )
            return literal(node.value), _LEVELS["neg"] if negative and isfinite(node.value) else _ATOM
        case Nested():
            return _flat(node.value)
        case Call():
            parts = [_argument(item) for item in arguments(node)]
            return f"{_at_least(node.function, _ATOM)}({', '.join(parts)})", _ATOM
        case Attribute():
            base = _at_least(node.base, _ATOM)
            return f"({base}).{node.name}" if base.isdigit() else f"{base}.{node.name}", _ATOM
        case Subscript():
            inner = ", ".join(flat(item) for item in node.items)
            if len(node.items) == 1 and isinstance(node.items[0], Sequence):
                inner = inner.removeprefix("(").removesuffix(")") if node.items[0].opening == "(" else inner
            return f"{_at_least(node.base, _ATOM)}[{inner}]", _ATOM
        case Slice():
            return _slice(node), _ATOM
        case Unary():
            level = _LEVELS["neg" if node.operator in "-~" else node.operator]
            space = " " if node.operator.isalpha() else ""
            return f"{node.operator}{space}{_at_least(node.operand, level)}", level
        case Binary():
            return _binary(node)
        case IfElse():
            then, otherwise = _at_least(node.then, 2), _at_least(node.otherwise, 1)
            return f"{then} if {_at_least(node.condition, 2)} else {otherwise}", 1
        case Sequence():
            parts = [flat(item) for item in node.items]
            if node.opening == "[":
                return f"[{', '.join(parts)}]", _ATOM
            return (f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"), _ATOM
        case Dictionary():
            parts = [f"{string(key)}: {flat(value)}" for key, value in zip(node.keys, node.values, strict=True)]
            return f"{{{', '.join(parts)}}}", _ATOM
        case Star():
            return f"*{_at_least(node.value, 6)}", 0
        case Comprehension():
            text = " ".join([flat(node.item), *_loops(node)])
            return (f"[{text}]", _ATOM) if node.opening else (text, 0)
        case Label():
            parts = (part if isinstance(part, str) else f"{{{flat(part)}}}" for part in node.parts)
            return f'f"{"".join(parts)}"', _ATOM
        case _:
            raise TypeError(f"{node!r} is not resolved")


def _loops(node: Comprehension) -> list[str]:
    return [part for clause in node.clauses for part in _clause(clause)]


def _clause(node: Clause) -> list[str]:
    return [f"for {node.target} in {_at_least(node.iterable, 2)}", *(f"if {flat(each)}" for each in node.conditions)]


def _argument(item: Py | Keyword) -> str:
    return f"{item.name}={flat(item.value)}" if isinstance(item, Keyword) else flat(item)


def _binary(node: Binary) -> tuple[str, int]:
    level = _LEVELS[node.operator]
    if node.operator == "**":
        left, right = _at_least(node.left, level + 1), _at_least(node.right, _LEVELS["neg"])
        space = "" if _simple(node.left) and _simple(node.right) else " "
        return f"{left}{space}**{space}{right}", level
    comparison = level == _LEVELS["=="]
    left = _at_least(node.left, level + comparison)
    return f"{left} {node.operator} {_at_least(node.right, level + 1)}", level


def _slice(node: Slice) -> str:
    parts = ["" if bound is None else flat(bound) for bound in (node.start, node.stop)]
    bounds = (bound for bound in (node.start, node.stop) if bound is not None)
    complex_bounds = any(not _simple(bound) or "." in flat(bound) for bound in bounds)
    colon = ":"
    if complex_bounds:
        colon = (" :" if parts[0] else ":") + (" " if parts[1] else "")
    text = f"{parts[0]}{colon}{parts[1]}"
    return text if node.step is None else f"{text}:{flat(node.step)}"


def layout(node: Py, depth: int, prefix: str = "", suffix: str = "") -> list[str]:
    """The lines of ``prefix expression suffix`` at a depth of indentation."""
    if isinstance(node, Nested):
        return layout(node.value, depth, prefix, suffix)
    if isinstance(node, Assign):
        return layout(node.value, depth, f"{flat(node.target)} = ")
    indent = INDENT * depth
    one = f"{indent}{prefix}{flat(node)}{suffix}"
    if len(one) <= WIDTH:
        return [one]
    match node:
        case Call():
            items = arguments(node)
            links = _links(node)
            if len(links) > 3 and prefix.endswith(("= ", "return ")):
                inner_indent = INDENT * (depth + 1)
                lines = [f"{inner_indent}{links[0]}{links[1]}", *(inner_indent + link for link in links[2:])]
                return [f"{indent}{prefix}(", *lines, f"{indent}){suffix}"]
            if items:
                opening, closing = f"{prefix}{flat(node.function)}(", f"){suffix}"
                inner = node.function.base if isinstance(node.function, Attribute) else node.function
                if len(indent) + len(opening) > WIDTH and isinstance(inner, Call) and arguments(inner):
                    rest = flat(node).removeprefix(flat(inner))
                    return layout(inner, depth, prefix, rest + suffix)
                if len(indent) + len(opening) > WIDTH and prefix.endswith("= "):
                    return [f"{indent}{prefix}(", *layout(node, depth + 1), f"{indent}){suffix}"]
                joined = f"{indent}{INDENT}{', '.join(_argument(item) for item in items)}"
                if len(joined) <= WIDTH:
                    return [indent + opening, joined, indent + closing]
                return _bracketed(items, depth, opening, closing)
        case Subscript(base=Call() as base, items=(Call() as item,)) if (
            len(indent) + len(f"{prefix}{flat(base)}[") <= WIDTH
        ):
            return [f"{indent}{prefix}{flat(base)}[", *layout(item, depth + 1), f"{indent}]{suffix}"]
        case Subscript(base=Call() as base) if arguments(base):
            return layout(base, depth, prefix, flat(node).removeprefix(flat(base)) + suffix)
        case Sequence() if node.items:
            closing = "]" if node.opening == "[" else ")"
            return _bracketed(list(node.items), depth, prefix + node.opening, closing + suffix)
        case Const(value=(_, *_) as values):
            brackets = "()" if isinstance(values, tuple) else "[]"
            items = [Const(item) for item in cast("list[Any]", values)]
            return _bracketed(items, depth, prefix + brackets[0], brackets[1] + suffix)
        case Dictionary() if node.keys:
            lines = [f"{indent}{prefix}{{"]
            for key, value in zip(node.keys, node.values, strict=True):
                lines += layout(value, depth + 1, f"{string(key)}: ", ",")
            return [*lines, f"{indent}}}{suffix}"]
        case Star():
            return layout(node.value, depth, f"{prefix}*", suffix)
        case Comprehension():
            inner = INDENT * (depth + 1)
            lines = [*layout(node.item, depth + 1), *_loop_lines(node, depth + 1)]
            whole = " ".join(line.strip() for line in lines)
            if len(inner) + len(whole) <= WIDTH:
                lines = [inner + whole]
            return [f"{indent}{prefix}[", *lines, f"{indent}]{suffix}"]
        case IfElse() if prefix.endswith(("= ", "return ", "*")):
            lines = [INDENT * (depth + 1) + flat(node)]
            lines = lines if len(lines[0]) <= WIDTH else _choice(node, depth + 1)
            return [f"{indent}{prefix}(", *lines, f"{indent}){suffix}"]
        case IfElse() if not prefix:
            return _choice(node, depth, suffix)
        case Binary() if prefix.endswith(("= ", "return ")):
            last = _last_call(node)
            head = "" if last is None else flat(node).removesuffix(flat(last))
            if last is not None and len(indent) + len(f"{prefix}{head}{flat(last.function)}(") <= WIDTH:
                return layout(last, depth, prefix + head, suffix)
            return [f"{indent}{prefix}(", *_operands(node, depth + 1), f"{indent}){suffix}"]
        case _:
            pass
    return [one]


def _links(node: Py) -> list[str]:
    """A chain of calls of methods as ruff breaks it: what it begins with, and each call."""
    links: list[str] = []
    while isinstance(node, Call) and isinstance(node.function, Attribute):
        base = node.function.base
        links.append(flat(node).removeprefix(flat(base)))
        node = base
    return [flat(node), *reversed(links)]


def _choice(node: IfElse, depth: int, suffix: str = "") -> list[str]:
    """The parts of a choice one below the other; a choice before its `else` stands in parentheses."""
    lines: list[str] = []
    for part, word in ((node.then, ""), (node.condition, "if ")):
        whole = f"{INDENT * depth}{word}{_at_least(part, 2)}"
        if isinstance(part, IfElse) and len(whole) > WIDTH:
            lines += [f"{INDENT * depth}{word}(", *_choice(part, depth + 1), f"{INDENT * depth})"]
        else:
            lines += [whole] if isinstance(part, IfElse) else layout(part, depth, word)
    return [*lines, *layout(node.otherwise, depth, "else ", suffix)]


def _loop_lines(node: Comprehension, depth: int) -> list[str]:
    """The lines of the loops of a comprehension, and of its conditions."""
    lines: list[str] = []
    for clause in node.clauses:
        lines += layout(clause.iterable, depth, f"for {clause.target} in ")
        lines += [line for each in clause.conditions for line in layout(each, depth, "if ")]
    return lines


def _last_call(node: Binary) -> Call | None:
    """The call at the end of an operation, which is split rather than the operation, where that has one operator of its
    kind."""
    level = _LEVELS[node.operator]
    if any(isinstance(side, Binary) and _LEVELS[side.operator] == level for side in (node.left, node.right)):
        return None
    last = node.right
    while isinstance(last, Binary) and _LEVELS[last.operator] > level:
        last = last.right
    return last if isinstance(last, Call) and arguments(last) else None


def _operands(node: Binary, depth: int) -> list[str]:
    whole = flat(node)
    if len(INDENT * depth + whole) <= WIDTH:
        return [INDENT * depth + whole]
    level = _LEVELS[node.operator]
    parts: list[tuple[str, Py]] = [(node.operator, node.right)]
    left = node.left
    while isinstance(left, Binary) and _LEVELS[left.operator] == level:
        parts.append((left.operator, left.right))
        left = left.left
    lines = layout(left, depth)
    for operator, part in reversed(parts):
        lines += layout(part, depth, f"{operator} ")
    return lines


def _bracketed(items: Collection[Py | Keyword], depth: int, opening: str, closing: str) -> list[str]:
    """A line for each item."""
    indent = INDENT * depth
    lines = [indent + opening]
    for item in items:
        if isinstance(item, Keyword):
            lines += layout(item.value, depth + 1, f"{item.name}=", ",")
        elif isinstance(item, Comprehension) and not item.opening:
            lines += [*layout(item.item, depth + 1), *_loop_lines(item, depth + 1)]
        else:
            lines += layout(item, depth + 1, "", ",")
    return [*lines, indent + closing]
