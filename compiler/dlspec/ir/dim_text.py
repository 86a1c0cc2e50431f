"""How a size is written: constants last, a division rounded up as one rounded down and 1."""

from __future__ import annotations

from dlspec.ir.atoms import FloorDiv, grouped
from dlspec.ir.polynomials import Monomial, Terms, display_order


def rendered(parts: Terms) -> str:
    """The text of a polynomial that is not constant."""
    constant = parts.get((), 0)
    pieces: list[tuple[int, str]] = []
    for monomial, coefficient in sorted(parts.items(), key=display_order):
        if not monomial:
            continue
        floor = monomial[0][0] if len(monomial) == 1 and monomial[0][1] == 1 else None
        if isinstance(floor, FloorDiv) and _reads_better_shifted(floor, coefficient, constant):
            text = _floor_text(floor, shifted=True)
            constant += coefficient
            pieces.append((coefficient, text if abs(coefficient) == 1 else f"{abs(coefficient)} * ({text})"))
        else:
            pieces.append((coefficient, _monomial_text(monomial, abs(coefficient))))
    if constant:
        pieces.append((constant, str(abs(constant))))
    # W - H rather than -H + W.
    first = next((index for index, (sign, _) in enumerate(pieces) if sign > 0), 0)
    pieces.insert(0, pieces.pop(first))
    leading, start = pieces[0]
    if leading < 0:
        # Minus binds tighter than //, and a coefficient of -1 may stand before a bare division.
        start = f"-({start})" if leading == -1 and "//" in start else f"-{start}"
    return start + "".join(f" {'-' if sign < 0 else '+'} {text}" for sign, text in pieces[1:])


def _reads_better_shifted(floor: FloorDiv, coefficient: int, constant: int) -> bool:
    """Whether to write ``(x - 1) // d + 1`` for ``(x + d - 1) // d``: always, except for ``2 * ((x - 1) // d + 1)``."""
    if not isinstance(floor.divisor, int) or isinstance(floor.numerator, int):
        return False
    offset = floor.numerator.parts.get((), 0)
    if offset == floor.divisor - 1:
        return abs(coefficient) == 1 or constant != 0
    return offset > 0 and constant == -coefficient


def _monomial_text(monomial: Monomial, coefficient: int) -> str:
    """The product; a lone floor division stands without parentheses."""
    if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1:
        atom = monomial[0][0]
        return _floor_text(atom, shifted=False) if isinstance(atom, FloorDiv) else repr(atom)
    factors = [] if coefficient == 1 else [str(coefficient)]
    for atom, power in monomial:
        text = repr(atom)
        if isinstance(atom, FloorDiv):
            shifted = _reads_better_shifted(atom, 1, 0)
            text = f"({_floor_text(atom, shifted)}{' + 1' if shifted else ''})"
        factors.append(text if power == 1 else f"{text} ** {power}")
    return " * ".join(factors)


def _floor_text(floor: FloorDiv, shifted: bool) -> str:
    numerator = floor.numerator - floor.divisor if shifted else floor.numerator
    return f"{grouped(numerator)} // {grouped(floor.divisor)}"
