"""Element types and tensor types."""

from __future__ import annotations

from enum import Enum
from math import inf, isfinite
from typing import ClassVar, NoReturn

from dlspec.ir.dims import Dim, product, symbols


class DType(Enum):
    """An element type: its name in reports and its width in bytes."""

    FLOAT32 = ("float32", 4)
    FLOAT64 = ("float64", 8)
    FLOAT16 = ("float16", 2)
    BFLOAT16 = ("bfloat16", 2)
    INT64 = ("int64", 8)
    INT32 = ("int32", 4)
    BOOL = ("bool", 1)

    def __init__(self, label: str, size: int) -> None:
        self.label = label
        self.size = size

    __hash__ = object.__hash__  # Enum's own hashes the name, which inference by type pays for at every node

    @property
    def is_float(self) -> bool:
        return self in _FLOATS

    @property
    def is_integer(self) -> bool:
        return self in (DType.INT64, DType.INT32)

    @property
    def is_half(self) -> bool:
        return self in (DType.FLOAT16, DType.BFLOAT16)

    def rounded(self, number: float) -> float:
        """What the type makes of a number but for the digits that every number loses: infinity of what is too large, and a
        multiple of the least that it holds of what is too small."""
        if not self.is_float or not number or number in (inf, -inf):
            return number
        digits, exponent = _FORMATS[self]
        try:
            number = float(number)
        except OverflowError:
            return inf if number > 0 else -inf
        if abs(number) >= (2 - 2.0**-digits) * 2.0**exponent:
            return inf if number > 0 else -inf
        least = 2.0 ** (2 - exponent - digits)
        return round(number / least) * least if abs(number) < 2.0 ** (1 - exponent) else number

    def fault(self, number: float) -> str:
        """What the type does to a number that it does not hold, as the end of a sentence; empty where it holds it.

        Of a number below its normal ones a sixteenth may be lost. Sources: IEEE 754, and for bfloat16 the upper half of a
        float32.
        """
        if self.is_integer:
            bits = 8 * self.size - 1
            return "" if -(1 << bits) <= number < 1 << bits else f"is outside of {self.label}"
        kept = self.rounded(number)
        if not isfinite(kept) and number not in (inf, -inf):
            return f"is larger than {self.label} holds, which is up to {self.largest:.5g}"
        if kept == number or abs(kept - number) <= abs(number) / 16:
            return ""
        return f"becomes {kept:.3g} in {self.label}"

    @property
    def roundoff(self) -> float:
        """What rounding to a floating-point type loses of a number at most, as a share of it."""
        return 2.0 ** -_FORMATS[self][0]

    @property
    def largest(self) -> float:
        """The largest number of a floating-point type."""
        digits, exponent = _FORMATS[self]
        return (2 - 2.0 ** (1 - digits)) * 2.0**exponent

    @property
    def smallest(self) -> float:
        """The smallest positive number that a floating-point type holds with all its digits."""
        return 2.0 ** (1 - _FORMATS[self][1])


_FLOATS = frozenset({DType.FLOAT32, DType.FLOAT64, DType.FLOAT16, DType.BFLOAT16})

# Binary digits of a number, with the first, and the largest exponent.
_FORMATS = {
    DType.FLOAT32: (24, 127),
    DType.FLOAT64: (53, 1023),
    DType.FLOAT16: (11, 15),
    DType.BFLOAT16: (8, 127),
}

# The names a spec may write. `float` and `int` are torch's defaults for them.
DTYPES: dict[str, DType] = {
    "float": DType.FLOAT32,
    "int": DType.INT64,
    "bool": DType.BOOL,
    **{dtype.label: dtype for dtype in DType},
}


class TensorType:
    """A dtype and a shape. Axes are batch, channels, then space, as in ``torch.nn``.

    Equal ones are one object, as with atoms of sizes: every node's type is looked up again and again.
    """

    __slots__ = ("dtype", "shape")
    dtype: DType
    shape: tuple[Dim, ...]
    _known: ClassVar[dict[tuple[DType, tuple[Dim, ...]], TensorType]] = {}

    def __new__(cls, dtype: DType, shape: tuple[Dim, ...]) -> TensorType:
        found = cls._known.get((dtype, shape))
        if found is None:
            found = super().__new__(cls)
            object.__setattr__(found, "dtype", dtype)
            object.__setattr__(found, "shape", shape)
            found = cls._known.setdefault((dtype, shape), found)
        return found

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("TensorType is immutable")

    def __reduce__(self) -> tuple[type[TensorType], tuple[DType, tuple[Dim, ...]]]:
        return TensorType, (self.dtype, self.shape)

    def __repr__(self) -> str:
        return f"TensorType({self.dtype.label}, {format_shape(self.shape)})"

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def spatial(self) -> tuple[Dim, ...]:
        """The axes behind batch and channels."""
        return self.shape[2:]

    @property
    def elements(self) -> Dim:
        return product(self.shape)

    @property
    def bytes(self) -> Dim:
        return self.elements * self.dtype.size

    @property
    def symbols(self) -> frozenset[str]:
        return frozenset[str]().union(*map(symbols, self.shape))

    def with_shape(self, *shape: Dim) -> TensorType:
        return TensorType(self.dtype, shape)

    def __str__(self) -> str:
        return f"{_WRITTEN.get(self.dtype, self.dtype.label)}{format_shape(self.shape)}"


_WRITTEN = {DType.FLOAT32: "float", DType.INT64: "int"}


def format_shape(shape: tuple[Dim, ...]) -> str:
    """``[N, 64, 112, 112]``."""
    return f"[{', '.join(map(str, shape))}]"
