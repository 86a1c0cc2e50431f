"""What a size is for given sizes of its symbols, and the numbers that it is written with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from dlspec.ir.atoms import Atom, Extremum, FloorDiv, Scaled, Symbol, operands_of
from dlspec.ir.computed import extremum, scaled
from dlspec.ir.dims import Dim, DimError, Expr, of_atom, product, total
from dlspec.ir.polynomials import CACHE


def evaluate(dim: Dim, env: Mapping[str, int]) -> int:
    """The value for the sizes in ``env``. Raises `DimError` where one is missing or a divisor is zero."""
    if isinstance(dim, int):
        return dim
    missing = tuple(sorted(name for name in dim.symbols if name not in env))
    if missing:
        raise DimError(f"no size is given for {', '.join(missing)}", missing)
    return _value(dim, env, {})


def _value(dim: Dim, env: Mapping[str, int], known: dict[Atom, int]) -> int:
    if isinstance(dim, int):
        return dim
    result = 0
    for monomial, coefficient in dim.parts.items():
        for atom, power in monomial:
            value = known.get(atom)
            if value is None:
                value = known[atom] = _atom_value(atom, env, known)
            coefficient *= value if power == 1 else value**power
        result += coefficient
    return result


def _atom_value(atom: Atom, env: Mapping[str, int], known: dict[Atom, int]) -> int:
    if isinstance(atom, Symbol):
        return env[atom.name]
    if isinstance(atom, Extremum):
        return (max if atom.kind == "max" else min)(_value(operand, env, known) for operand in atom.operands)
    if isinstance(atom, Scaled):
        return int(_value(atom.operands[0], env, known) * atom.factor)
    divisor = _value(atom.divisor, env, known)
    if divisor == 0:
        raise DimError(f"division by zero: {atom.divisor} is 0 in {atom!r}")
    return _value(atom.numerator, env, known) // divisor


def substitute(dim: Dim, env: Mapping[str, Dim]) -> Dim:
    """``dim`` with the symbols in ``env`` replaced, all at once; others stay."""
    if isinstance(dim, int):
        return dim
    relevant = tuple((name, env[name]) for name in sorted(dim.symbols) if name in env)
    return _substitute(dim, relevant) if relevant else dim


@lru_cache(CACHE)
def _substitute(dim: Expr, replacements: tuple[tuple[str, Dim], ...]) -> Dim:
    env = dict(replacements)

    def replaced(atom: Atom) -> Dim:
        if isinstance(atom, Symbol):
            return env[atom.name] if atom.name in env else of_atom(atom)
        if isinstance(atom, FloorDiv):
            return substitute(atom.numerator, env) // substitute(atom.divisor, env)
        if isinstance(atom, Scaled):
            return scaled(substitute(atom.operands[0], env), atom.factor)
        return extremum(atom.kind, tuple(substitute(operand, env) for operand in atom.operands))

    return total(
        coefficient * product(replaced(atom) ** power for atom, power in monomial)
        for monomial, coefficient in dim.parts.items()
    )


@lru_cache(CACHE)
def greatest_number(dim: Dim) -> int:
    """The greatest of the numbers that a size is written with, without their signs."""
    if isinstance(dim, int):
        return abs(dim)
    inner = [operand for monomial in dim.parts for atom, _ in monomial for operand in operands_of(atom)]
    return max(*map(abs, dim.parts.values()), *map(greatest_number, inner), 0)
