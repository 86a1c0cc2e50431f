"""Sums and products of what a class knows by name: equal terms taken together, multiples divided."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

from dlspec.backends.torch.python.expressions import Binary, Const, Py, rebuild
from dlspec.backends.torch.python.symbols import Each, Leaf, Sum, Turned, signature


def add(*parts: Py) -> Py:
    """The sum, with equal terms taken together."""
    terms: dict[Any, tuple[Py, Py]] = {}
    number = 0
    for factor, atom in (term for part in parts for term in _terms(part)):
        if isinstance(atom, Const):
            number += atom.value * _number(factor)
            continue
        mark = repr(signature(atom))
        known = terms.get(mark)
        terms[mark] = (factor if known is None else _plus(known[0], factor), atom)
    kept = tuple((factor, atom) for factor, atom in terms.values() if not is_number(factor, 0))
    if not kept:
        return Const(number)
    if len(kept) == 1 and is_number(kept[0][0], 1) and not number:
        return kept[0][1]
    return Sum(kept, number)


def _terms(node: Py) -> Iterator[tuple[Py, Py]]:
    match node:
        case Sum():
            yield from node.terms
            if node.number:
                yield Const(1), Const(node.number)
        case Binary(operator="+"):
            yield from _terms(node.left)
            yield from _terms(node.right)
        case Binary(operator="*", left=Const(value=int(factor)), right=atom) if not isinstance(atom, Const):
            yield from ((times(Const(factor), f), a) for f, a in _terms(atom))
        case _:
            yield Const(1), node


def times(factor: Py, node: Py) -> Py:
    """The product, where one side may be 0 or 1."""
    if is_number(factor, 0) or is_number(node, 0):
        return Const(0)
    if is_number(factor, 1):
        return node
    if is_number(node, 1):
        return factor
    if isinstance(factor, Const) and isinstance(node, Const):
        return Const(factor.value * node.value)
    return Binary("*", factor, node)


def with_powers(node: Py) -> Py:
    """A product whose equal factors, other than names and numbers, are one power: `(224 // patch) ** 2`."""
    factors: list[Py] = []
    rest = node
    while isinstance(rest, Binary) and rest.operator == "*":
        factors.append(rest.right)
        rest = rest.left
    marks = [repr(signature(factor)) for factor in (*factors, rest)]
    equal: dict[str, list[Py]] = {}
    for mark, factor in zip(reversed(marks), (rest, *reversed(factors)), strict=True):
        equal.setdefault(f"{mark} {len(equal)}" if isinstance(factor, Const | Leaf) else mark, []).append(factor)
    if len(equal) == len(marks):
        return node
    powers = (same[0] if len(same) == 1 else Binary("**", same[0], Const(len(same))) for same in equal.values())
    return reduce(times, powers)


def scaled(factor: Py, node: Py) -> Py:
    """``factor`` times each term of a sum of its own."""
    return add(
        *(Sum(((times(factor, f), a),)) if not isinstance(a, Const) else times(factor, a) for f, a in _terms(node))
    )


def divided(node: Py, divisor: Py) -> Py:
    """The quotient, rounded down: done where each term is a multiple, but for a number below the divisor, or a factor is the
    divisor."""
    rest = _without_factor(node, repr(signature(divisor)))
    if rest is not None:
        return rest
    terms = list(_terms(node))
    if len(terms) > 1 and isinstance(divisor, Const) and type(divisor.value) is int:
        terms = [(f, a) for f, a in terms if not (isinstance(a, Const) and 0 <= times(f, a).value < divisor.value)]  # type: ignore[union-attr]
    by = divisor.value if isinstance(divisor, Const) else 0
    if (
        type(by) is not int
        or by < 1
        or any(not isinstance(f, Const) or isinstance(a, Const) or f.value % by for f, a in terms)
    ):
        return Binary("//", node, divisor)
    return add(*(Sum(((Const(_number(factor) // by), atom),)) for factor, atom in terms))


def _without_factor(node: Py, mark: str) -> Py | None:
    if isinstance(node, Sum) and len(node.terms) == 1 and not node.number and is_number(node.terms[0][0], 1):
        node = node.terms[0][1]
    if not isinstance(node, Binary) or node.operator != "*":
        return None
    for one, other in ((node.left, node.right), (node.right, node.left)):
        if repr(signature(one)) == mark:
            return other
    left = _without_factor(node.left, mark)
    return None if left is None else times(left, node.right)


def _plus(a: Py, b: Py) -> Py:
    if isinstance(a, Const) and isinstance(b, Const):
        return Const(a.value + b.value)
    return Binary("+", a, b)


def is_number(node: Py, number: int) -> bool:
    """Whether it is this whole number, written out."""
    return isinstance(node, Const) and type(node.value) is int and node.value == number


def _number(factor: Py) -> int:
    assert isinstance(factor, Const)
    return factor.value


def without(node: Py, unwanted: Callable[[Py], bool]) -> tuple[Py, bool]:
    """A sum without a term that is there once, and whether it was."""
    parts = list(_terms(node))
    found = [index for index, (factor, atom) in enumerate(parts) if is_number(factor, 1) and unwanted(atom)]
    if len(found) != 1:
        return node, False
    rest = [times(f, a) if isinstance(a, Const) else Sum(((f, a),)) for i, (f, a) in enumerate(parts) if i != found[0]]
    return add(*rest) if rest else Const(0), True


def written_out(node: Sum) -> Py:
    """A sum as operators, what is subtracted behind what it is taken from."""
    signed = [(isinstance(f, Const) and f.value < 0, f, atom) for f, atom in node.terms]
    first = [part for part in signed if not part[0]]
    made: Py | None = Const(node.number) if not first and node.number > 0 else None
    rest = 0 if made is not None else node.number
    for negative, factor, atom in (*first, *(part for part in signed if part[0])):
        term = times(Const(-factor.value) if negative and made is not None else factor, atom)  # type: ignore[attr-defined]
        made = term if made is None else Binary("-" if negative else "+", made, term)
    assert made is not None
    return Binary("+" if rest > 0 else "-", made, Const(abs(rest))) if rest else made


def rebuild_all(node: Py, change: Callable[[Py], Py]) -> Py:
    """`rebuild`, which also goes into sums and definitions."""
    if isinstance(node, Leaf | Turned | Each | Const):
        return node
    if isinstance(node, Sum):
        return add(*(_product(change(factor), change(atom)) for factor, atom in node.terms), Const(node.number))
    return rebuild(node, change)


def _product(factor: Py, atom: Py) -> Py:
    if isinstance(factor, Const):
        return scaled(factor, atom)
    return times(factor, atom) if isinstance(atom, Const) else Sum(((factor, atom),))
