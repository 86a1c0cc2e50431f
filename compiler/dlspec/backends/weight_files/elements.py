"""Element types by the names that NumPy has for them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def element_type(name: str) -> np.dtype[Any]:
    """The element type; bfloat16 and those of 8 bits are of ml_dtypes, which comes with onnx."""
    import numpy as np

    import_module("ml_dtypes")
    return np.dtype(name)


def largest(dtype: np.dtype[Any]) -> float:
    """The largest finite number that a floating-point type has."""
    return float(import_module("ml_dtypes").finfo(dtype).max)
