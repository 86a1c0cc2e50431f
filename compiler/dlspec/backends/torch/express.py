"""Finds what to write for a constant that differs between the instances of a class.

Candidates are the expressions of the spec itself, translated to Python, then names, then small sums and products. Each
is evaluated for every instance, and taken only where it gives the instance's value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from dlspec.backends.torch import python as py
from dlspec.backends.torch.names import variable
from dlspec.backends.torch.python import Py
from dlspec.diagnostics import DlspecError
from dlspec.source import Source, Span
from dlspec.syntax import ast
from dlspec.syntax.parser import parse

Environment = Mapping[str, Any]

ANY: Any = object()
"""The value of an instance that does not have the constant."""


class NotExpressible(Exception):
    """No expression gives these values."""


# The spec's own expressions --------------------------------------------------------------------------------------------

_OPERATORS = {"+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "and", "or"}
_CALLS = {"sqrt": "math.sqrt", "max": "max", "min": "min", "len": "len", "abs": "abs", "round": "round"}
_ATTRIBUTES = {"channels": "channels", "features": "features"}


class Translator:
    """Expressions of a block's body in Python, over its parameters and what the body binds."""

    def __init__(self, parameters: Iterable[str], bindings: Mapping[str, ast.Expression]) -> None:
        self.parameters = set(parameters)
        self.bindings = bindings

    def translate(self, node: ast.Expression) -> Py | None:
        """The expression, or None for what is no arithmetic of constants."""
        match node:
            case ast.Constant() if node.value is not None:
                return py.Const(node.value)
            case ast.Name():
                known = node.name in self.parameters or node.name in self.bindings
                return py.Name(variable(node.name)) if known else None
            case ast.Unary():
                operand = self.translate(node.operand)
                return None if operand is None else py.Unary(node.operator, operand)
            case ast.Binary() if node.operator in _OPERATORS:
                left, right = self.translate(node.left), self.translate(node.right)
                return None if left is None or right is None else py.Binary(node.operator, left, right)
            case ast.Attribute(base=ast.Name(name=base)) if node.name.name in _ATTRIBUTES:
                prefix = "in" if base == "x" else variable(base)
                return py.Name(f"{prefix}_{_ATTRIBUTES[node.name.name]}")
            case ast.If():
                return self._choice(node)
            case ast.Index() if len(node.items) == 1 and not isinstance(node.items[0], ast.Slice):
                base, at = self.translate(node.base), self.translate(node.items[0])
                return None if base is None or at is None else py.Subscript(base, (at,))
            case ast.Call(function=ast.Name(name=called)) if called in _CALLS and node.branches is None:
                args = [self.translate(argument.value) for argument in node.arguments]
                made = tuple(arg for arg in args if arg is not None)
                return py.call(_CALLS[called], *made) if len(made) == len(args) else None
            case _:
                return None

    def _choice(self, node: ast.If) -> Py | None:
        sides = [_only(node.then), _only(node.otherwise)]
        parts = [self.translate(part) if part is not None else None for part in (node.condition, *sides)]
        condition, then, otherwise = parts
        if condition is None or then is None or otherwise is None:
            return None
        return py.IfElse(condition, then, otherwise)


def _only(body: ast.Body | None) -> ast.Expression | None:
    if body is None or len(body.statements) != 1 or not isinstance(body.statements[0], ast.Evaluate):
        return None
    return body.statements[0].value


class Text:
    """A declaration of a spec as a source of expressions: those it has, and the names it binds to constants."""

    def __init__(self, declaration: ast.Block | ast.Network) -> None:
        parameters = [parameter.name.name for parameter in declaration.parameters]
        bindings: dict[str, ast.Expression] = {}
        expressions: list[ast.Expression] = []
        for node in _walk(declaration.body):
            if isinstance(node, ast.Bind) and len(node.targets) == 1:
                name = node.targets[0].name
                if name in bindings or name in parameters:
                    bindings[name] = ast.Constant(
                        node.span, None
                    )  # bound twice: which one is meant depends on the place
                else:
                    bindings[name] = node.value
            elif isinstance(node, ast.Binary | ast.Unary | ast.If | ast.Call | ast.Index | ast.Attribute):
                expressions.append(node)
        translator = Translator(parameters, bindings)
        self.locals: dict[str, Py] = {}
        for name, value in bindings.items():
            made = translator.translate(value)
            if made is not None and not isinstance(made, py.Const):
                self.locals[variable(name)] = made
        known = set(self.locals) | {variable(name) for name in parameters}
        translated = [translator.translate(node) for node in expressions]
        self.expressions = [e for e in translated if e is not None and _names(e) - known <= _sizes(e)]
        self.defaults = {
            variable(parameter.name.name): parameter.default.value
            for parameter in declaration.parameters
            if isinstance(parameter.default, ast.Constant) and parameter.default.value is not None
        }
        self.parameters = [variable(name) for name in parameters]
        self.doc = declaration.doc


