"""Preconditions on sizes: what is declared, what follows from it, and what a network turns out to need.

What is known of one symbol is kept as residues modulo a number and a least size, so that conditions intersect exactly
and the shortest way to write them can be found afterwards. Equal symbols are replaced by one of them. What fits neither
form is kept as it is written and shown: a demand is never dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product as grid
from math import gcd, lcm, prod
from typing import Literal

from dlspec.ir.dims import (
    Atom,
    Dim,
    Expr,
    Extremum,
    FloorDiv,
    Scaled,
    Symbol,
    evaluate,
    from_terms,
    lower_bound,
    substitute,
    symbol,
    symbols,
    terms,
    upper_bound,
)

# As many combinations of residues are tried; a network's strides multiply to far less.
_GRID = 1 << 15


@dataclass(frozen=True, slots=True)
class Condition:
    """A demand on sizes. Made by `congruent`, `at_least` and `equal`.

    * ``congruence``: ``left % modulus`` is one of ``residues``;
    * ``bound``: ``left >= right``, with an int on the right;
    * ``equality``: ``left == right``.
    """

    kind: Literal["congruence", "bound", "equality"]
    left: Dim
    right: Dim = 0
    modulus: int = 1
    residues: tuple[int, ...] = ()

    @staticmethod
    def congruent(dim: Dim, modulus: int, residues: int | Iterable[int] = 0) -> Condition:
        """``dim % modulus == residue``, or ``dim % modulus in (residues)``."""
        if modulus < 1:
            raise ValueError(f"a modulus must be positive, not {modulus}")
        given = (residues,) if isinstance(residues, int) else residues
        return Condition("congruence", dim, 0, modulus, tuple(sorted({residue % modulus for residue in given})))

    @staticmethod
    def at_least(dim: Dim, bound: int) -> Condition:
        """``dim >= bound``."""
        return Condition("bound", dim, bound)

    @staticmethod
    def equal(left: Dim, right: Dim) -> Condition:
        """``left == right``."""
        return Condition("equality", left, right)

    @property
    def symbols(self) -> frozenset[str]:
        """The names of the symbols in it."""
        return symbols(self.left) | symbols(self.right)

    def holds(self, env: Mapping[str, int]) -> bool:
        """Whether the sizes in ``env`` satisfy it. Raises `DimError` where one is missing."""
        left, right = evaluate(self.left, env), evaluate(self.right, env)
        if self.kind == "congruence":
            return left % self.modulus in self.residues
        return left >= right if self.kind == "bound" else left == right

    def __str__(self) -> str:
        if self.kind == "equality":
            return f"{self.left} == {self.right}"
        if self.kind == "bound":
            # H >= W + 1 and H <= 512 rather than H - W >= 1 and 512 - H >= 0.
            positive = from_terms((c, monomial) for c, monomial in terms(self.left) if monomial and c > 0)
            negative = from_terms((-c, monomial) for c, monomial in terms(self.left) if monomial and c < 0)
            if negative == 0:
                return f"{self.left} >= {self.right}"
            constant = self.left - positive + negative - self.right
            return f"{negative} <= {constant}" if positive == 0 else f"{positive} >= {negative - constant}"
        text = str(self.left)
        left = text if text.isidentifier() else f"({text})"
        if len(self.residues) == 1:
            return f"{left} % {self.modulus} == {self.residues[0]}"
        return f"{left} % {self.modulus} in ({', '.join(map(str, self.residues))})"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a demand.

    It is ``impossible``, with a ``reason``; or it needs ``conditions``, which are now assumed; or, with neither, it is
    always ``true`` under what was known.
    """

    conditions: tuple[Condition, ...] = ()
    reason: str = ""

    @property
    def impossible(self) -> bool:
        return bool(self.reason)

    @property
    def derived(self) -> bool:
        return bool(self.conditions)

    @property
    def true(self) -> bool:
        return not self.reason and not self.conditions


_TRUE = Outcome()


