"""What is known of the size of one symbol: its residues modulo a number, and a least size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import gcd

from dlspec.ir.condition import Condition
from dlspec.ir.dims import symbol


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes that are at least ``least`` and in one of the residue classes. Made by `of`, so that equal sets are ==:
    the modulus is the smallest that does, and ``least`` is itself such a size."""

    modulus: int
    residues: frozenset[int]
    least: int

    @staticmethod
    def of(modulus: int, residues: Iterable[int], least: int = 1) -> Sizes:
        """Those from ``least`` on in these classes, of which there is at least one."""
        kept = frozenset(residues)
        for prime in _prime_factors(modulus):
            while modulus % prime == 0:
                smaller = modulus // prime
                if any((residue + smaller) % modulus not in kept for residue in kept):
                    break
                modulus, kept = smaller, frozenset(residue % smaller for residue in kept)
        return Sizes(modulus, kept, min(least + (residue - least) % modulus for residue in kept))

    def __and__(self, other: Sizes) -> Sizes | None:
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
        return Sizes.of(modulus, residues, max(self.least, other.least)) if residues else None

    def conditions(self, name: str) -> Iterator[Condition]:
        if self.modulus > 1:
            yield Condition.congruent(symbol(name), self.modulus, self.residues)
        if self.least > Sizes.of(self.modulus, self.residues).least:
            yield Condition.at_least(symbol(name), self.least)


ANY_SIZE = Sizes(1, frozenset((0,)), 1)


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