def _sizes(node: Py) -> set[str]:
    return {name for name in _names(node) if name.endswith(("_channels", "_features"))}


def _names(node: Py) -> set[str]:
    return {inner.text for inner in py.walk(node) if isinstance(inner, py.Name) and not inner.text.startswith("math.")}


def _walk(node: Any) -> Iterable[ast.Node]:
    """Every node of the syntax tree below one, in the order of the text."""
    stack: list[Any] = [node]
    while stack:
        inner = stack.pop()
        if isinstance(inner, ast.Node):
            yield inner
            stack += [getattr(inner, name) for name in reversed(inner.fields) if name != "span"]
        elif isinstance(inner, tuple):
            stack += inner[::-1]  # type: ignore[reportUnknownArgumentType]


_File: TypeAlias = tuple[Source, dict[tuple[int, int], Text], dict[tuple[int, int], tuple[str, ...]]]


class Texts:
    """The declarations of sources, by where they stand, and the names that tensors are bound to."""

    def __init__(self) -> None:
        self._files: dict[int, _File] = {}

    def declaration(self, span: Span | None) -> Text | None:
        return None if span is None else self._read(span.source)[1].get((span.start, span.end))

    def bound(self, span: Span) -> tuple[str, ...]:
        """The names that a step's results are given in the text."""
        return self._read(span.source)[2].get((span.start, span.end), ())

    def _read(self, source: Source) -> _File:
        if id(source) not in self._files:
            texts: dict[tuple[int, int], Text] = {}
            names: dict[tuple[int, int], tuple[str, ...]] = {}
            try:
                file = parse(source).check()
            except DlspecError:  # a graph that was not made of a text
                file = None
            for declaration in file.declarations if file else ():
                if isinstance(declaration, ast.Block | ast.Network):
                    texts[declaration.span.start, declaration.span.end] = Text(declaration)
                for node in _walk(declaration):
                    if isinstance(node, ast.Tap):
                        _bind(names, node.step, node.name.name)
                    elif isinstance(node, ast.Bind):
                        _bind(names, node.value, *(target.name for target in node.targets))
            self._files[id(source)] = (source, texts, names)
        return self._files[id(source)]


def _bind(bound: dict[tuple[int, int], tuple[str, ...]], step: ast.Expression, *given: str) -> None:
    while True:
        bound.setdefault((step.span.start, step.span.end), given)
        match step:
            case ast.Chain():
                step = step.steps[-1]
            case ast.Labelled():
                step = step.layer
            case ast.Tap():
                step = step.step
            case _:
                return


# Evaluation ------------------------------------------------------------------------------------------------------------

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "math.sqrt": math.sqrt, "max": max, "min": min, "len": len, "abs": abs, "round": round,
}  # fmt: skip


def evaluate(node: Py, env: Environment) -> Any:
    """What the expression will be in Python. Raises `NotExpressible` for what has no value."""
    try:
        return _evaluate(node, env)
    except (KeyError, TypeError, ValueError, ArithmeticError, IndexError) as error:
        raise NotExpressible(str(error)) from None


def _evaluate(node: Py, env: Environment) -> Any:
    match node:
        case py.Const():
            return node.value
        case py.Name():
            return env[node.text]
        case py.Unary():
            value = _evaluate(node.operand, env)
            return not value if node.operator == "not" else -value
        case py.Binary(operator="and" | "or"):
            left = _evaluate(node.left, env)
            return left if bool(left) is (node.operator == "or") else _evaluate(node.right, env)
        case py.Binary():
            left, right = _evaluate(node.left, env), _evaluate(node.right, env)
            if node.operator == "**" and (abs(right) > 64 or abs(left) > 1 << 32):
                raise ValueError("too large")
            return _BINARY[node.operator](left, right)
        case py.IfElse():
            return _evaluate(node.then if _evaluate(node.condition, env) else node.otherwise, env)
        case py.Subscript():
            return _evaluate(node.base, env)[_evaluate(node.items[0], env)]
        case py.Call(function=py.Name(text=called)):
            return _FUNCTIONS[called](*(_evaluate(arg, env) for arg in node.args))
        case _:
            raise TypeError("no constant")


def same(a: Any, b: Any) -> bool:
    """Equal and of one kind: 1, 1.0 and true are three values."""
    if a is ANY or b is ANY:
        return True
    if {type(a), type(b)} <= {tuple, list}:
        left, right = cast("list[Any]", a), cast("list[Any]", b)
        return len(left) == len(right) and all(map(same, left, right))
    return type(a) is type(b) and a == b