class _Impossible(Exception):
    pass


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Sizes that are at least ``least`` and in one of the residue classes. Made by `_sizes`, so that equal sets are ==:
    the modulus is the smallest that does, and ``least`` is itself such a size."""

    modulus: int
    residues: frozenset[int]
    least: int

    def __and__(self, other: _Sizes) -> _Sizes | None:
        shared = gcd(self.modulus, other.modulus)
        modulus = self.modulus // shared * other.modulus
        by_shared: dict[int, list[int]] = {}
        for residue in other.residues:
            by_shared.setdefault(residue % shared, []).append(residue)
        inverse = pow(self.modulus // shared, -1, other.modulus // shared)
        residues = {
            (mine + (theirs - mine) // shared * inverse % (other.modulus // shared) * self.modulus) % modulus
            for mine in self.residues
            for theirs in by_shared.get(mine % shared, ())
        }
        return _sizes(modulus, residues, max(self.least, other.least)) if residues else None

    def conditions(self, name: str) -> Iterator[Condition]:
        if self.modulus > 1:
            yield Condition.congruent(symbol(name), self.modulus, self.residues)
        if self.least > _sizes(self.modulus, self.residues).least:
            yield Condition.at_least(symbol(name), self.least)


def _sizes(modulus: int, residues: Iterable[int], least: int = 1) -> _Sizes:
    kept = frozenset(residues)
    for prime in _prime_factors(modulus):
        while modulus % prime == 0:
            smaller = modulus // prime
            if any((residue + smaller) % modulus not in kept for residue in kept):
                break
            modulus, kept = smaller, frozenset(residue % smaller for residue in kept)
    return _Sizes(modulus, kept, min(least + (residue - least) % modulus for residue in kept))


_ANY_SIZE = _Sizes(1, frozenset((0,)), 1)


class Conditions:
    """What is known of the sizes of a network: declared by ``where``, or derived from what it joins."""

    def __init__(self, conditions: Iterable[Condition] = ()) -> None:
        """Raises `ValueError` where the conditions contradict each other."""
        self._sizes: dict[str, _Sizes] = {}
        self._replaced: dict[str, Dim] = {}
        self._others: dict[Condition, None] = {}
        self._new: list[Condition] = []
        # What is true stays true, since knowledge only grows.
        self._settled: set[Condition] = set()
        self._before = self._sizes, self._replaced, self._others
        self._last: Condition | None = None
        for condition in conditions:
            outcome = self.assume(condition)
            if outcome.impossible:
                raise ValueError(outcome.reason)

    def copy(self) -> Conditions:
        """The same knowledge, to try something on."""
        result = Conditions()
        result._sizes = dict(self._sizes)
        result._replaced = dict(self._replaced)
        result._others = dict(self._others)
        result._settled = set(self._settled)
        return result

    def assume(self, condition: Condition) -> Outcome:
        """Adds a condition. What contradicts the others is impossible and not added."""
        if condition in self._settled:
            return _TRUE
        self._before, self._last = (dict(self._sizes), dict(self._replaced), dict(self._others)), condition
        self._new = []
        try:
            self._demand(condition)
            if self._new:
                self._review_others()
        except _Impossible as impossible:
            self.forget()
            return Outcome(reason=str(impossible))
        self._settled.add(condition)
        return Outcome(tuple(dict.fromkeys(self._new)))

    def forget(self) -> None:
        """Takes the condition that was assumed last back."""
        self._sizes, self._replaced, self._others = self._before
        if self._last is not None:
            self._settled.discard(self._last)

    def implies(self, condition: Condition) -> bool:
        """Whether ``condition`` certainly holds for all sizes that satisfy these."""
        return self.copy().assume(condition).true

    def require_equal(self, a: Dim, b: Dim) -> Outcome:
        """Demands ``a == b``."""
        return _TRUE if a == b else self.assume(Condition.equal(a, b))

    def require_at_least(self, a: Dim, bound: int) -> Outcome:
        """Demands ``a >= bound``."""
        return self.assume(Condition.at_least(a, bound))

    def require_divisible(self, a: Dim, by: int) -> Outcome:
        """Demands ``a % by == 0``."""
        return self.assume(Condition.congruent(a, by))

    def simplified(self) -> tuple[Condition, ...]:
        """The shortest list that says the same: equalities, then symbol by symbol, then what fits neither."""
        equalities: list[Condition] = []
        for name, dim in sorted(self._replaced.items()):
            left, right = symbol(name), dim
            if str(right).isidentifier() and str(right) < name:
                equalities.append(Condition.equal(right, left))
            else:
                equalities.append(Condition.equal(left, right))
        by_symbol = (c for name, sizes in sorted(self._sizes.items()) for c in sizes.conditions(name))
        return *equalities, *by_symbol, *sorted(self._others, key=str)

    def resolve(self, dim: Dim) -> Dim:
        """``dim`` with symbols that are known to be equal replaced by one of them."""
        return substitute(dim, self._replaced)

    def least(self, name: str) -> int:
        """The smallest size that the symbol may have."""
        dim = self.resolve(symbol(name))
        return dim if isinstance(dim, int) else lower_bound(dim, self._minima()) or 1

    def __iter__(self) -> Iterator[Condition]:
        return iter(self.simplified())

    def __str__(self) -> str:
        return ", ".join(map(str, self.simplified()))

    # --- deciding -----------------------------------------------------------------------------------------------

    def _minima(self) -> dict[str, int]:
        return {name: sizes.least for name, sizes in self._sizes.items()}

    def _known(self, name: str) -> _Sizes:
        return self._sizes.get(name, _ANY_SIZE)

    def _demand(self, condition: Condition) -> None:
        left = self.resolve(condition.left)
        if condition.kind == "equality":
            self._demand_equal(condition, left - self.resolve(condition.right))
        elif condition.kind == "bound":
            assert isinstance(condition.right, int)
            self._demand_at_least(left, condition.right)
        else:
            self._demand_congruent(left, condition.modulus, frozenset(condition.residues))

    def _demand_equal(self, condition: Condition, difference: Dim) -> None:
        difference = _primitive(difference)
        if difference == 0:
            return
        minima = self._minima()
        low, high = lower_bound(difference, minima), upper_bound(difference, minima)
        common = gcd(*(coefficient for coefficient, monomial in terms(difference) if monomial))
        constant = sum(coefficient for coefficient, monomial in terms(difference) if not monomial)
        if (low is not None and low > 0) or (high is not None and high < 0) or (common and constant % common):
            raise _Impossible(f"{condition.left} and {condition.right} differ for every size")
        assert isinstance(difference, Expr)
        if _is_linear(difference):
            self._demand_linear(difference)
            return
        remainder = _as_remainder(difference)
        if remainder is not None:
            self._demand_congruent(*remainder)
            return
        periods = _periods(difference)
        if periods is None:
            # A maximum may be decided above the least sizes: max(H, 3) is H where H >= 3.
            if substitute(difference, {name: symbol(name) + (least - 1) for name, least in minima.items()}) != 0:
                self._keep(condition)
            return
        degrees = {name: _degree(difference, name) for name in periods}

        def satisfied(point: dict[str, int]) -> bool:
            # On a residue class the difference is a polynomial: zero at as many points as this, it is zero everywhere.
            for step in grid(*(range(degrees[name] + 1) for name in point)):
                sizes = {name: r + periods[name] * k for (name, r), k in zip(point.items(), step, strict=True)}
                if evaluate(difference, sizes) != 0:
                    return False
            return True

        self._demand_residues(condition, periods, satisfied)

    def _demand_linear(self, difference: Expr) -> None:
        """A sum of symbols: solved for one of them, the last that can be."""
        for coefficient, monomial in reversed(terms(difference)):
            if monomial and abs(coefficient) == 1:
                name = str(from_terms([(1, monomial)]))
                self._replace(name, symbol(name) - coefficient * difference)
                return
        variables = [(coefficient, monomial) for coefficient, monomial in terms(difference) if monomial]
        if len(variables) == 1:
            # The constant is a multiple of the only coefficient: `_demand_equal` has looked.
            coefficient, monomial = variables[0]
            variable = from_terms([(1, monomial)])
            self._replace(str(variable), variable - difference // coefficient)
            return
        positive = from_terms(term for term in terms(difference) if term[0] > 0)
        self._keep(Condition.equal(positive, positive - difference))

    def _demand_congruent(self, dim: Dim, modulus: int, residues: frozenset[int]) -> None:
        reduced = from_terms((coefficient % modulus, monomial) for coefficient, monomial in terms(dim))
        if isinstance(reduced, int):
            if reduced not in residues:
                raise _Impossible(f"no sizes satisfy {Condition.congruent(dim, modulus, residues)}")
            return
        condition = Condition.congruent(reduced, modulus, residues)
        if len(symbols(reduced)) == 1 and _is_linear(reduced):
            self._demand_linear_congruent(condition, reduced)
            return
        periods = _periods(reduced)
        if periods is None:
            self._keep(condition)
            return
        periods = {name: period * modulus for name, period in periods.items()}
        self._demand_residues(condition, periods, lambda point: evaluate(reduced, point) % modulus in residues)

    def _demand_linear_congruent(self, condition: Condition, dim: Dim) -> None:
        """Solved rather than tried, so that the modulus may be large."""
        (name,) = symbols(dim)
        (factor, _), *rest = terms(dim)
        constant = rest[0][0] if rest else 0
        common = gcd(factor, condition.modulus)
        modulus = condition.modulus // common
        inverse = pow(factor // common, -1, modulus)
        residues = {
            (residue - constant) // common * inverse % modulus
            for residue in condition.residues
            if (residue - constant) % common == 0
        }
        if not residues:
            raise _Impossible(f"no sizes satisfy {condition}")
        self._restrict(name, _sizes(modulus, residues))

    def _demand_residues(
        self, condition: Condition, periods: Mapping[str, int], satisfied: Callable[[dict[str, int]], bool]
    ) -> None:
        """Finds the residues that satisfy a condition for which only residues matter."""
        allowed = {name: self._residues(name, period) for name, period in periods.items()}
        if prod(map(len, allowed.values())) > _GRID:
            self._keep(condition)
            return
        points = [point for point in grid(*allowed.values()) if satisfied(dict(zip(periods, point, strict=True)))]
        if not points:
            known = " and ".join(str(c) for name in periods for c in self._known(name).conditions(name))
            where = f"no sizes with {known} satisfy" if known else "no regular set of sizes satisfies"
            raise _Impossible(f"{where} {condition}")
        sides = [frozenset(side) for side in zip(*points, strict=True)]
        if len(points) != prod(map(len, sides)):
            # The sizes depend on each other, so that no list of conditions on single symbols says it.
            self._keep(condition)
            return
        for (name, period), side in zip(periods.items(), sides, strict=True):
            if len(side) < len(allowed[name]):
                found = _sizes(period, side)
                if len(periods) == 1 and period <= _GRID and len(found.residues) > 1:
                    # Without what is known it may be shorter to say.
                    found = min(found, _sizes(period, (r for r in range(period) if satisfied({name: r}))), key=_length)
                self._restrict(name, found)

    def _residues(self, name: str, period: int) -> list[int]:
        known = self._known(name)
        shared = gcd(known.modulus, period)
        residues = {residue % shared for residue in known.residues}
        return [start + residue for start in range(0, period, shared) for residue in sorted(residues)]

    def _demand_at_least(self, dim: Dim, bound: int) -> None:
        minima = self._minima()
        low, high = lower_bound(dim, minima), upper_bound(dim, minima)
        if low is not None and low >= bound:
            return
        if high is not None and high < bound:
            raise _Impossible(f"{dim} is at most {high}")
        condition = Condition.at_least(dim, bound)
        periods = _periods(dim)
        if periods is not None and len(periods) == 1:
            ((name, period),) = periods.items()
            if period <= _GRID and _degree(dim, name) == 1:
                self._demand_line_at_least(condition, name, period)
                return
        inside = _inside(dim, bound) if periods is None else None
        if inside is not None:
            self._demand_at_least(*inside)
        else:
            self._keep(condition)

    def _demand_line_at_least(self, condition: Condition, name: str, period: int) -> None:
        """One symbol, and on each residue class a straight line."""
        dim, bound = condition.left, condition.right
        assert isinstance(bound, int)
        first: dict[int, int] = {}  # by residue, the size from which it holds
        finite = False
        least = self._known(name).least
        for residue in self._residues(name, period):
            start = least + (residue - least) % period
            value = evaluate(dim, {name: start})
            slope = evaluate(dim, {name: start + period}) - value
            if slope > 0:
                first[residue] = start + max(0, -((value - bound) // slope)) * period
            elif value >= bound:
                first[residue] = start
                finite = finite or slope < 0
        if not first:
            raise _Impossible(f"no sizes satisfy {condition}")
        # Below this, some size of a class that holds from somewhere on does not hold yet.
        threshold = max(size - period + 1 for size in first.values())
        if finite or min(first.values()) < threshold:
            self._keep(condition)
            return
        self._restrict(name, _sizes(period, first))
        self._raise_least(name, threshold)

    # --- knowing ------------------------------------------------------------------------------------------------

    def _restrict(self, name: str, sizes: _Sizes) -> None:
        known = self._known(name)
        both = known & sizes
        if both is None:
            raise _Impossible(f"no sizes with {_written(name, known)} satisfy {_written(name, sizes)}")
        if both != known:
            self._sizes[name] = both
            self._new.extend(sizes.conditions(name))

    def _raise_least(self, name: str, least: int) -> None:
        known = self._known(name)
        if least > known.least:
            self._sizes[name] = _sizes(known.modulus, known.residues, least)
            self._new.append(Condition.at_least(symbol(name), least))

    def _replace(self, name: str, dim: Dim) -> None:
        known = self._sizes.pop(name, _ANY_SIZE)
        self._replaced = {other: substitute(value, {name: dim}) for other, value in self._replaced.items()}
        self._replaced[name] = dim
        ordered = (dim, symbol(name)) if str(dim).isidentifier() and str(dim) < name else (symbol(name), dim)
        self._new.append(Condition.equal(*ordered))
        new = len(self._new)
        try:
            self._demand_congruent(dim, known.modulus, known.residues)
            self._demand_at_least(dim, known.least)
        except _Impossible as impossible:
            what = _written(name, known) or f"{name} >= 1"
            why = "" if isinstance(dim, int) else f": {impossible}"
            raise _Impossible(f"{self._new[new - 1]} contradicts {what}{why}") from None
        if str(dim).isidentifier():
            # H == W says by itself that what was known of W is known of H.
            del self._new[new:]

    def _keep(self, condition: Condition) -> None:
        if condition not in self._others:
            self._others[condition] = None
            self._new.append(condition)

    def _review_others(self) -> None:
        """Conditions kept as written may be decided by what is known now."""
        for condition in list(self._others):
            del self._others[condition]
            new = len(self._new)
            self._demand(condition)
            if condition in self._others:
                del self._new[new:]


def _length(sizes: _Sizes) -> tuple[int, int]:
    return len(sizes.residues), sizes.modulus


def _written(name: str, sizes: _Sizes) -> str:
    return " and ".join(map(str, sizes.conditions(name)))


def _prime_factors(number: int) -> Iterator[int]:
    factor = 2
    while factor * factor <= number:
        if number % factor == 0:
            yield factor
            while number % factor == 0:
                number //= factor
        factor += 1
    if number > 1:
        yield number


def _primitive(dim: Dim) -> Dim:
    """Without the symbols that every term has: they are not zero, so ``N * H == N * W`` says ``H == W``."""
    for name in symbols(dim):
        while all(any(atom is Symbol(name) for atom, _ in monomial) for _, monomial in terms(dim)):
            dim = dim // symbol(name)
    return dim


def _is_linear(dim: Dim) -> bool:
    return all(
        not monomial or (len(monomial) == 1 and isinstance(monomial[0][0], Symbol) and monomial[0][1] == 1)
        for _, monomial in terms(dim)
    )


def _as_remainder(difference: Dim) -> tuple[Dim, int, frozenset[int]] | None:
    """``(x, m, {r})`` where the difference is zero exactly if ``x % m == r``: that of ``m * (x // m)`` and ``x``.

    Trying residues leads to the same; this needs none, so ``m`` may be large and ``x`` of many symbols.
    """
    for coefficient, monomial in terms(difference):
        floor = monomial[0][0] if len(monomial) == 1 and monomial[0][1] == 1 else None
        if isinstance(floor, FloorDiv) and floor.divisor == abs(coefficient):
            sign = 1 if coefficient > 0 else -1
            remainder = sign * (difference + sign * (floor.numerator % floor.divisor))
            if isinstance(remainder, int) and 0 <= remainder < abs(coefficient):
                return floor.numerator, abs(coefficient), frozenset((remainder,))
    return None


def _periods(dim: Dim) -> dict[str, int] | None:
    """For every symbol a step such that ``dim`` at ``r + step * k`` is an integer polynomial in ``k``.

    None where there may be none: a divisor that is not constant, a maximum, a product with a number.
    """
    result = dict.fromkeys(sorted(symbols(dim)), 1)
    for _, monomial in terms(dim):
        for atom, _ in monomial:
            if isinstance(atom, Extremum | Scaled):
                return None
            if isinstance(atom, FloorDiv):
                inner = _periods(atom.numerator)
                if inner is None or not isinstance(atom.divisor, int):
                    return None
                for name, period in inner.items():
                    result[name] = lcm(result[name], period * atom.divisor)
    return result


def _inside(dim: Dim, bound: int) -> tuple[Dim, int] | None:
    """What ``dim >= bound`` says of the size that ``dim`` divides or multiplies by a number; None where it is none such."""
    parts = [(coefficient, monomial) for coefficient, monomial in terms(dim) if monomial]
    if len(parts) != 1 or parts[0][0] < 1 or len(parts[0][1]) != 1 or parts[0][1][0][1] != 1:
        return None
    coefficient, ((atom, _),) = parts[0]
    constant = next((number for number, monomial in terms(dim) if not monomial), 0)
    needed = -((constant - bound) // coefficient)
    if isinstance(atom, FloorDiv) and isinstance(atom.divisor, int) and atom.divisor > 0:
        return atom.numerator, atom.divisor * needed
    return (atom.operands[0], atom.least(needed)) if isinstance(atom, Scaled) else None


def _degree(dim: Dim, name: str) -> int:
    """The degree in one symbol, floors not counted as such."""
    degrees = (sum(power * _atom_degree(atom, name) for atom, power in monomial) for _, monomial in terms(dim))
    return max(degrees, default=0)


def _atom_degree(atom: Atom, name: str) -> int:
    if isinstance(atom, Symbol):
        return int(atom.name == name)
    return _degree(atom.numerator, name) if isinstance(atom, FloorDiv) else 0
