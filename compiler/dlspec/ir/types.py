"""Element types and tensor types."""

from __future__ import annotations

from enum import Enum
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


_FLOATS = frozenset({DType.FLOAT32, DType.FLOAT64, DType.FLOAT16, DType.BFLOAT16})

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