def agree(node: Py, envs: Sequence[Environment], values: Sequence[Any]) -> bool:
    """Whether the expression gives every value."""
    try:
        return all(value is ANY or same(evaluate(node, env), value) for env, value in zip(envs, values, strict=True))
    except NotExpressible:
        return False


# Search ----------------------------------------------------------------------------------------------------------------


def express(values: Sequence[Any], envs: Sequence[Environment], text: Text | None, preferred: str = "") -> Py:
    """An expression that gives the values. Raises `NotExpressible`.

    ``preferred`` is a name that is taken where it fits. Instances whose value is `ANY` are not looked at.
    """
    pairs = [(env, value) for env, value in zip(envs, values, strict=True) if value is not ANY]
    if not pairs:
        return py.Const(None)
    first = pairs[0][1]
    if all(same(value, first) for _, value in pairs):
        return py.Const(first)
    used, wanted = [env for env, _ in pairs], [value for _, value in pairs]
    names = [name for name in used[0] if all(name in env for env in used)]
    if not preferred.startswith("in_"):
        names.sort(key=lambda name: name.endswith(("_channels", "_features")))
    names.sort(key=lambda name: name != preferred)
    for candidate in map(py.Name, names):
        if agree(candidate, used, wanted):
            return candidate
    for candidate in text.expressions if text else ():
        if _names(candidate) <= set(names) and agree(candidate, used, wanted):
            return candidate
    numbers = [name for name in names if all(type(env[name]) is int for env in used)]
    if all(type(value) is int for value in wanted):
        made = _arithmetic(numbers, used, wanted)
        if made is not None:
            return made
    raise NotExpressible(f"nothing gives {wanted}")


def restated(values: Sequence[Any], envs: Sequence[Environment], text: Text, among: Iterable[str]) -> Py | None:
    """What the spec itself says for a number that happens to be the same everywhere, over the names given."""
    known = set(among)
    for name, local in text.locals.items():
        if _names(local) <= known:
            known.add(name)
    for candidate in (*map(py.Name, sorted(known)), *text.expressions):
        if _names(candidate) and _names(candidate) <= known and agree(candidate, envs, values):
            return candidate
    return None


def _arithmetic(names: list[str], envs: Sequence[Environment], wanted: Sequence[int]) -> Py | None:
    """``a * name``, ``name // a``, ``a - b``, ``name + a``, and sums and products of two names."""
    vectors = {name: [env[name] for env in envs] for name in names}
    first = wanted[0]
    singles: list[Py] = []
    for name, vector in vectors.items():
        base = vector[0]
        one = py.Name(name)
        if base and first % base == 0 and first // base > 1:
            singles.append(py.Binary("*", py.Const(first // base), one))
        if first and base % first == 0 and base // first > 1:
            singles.append(py.Binary("//", one, py.Const(base // first)))
        if 0 < abs(first - base) <= 8:
            sign = "+" if first > base else "-"
            singles.append(py.Binary(sign, one, py.Const(abs(first - base))))
    for candidate in singles:
        if agree(candidate, envs, wanted):
            return candidate
    pairs: list[Py] = []
    for a in names:
        for b in names:
            left, right = py.Name(a), py.Name(b)
            if a < b:
                pairs += [py.Binary("+", left, right), py.Binary("*", left, right)]
            if a != b:
                pairs += [py.Binary("-", left, right), py.Binary("//", left, right)]
                pairs += [
                    py.Binary("+", left, py.Binary("*", py.Const(k), right)) for k in (2, 3, 4)
                ]  # fmt: skip
    for candidate in pairs:
        if agree(candidate, envs, wanted):
            return candidate
    return _linear(names, vectors, envs, wanted)


def _linear(
    names: list[str], vectors: Mapping[str, list[int]], envs: Sequence[Environment], wanted: Sequence[int]
) -> Py | None:
    """``a + i * b`` and ``a + c * i``, for the index ``i`` of a loop."""
    if "i" not in vectors:
        return None
    index = py.Name("i")
    others = [name for name in names if name != "i"]
    for a in others:
        for b in others:
            if a != b:
                candidate = py.Binary("+", py.Name(a), py.Binary("*", index, py.Name(b)))
                if agree(candidate, envs, wanted):
                    return candidate
    at_zero = {env["i"]: value for env, value in zip(envs, wanted, strict=True)}
    if 0 in at_zero and 1 in at_zero and at_zero[1] != at_zero[0]:
        step: Py = py.Binary("*", py.Const(at_zero[1] - at_zero[0]), index)
        for start in (py.Const(at_zero[0]), *map(py.Name, others)):
            candidate = py.Binary("+", start, step)
            if agree(candidate, envs, wanted):
                return candidate
    return None
