"""Preconditions on sizes: what is declared, what follows from it, and what a network turns out to need.

What is known of one symbol is kept as residues modulo a number and a least size, so that conditions intersect exactly
and the shortest way to write them can be found afterwards. Equal symbols are replaced by one of them. What fits neither
form is kept as it is written and shown: a demand is never dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product as grid
from math import gcd, prod

from dlspec.ir.condition import Condition
from dlspec.ir.dims import Dim, Expr, from_terms, lower_bound, symbol, symbols, terms, upper_bound
from dlspec.ir.evaluation import evaluate, substitute
from dlspec.ir.periods import as_remainder, bound_inside, degree, is_linear, periods_of, primitive
from dlspec.ir.residues import ANY_SIZE, Sizes

# As many combinations of residues are tried; a network's strides multiply to far less.
_GRID = 1 << 15


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


class Conditions:
    """What is known of the sizes of a network: declared by ``where``, or derived from what it joins."""

    def __init__(self, conditions: Iterable[Condition] = ()) -> None:
        """Raises `ValueError` where the conditions contradict each other."""
        self._sizes: dict[str, Sizes] = {}
        self._replaced: dict[str, Dim] = {}
        self._others: dict[Condition, None] = {}
        self._new: list[Condition] = []
        # What is true stays true, since knowledge only grows.
        self._settled: set[Condition] = set()
        self.asked = 0
        self._before = self._sizes, self._replaced, self._others
        self._last: Condition | None = None
        for condition in conditions:
            outcome = self.assume(condition)
            if outcome.impossible:
                raise ValueError(outcome.reason)

    def copy(self) -> Conditions:
        """The same knowledge, to try something on."""
        self.asked += 1
        result = Conditions()
        result._sizes = dict(self._sizes)
        result._replaced = dict(self._replaced)
        result._others = dict(self._others)
        result._settled = set(self._settled)
        return result

    def assume(self, condition: Condition) -> Outcome:
        """Adds a condition. What contradicts the others is impossible and not added."""
        self.asked += 1
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
        self.asked += 1
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

    def _known(self, name: str) -> Sizes:
        return self._sizes.get(name, ANY_SIZE)

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
        difference = primitive(difference)
        if difference == 0:
            return
        minima = self._minima()
        low, high = lower_bound(difference, minima), upper_bound(difference, minima)
        common = gcd(*(coefficient for coefficient, monomial in terms(difference) if monomial))
        constant = sum(coefficient for coefficient, monomial in terms(difference) if not monomial)
        if (low is not None and low > 0) or (high is not None and high < 0) or (common and constant % common):
            raise _Impossible(f"{condition.left} and {condition.right} differ for every size")
        assert isinstance(difference, Expr)
        if is_linear(difference):
            self._demand_linear(difference)
            return
        remainder = as_remainder(difference)
        if remainder is not None:
            self._demand_congruent(*remainder)
            return
        periods = periods_of(difference)
        if periods is None:
            # A maximum may be decided above the least sizes: max(H, 3) is H where H >= 3.
            if substitute(difference, {name: symbol(name) + (least - 1) for name, least in minima.items()}) != 0:
                self._keep(condition)
            return
        degrees = {name: degree(difference, name) for name in periods}

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
        if len(symbols(reduced)) == 1 and is_linear(reduced):
            self._demand_linear_congruent(condition, reduced)
            return
        periods = periods_of(reduced)
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
        self._restrict(name, Sizes.of(modulus, residues))

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
                found = Sizes.of(period, side)
                if len(periods) == 1 and period <= _GRID and len(found.residues) > 1:
                    # Without what is known it may be shorter to say.
                    alone = Sizes.of(period, (r for r in range(period) if satisfied({name: r})))
                    found = min(found, alone, key=_length)
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
        periods = periods_of(dim)
        if periods is not None and len(periods) == 1:
            ((name, period),) = periods.items()
            if period <= _GRID and degree(dim, name) == 1:
                self._demand_line_at_least(condition, name, period)
                return
        inside = bound_inside(dim, bound) if periods is None else None
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
        self._restrict(name, Sizes.of(period, first))
        self._raise_least(name, threshold)

    # --- knowing ------------------------------------------------------------------------------------------------

    def _restrict(self, name: str, sizes: Sizes) -> None:
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
            self._sizes[name] = Sizes.of(known.modulus, known.residues, least)
            self._new.append(Condition.at_least(symbol(name), least))

    def _replace(self, name: str, dim: Dim) -> None:
        known = self._sizes.pop(name, ANY_SIZE)
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


def _length(sizes: Sizes) -> tuple[int, int]:
    return len(sizes.residues), sizes.modulus


def _written(name: str, sizes: Sizes) -> str:
    return " and ".join(map(str, sizes.conditions(name)))
