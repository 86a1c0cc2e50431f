"""A condition on sizes: a congruence, a bound or an equality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from dlspec.ir.dims import Dim, from_terms, symbols, terms
from dlspec.ir.evaluation import evaluate


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
